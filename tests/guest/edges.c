/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an emulator finds hard, for a number of seconds:
 *
 *   edges strings SECONDS   REP MOVS, STOS, SCAS, CMPS both ways, cut short by
 *                           page faults and by a timer every half millisecond
 *   edges code SECONDS      code that rewrites itself, in its own block and
 *                           across the end of a page
 *   edges fpu SECONDS       x87 with its save areas, SSE2, rounding modes
 *   edges mxcsr SECONDS     flags of SSE exceptions, long after they were raised
 *   edges undefined SECONDS the flags that BT leaves undefined, twice
 *   edges ports SECONDS     PIT, RTC and its memory, ACPI timer, TSC, clock
 *
 * Prints a hash over what came out. Results that the architecture defines are
 * checked: exit 1 says that the machine computes wrongly.
 */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <x86intrin.h>

enum { kPage = 4096, kPages = 16, kBytes = kPage * kPages };

static uint64_t hash = 1469598103934665603u;

static void mix(uint64_t value)
{
    hash = (hash ^ value) * 1099511628211u;
}

static void wrong(const char *what)
{
    printf("wrong: %s\n", what);
    exit(1);
}

/* --- strings */

static volatile sig_atomic_t ticks;

static void tick(int number)
{
    (void)number;
    ticks++;
}

static void copy(char *to, const char *from, size_t size, int backward)
{
    if (backward) {
        to += size - 1;
        from += size - 1;
        __asm__ volatile("std\n rep movsb\n cld"
                         : "+D"(to), "+S"(from), "+c"(size)::"memory", "cc");
    } else {
        __asm__ volatile("rep movsb"
                         : "+D"(to), "+S"(from), "+c"(size)::"memory");
    }
}

static size_t position_of(const char *text, char what, size_t size)
{
    size_t left = size;

    __asm__ volatile("repne scasb"
                     : "+D"(text), "+c"(left)
                     : "a"(what)
                     : "memory", "cc");
    return size - left;
}

static size_t equal_bytes(const char *a, const char *b, size_t size)
{
    size_t left = size;

    __asm__ volatile("repe cmpsb"
                     : "+D"(a), "+S"(b), "+c"(left)::"memory", "cc");
    return size - left;
}

static void strings_once(char *from, char *to, unsigned round)
{
    const size_t skew = round * 37 % kPage, size = kBytes - kPage;
    size_t words = size / 8;
    char *at = from;

    madvise(to, kBytes, MADV_DONTNEED);
    __asm__ volatile("rep stosq"
                     : "+D"(at), "+c"(words)
                     : "a"((uint64_t)round * 0x0101010101010101u)
                     : "memory");
    from[size - 1] = (char)(round + 1);
    copy(to + skew, from, size, round % 2);
    if (equal_bytes(to + skew, from, size) != size) {
        wrong("rep movsb or repe cmpsb");
    }
    mix(position_of(to + skew, (char)(round + 1), size));
    /* Overlapping, as memmove does it. */
    copy(to + skew + 1, to + skew, size - 1, 1);
    mix(position_of(to + skew, (char)(round + 1), size));
}

/* --- code */

/* mov byte [the next instruction's constant], value; mov eax, 0; ret */
static unsigned self_modify(unsigned char *at, unsigned char value)
{
    const unsigned char code[] = {0xc6, 0x05, 1, 0, 0, 0, value,
                                  0xb8, 0, 0, 0, 0, 0xc3};

    memcpy(at, code, sizeof code);
    return ((unsigned (*)(void))at)();
}

static void code_once(unsigned char *code, unsigned round)
{
    /* Every place around the end of the first page. */
    unsigned char *at = code + kPage - 16 + round % 20;
    const unsigned char value = (unsigned char)(round | 1);
    unsigned constant = round * 2654435761u;
    unsigned result = self_modify(at, value);

    if (result != value) {
        wrong("code that changes its next instruction");
    }
    mix(result);
    /* The function has run; now only its constant is another. */
    memcpy(at + 8, &constant, sizeof constant);
    at[6] = (unsigned char)constant;
    result = ((unsigned (*)(void))at)();
    if (result != constant) {
        wrong("code with a changed constant");
    }
    mix(result);
}

/* --- fpu */

