/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk DEVICE SECONDS [reset]
 *                         hard work for a disk whose content nobody needs
 *
 * Six processes have a part of the device each, which they fill in large
 * writes, read and write at random in runs of 1 to 16 blocks, flush and
 * sometimes discard, and at last read again in large reads. What was written
 * is known from block and generation, and what is read is held against it.
 * Two of them go through the page cache, which writes when it likes to. A
 * seventh reads everywhere, also what is being written at that moment. With
 * `reset` an eighth resets the disk, a SCSI one, ten times a second; the kernel
 * does again what was in flight.
 *
 * Prints a hash over all that was read and when; exit 1 says that a read was
 * wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    kBlock = 4096,
    kWords = kBlock / 8,
    kWorkers = 6,
    kCached = 2, /* of the workers, the last ones */
    kPart = 1024, /* blocks of a worker */
    kRun = 16,    /* blocks of the longest random request */
    kLarge = 256, /* blocks of a sequential one */
};

static const uint32_t kUnknown = UINT32_MAX; /* discarded: any content */

struct worker {
    int number;
    int fd;
    uint64_t random;
    uint64_t hash;
    uint64_t *buffer; /* kLarge blocks */
    uint32_t generation[kPart];
};

static uint64_t next(struct worker *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random;
}

static void mix(struct worker *self, uint64_t value)
{
    self->hash = (self->hash ^ value) * 1099511628211u;
}

static uint64_t nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const struct worker *self, const char *what, unsigned block)
{
    printf("worker %d: %s at block %u%s%s\n", self->number, what, block,
           errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    exit(1);
}

static off_t place(const struct worker *self, unsigned block)
{
    return ((off_t)self->number * kPart + block) * kBlock;
}

/* The word `index` of a block: generations and blocks have nothing in
 * common. */
static uint64_t word(const struct worker *self, unsigned block, unsigned index)
{
    uint64_t value = (uint64_t)self->generation[block] << 32 |
                     (uint64_t)(self->number * kPart + (int)block);

    return (value + index) * 0x9e3779b97f4a7c15u;
}

static void put(struct worker *self, unsigned first, unsigned count)
{
    const size_t size = (size_t)count * kBlock;
    unsigned i, j;

    for (i = 0; i < count; i++) {
        uint32_t *generation = &self->generation[first + i];

        *generation = *generation == kUnknown ? 1 : *generation + 1;
        for (j = 0; j < kWords; j++) {
            self->buffer[i * kWords + j] = word(self, first + i, j);
        }
    }
    if (pwrite(self->fd, self->buffer, size, place(self, first)) !=
        (ssize_t)size) {
        die(self, "write", first);
    }
}

static void get(struct worker *self, unsigned first, unsigned count)
{
    const size_t size = (size_t)count * kBlock;
    unsigned i, j;

    memset(self->buffer, 0xff, size);
    if (pread(self->fd, self->buffer, size, place(self, first)) !=
        (ssize_t)size) {
        die(self, "read", first);
    }
    for (i = 0; i < count; i++) {
        mix(self, self->buffer[i * kWords]);
        if (self->generation[first + i] == kUnknown) {
            continue;
        }
        for (j = 0; j < kWords; j++) {
            if (self->buffer[i * kWords + j] != word(self, first + i, j)) {
                errno = 0;
                die(self, "wrong content", first + i);
            }
        }
    }
    mix(self, nanoseconds());
}

static void discard(struct worker *self, unsigned first, unsigned count)
{
    uint64_t range[2] = {(uint64_t)place(self, first),
                         (uint64_t)count * kBlock};

    if (ioctl(self->fd, BLKDISCARD, range) != 0) {
        if (errno == EOPNOTSUPP) {
            return;
        }
        die(self, "discard", first);
    }
    while (count > 0) {
        self->generation[first + --count] = kUnknown;
    }
}

static void work(struct worker *self, uint64_t until)
{
    unsigned block;

    for (block = 0; block < kPart; block += kLarge) {
        put(self, block, kLarge);
    }
    while (nanoseconds() < until) {
        const unsigned count = (unsigned)(next(self) % kRun) + 1;
        const unsigned first = (unsigned)(next(self) % (kPart - count + 1));
        const unsigned what = (unsigned)(next(self) % 64);

        if (what == 0 && self->number < kWorkers - kCached) {
            discard(self, first, count);
        } else if (what < 4) {
            if (fdatasync(self->fd) != 0) {
                die(self, "flush", 0);
            }
        } else if (what < 32) {
            put(self, first, count);
        } else {
            get(self, first, count);
        }
    }
    if (fsync(self->fd) != 0) {
        die(self, "flush", 0);
    }
    for (block = 0; block < kPart; block += kLarge) {
        get(self, block, kLarge);
    }
}

/* Whatever is there, in whatever state. */
static void spy(struct worker *self, uint64_t until)
{
    while (nanoseconds() < until) {
        const uint64_t block = next(self) % (kWorkers * kPart);
        unsigned i;

        if (pread(self->fd, self->buffer, kBlock, (off_t)block * kBlock) !=
            kBlock) {
            die(self, "read", (unsigned)block);
        }
        for (i = 0; i < kWords; i++) {
            mix(self, self->buffer[i]);
        }
    }
}

static int run(int number, const char *device, uint64_t until, int to)
{
    static struct worker self;
    const int cached = number >= kWorkers - kCached && number < kWorkers;
    void *memory;

    self.number = number;
    self.random = 88172645463325252u + (uint64_t)number;
    self.hash = 1469598103934665603u;
    self.fd = open(device, O_RDWR | (cached ? 0 : O_DIRECT));
    if (self.fd < 0) {
        die(&self, device, 0);
    }
    if (posix_memalign(&memory, kBlock, (size_t)kLarge * kBlock) != 0) {
        die(&self, "memory", 0);
    }
    self.buffer = memory;
    if (number < kWorkers) {
        work(&self, until);
    } else {
        spy(&self, until);
    }
    return write(to, &self.hash, sizeof self.hash) != sizeof self.hash;
}

static int reset(const char *device, uint64_t until)
{
    const int fd = open(device, O_RDWR);
    int what;

    while (fd >= 0 && nanoseconds() < until) {
        usleep(100 * 1000);
        what = SG_SCSI_RESET_DEVICE;
        if (ioctl(fd, SG_SCSI_RESET, &what) != 0) {
            printf("the disk was not reset: %s\n", strerror(errno));
            return 1;
        }
    }
    return fd < 0;
}

int main(int argc, char **argv)
{
    const int resets = argc == 4 && strcmp(argv[3], "reset") == 0;
    const uint64_t seconds =
        argc == 3 || resets ? strtoull(argv[2], NULL, 10) : 0;
    const uint64_t until = nanoseconds() + seconds * 1000000000u;
    uint64_t sum = 0, hash;
    int ends[2], number, status, failed = 0;

    if (seconds == 0 || pipe(ends) != 0) {
        puts("usage: disk DEVICE SECONDS [reset]");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (number = 0; number <= kWorkers; number++) {
        if (fork() == 0) {
            exit(run(number, argv[1], until, ends[1]));
        }
    }
    if (resets && fork() == 0) {
        exit(reset(argv[1], until));
    }
    while (wait(&status) > 0) {
        failed |= status != 0;
    }
    if (failed) {
        return 1;
    }
    /* In the order in which they ended, which is part of what is repeated. */
    for (number = 0; number <= kWorkers; number++) {
        if (read(ends[0], &hash, sizeof hash) != sizeof hash) {
            return 1;
        }
        sum = sum * 31 + hash;
    }
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}
