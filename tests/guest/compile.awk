# SPDX-License-Identifier: GPL-2.0-or-later
#
# A C file for the workload `compile`: 12 functions of several kinds. -v
# file=N makes it another one.
function emit(i) {
  printf "struct record%d { unsigned key; char name[%d]; double weight; };\n",
    i, 16 + i
  printf "static int order%d(const void *a, const void *b)\n{\n", i
  printf "    const struct record%d *x = a, *y = b;\n", i
  printf "    return x->key < y->key ? -1 : x->key > y->key;\n}\n"
  printf "static unsigned step%d(unsigned seed)\n{\n", i
  printf "    struct record%d table[%d];\n    unsigned k, sum = seed;\n",
    i, 8 + i % 5
  printf "    for (k = 0; k < sizeof table / sizeof *table; k++) {\n"
  printf "        sum = sum * %du + %du;\n", 1664525 + 4 * i, 1013904223 + file
  printf "        table[k].key = sum >> %d;\n", 3 + i % 7
  printf "        table[k].weight = (double)sum / %d.0;\n", i + 3
  printf "        snprintf(table[k].name, sizeof table[k].name, \"r%%u\", k);\n"
  printf "    }\n    qsort(table, k, sizeof *table, order%d);\n", i
  printf "    switch (sum %% 8) {\n"
  for (c = 0; c < 8; ++c) {
    printf "    case %d:\n        sum ^= table[%d].key + %du;\n", c, c, c * i + 7
    printf "        sum += (unsigned)strlen(table[%d].name);\n", 7 - c
    printf "        break;\n"
  }
  printf "    }\n    while (k-- > 1) {\n"
  printf "        if (table[k].weight > table[k - 1].weight) {\n"
  printf "            sum += (unsigned)toupper(table[k].name[0]);\n"
  printf "        }\n    }\n    return sum;\n}\n"
}
BEGIN {
  print "#include <ctype.h>\n#include <stdio.h>"
  print "#include <stdlib.h>\n#include <string.h>"
  for (i = 0; i < 12; ++i) emit(i)
  printf "unsigned part%d(unsigned seed)\n{\n", file
  for (i = 0; i < 12; ++i) printf "    seed = step%d(seed);\n", i
  print "    return seed;\n}"
}
