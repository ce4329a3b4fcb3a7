/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stamps DEVICE     a disk on which one can see who wrote last
 *
 * Eight processes write blocks of their own, over and over, each time with
 * the number of the pass, and read back what the last pass wrote. Who looks at
 * the disk from outside sees of each block in which pass it was written, and
 * whether it was torn.
 *
 *     block 0            a command, written from outside: GO or anything else
 *     blocks 1 to 8      of each process: what it obeys, and its last pass
 *     block 9 ...        kPart blocks of each process
 *
 * Ends only if a block is not what was written: exit 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    kBlock = 4096,
    kWords = kBlock / 8,
    kWorkers = 8,
    kPart = 64,
    kPauseUs = 10000,
};

/* "FTSTAMPS", and the command, as little-endian words. */
static const uint64_t kMagic = 0x53504d4154535446u;
static const uint64_t kGo = 1;

struct worker {
    unsigned number;
    int fd;
    uint64_t pass;
    uint64_t *block;
};

static void die(const struct worker *self, const char *what, unsigned block)
{
    printf("worker %u: %s at block %u%s%s\n", self->number, what, block,
           errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    exit(1);
}

static void get(struct worker *self, unsigned block)
{
    errno = 0;
    if (pread(self->fd, self->block, kBlock, (off_t)block * kBlock) != kBlock) {
        die(self, "cannot read", block);
    }
}

static void put(struct worker *self, unsigned block)
{
    errno = 0;
    if (pwrite(self->fd, self->block, kBlock, (off_t)block * kBlock) != kBlock) {
        die(self, "cannot write", block);
    }
}

static void stamp(struct worker *self, unsigned block, uint64_t value)
{
    unsigned i;

    self->block[0] = kMagic;
    self->block[1] = block;
    for (i = 2; i < kWords; i++) {
        self->block[i] = value;
    }
    put(self, block);
}

static uint64_t command(struct worker *self)
{
    get(self, 0);
    return self->block[0] == kMagic ? self->block[1] : 0;
}

static void one_pass(struct worker *self)
{
    const unsigned first = 1 + kWorkers + self->number * kPart;
    unsigned i, word;

    for (i = 0; i < kPart; i++) {
        const unsigned block = first + i;

        if (self->pass > 0) {
            get(self, block);
            for (word = 2; word < kWords; word++) {
                if (self->block[word] != self->pass) {
                    errno = 0;
                    die(self, "not what was written", block);
                }
            }
        }
        stamp(self, block, self->pass + 1);
    }
    self->pass++;
}

static _Noreturn void work(struct worker *self)
{
    const unsigned status = 1 + self->number;
    uint64_t obeyed = UINT64_MAX;

    for (;;) {
        const uint64_t now = command(self);

        if (now != obeyed) {
            obeyed = now;
            stamp(self, status, now << 32 | (self->pass & UINT32_MAX));
        }
        if (now == kGo) {
            one_pass(self);
        } else {
            usleep(kPauseUs);
        }
    }
}

int main(int argc, char **argv)
{
    struct worker self = {0};
    int status;

    if (argc != 2) {
        return 2;
    }
    for (self.number = 0; self.number < kWorkers; self.number++) {
        if (fork() == 0) {
            self.fd = open(argv[1], O_RDWR | O_DIRECT);
            self.block = aligned_alloc(kBlock, kBlock);
            if (self.fd < 0 || self.block == NULL) {
                die(&self, "cannot open", 0);
            }
            work(&self);
        }
    }
    /* The first that ends has a reason. */
    wait(&status);
    return 1;
}