static void fpu_once(unsigned round)
{
    unsigned char area[108];
    long double x = 0.25L + (long double)(round % 1000) / 1001, y;
    unsigned short control = (unsigned short)(0x037f | (round % 4) << 10);
    unsigned short saved;
    double d[2] __attribute__((aligned(16)));
    uint64_t bits;

    __asm__ volatile("fnstcw %0\n fldcw %1" : "=m"(saved) : "m"(control));
    __asm__ volatile("fsin" : "=t"(y) : "0"(x));
    __asm__ volatile("fnsave %0\n frstor %0" : "+m"(area));
    x = y + 1;
    __asm__ volatile("fldln2\n fxch\n fyl2x" : "=t"(y) : "0"(x));
    __asm__ volatile("f2xm1" : "=t"(x) : "0"(y / 2));
    __asm__ volatile("fsqrt" : "=t"(y) : "0"(x));
    __asm__ volatile("fprem" : "=t"(x) : "0"(y * 1e18L), "u"(x));
    __asm__ volatile("fldcw %0" : : "m"(saved));
    d[0] = (double)y;
    d[1] = (double)x;
    memcpy(&bits, &d[0], sizeof bits);
    mix(bits);
    _mm_setcsr((_mm_getcsr() & ~0x6000u) | (round % 4) << 13);
    __m128d v = _mm_load_pd(d);
    v = _mm_sqrt_pd(_mm_add_pd(_mm_mul_pd(v, v), _mm_set1_pd(round + 1.0)));
    v = _mm_div_pd(v, _mm_set1_pd(3.0));
    mix((uint64_t)_mm_cvtsi128_si64(_mm_castpd_si128(v)));
    mix((uint64_t)_mm_cvttpd_epi32(v)[0]);
    _mm_setcsr(_mm_getcsr() & ~0x6000u);
}

/* --- ports */

static void ports_once(unsigned round)
{
    struct timespec now;
    unsigned i;

    outb(0, 0x43);
    mix(inb(0x40));
    mix(inb(0x40));
    for (i = 0; i < 14; i++) {
        outb((unsigned char)i, 0x70);
        mix(inb(0x71));
    }
    /* Memory that survives a reset and is nobody's. */
    outb(0x60, 0x70);
    outb((unsigned char)round, 0x71);
    outb(0x60, 0x70);
    if (inb(0x71) != (unsigned char)round) {
        wrong("RTC memory");
    }
    mix(inl(0x608));
    mix(__rdtsc());
    clock_gettime(CLOCK_MONOTONIC, &now);
    mix((uint64_t)now.tv_nsec);
}

static void *memory(int protection)
{
    void *memory = mmap(NULL, 2 * kBytes, protection,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        wrong("no memory");
    }
    return memory;
}

static void mxcsr_once(unsigned round)
{
    enum { kMasked = 0x1f80, kInexact = 0x20 };
    volatile unsigned later;
    float x = 1, y = 3;

    _mm_setcsr(kMasked);
    asm volatile("divss %1, %0" : "+x"(x) : "x"(y));
    for (later = 0; later < 100000; later++) {
    }
    if (!(_mm_getcsr() & kInexact)) {
        wrong("a flag of MXCSR is gone");
    }
    mix(round);
}

/* Below the red zone of x86-64's calling convention. */
#define FLAGS_OF_BT(flags, value, more, between)                        \
    asm volatile("lea -128(%%rsp), %%rsp\n\t"                           \
                 "add %2, %1\n\t" between "bt $3, %1\n\t"              \
                 "pushfq\n\t"                                           \
                 "pop %0\n\t"                                           \
                 "lea 128(%%rsp), %%rsp"                                \
                 : "=r"(flags), "+r"(value)                             \
                 : "r"(more)                                            \
                 : "cc", "memory")

/*
 * They may be anything, but the same wherever an emulator has to begin a block
 * of translated code; it always does behind a jump.
 */
static void undefined_once(unsigned round)
{
    uint64_t flags, flags_in_new_block;
    unsigned i;

    for (i = 0; i < 2000; i++) {
        uint64_t value = round + i, same = value;

        FLAGS_OF_BT(flags, value, hash, "");
        FLAGS_OF_BT(flags_in_new_block, same, hash, "jmp 1f\n1:\t");
        if (flags != flags_in_new_block) {
            wrong("the flags of BT depend on where a block begins");
        }
        mix(flags);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const time_t end = time(NULL) + (argc > 2 ? atoi(argv[2]) : 1);
    const struct itimerval half_ms = {{0, 500}, {0, 500}};
    char *data = memory(PROT_READ | PROT_WRITE);
    char *copy_of_it = memory(PROT_READ | PROT_WRITE);
    unsigned char *code = memory(PROT_READ | PROT_WRITE | PROT_EXEC);
    unsigned round = 0;

    if (!strcmp(what, "ports") && iopl(3) != 0) {
        wrong("no access to ports");
    }
    signal(SIGALRM, tick);
    if (!strcmp(what, "strings")) {
        setitimer(ITIMER_REAL, &half_ms, NULL);
    }
    while (time(NULL) < end) {
        unsigned i;

        for (i = 0; i < 50; i++, round++) {
            switch (*what) {
            case 's':
                strings_once(data, copy_of_it, round);
                break;
            case 'c':
                code_once(code, round);
                break;
            case 'f':
                fpu_once(round);
                break;
            case 'm':
                mxcsr_once(round);
                break;
            case 'p':
                ports_once(round);
                break;
            case 'u':
                undefined_once(round);
                break;
            default:
                wrong("no such edge");
            }
        }
        mix((uint64_t)ticks);
    }
    printf("%016llx %u\n", (unsigned long long)hash, round);
    return 0;
}
