/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody does at the machine, as the guest sees it:
 *
 *   input events SECONDS      keyboard, mouse, tablet: every event of
 *                             /dev/input/event*, with its time
 *   input serial KILOBYTES    bytes that arrive at /dev/ttyS0
 *
 * Prints a hash, and for `events` how many there were of each device. The
 * hash of `serial` covers the bytes only: FNV-1a, as who sent them can do.
 * Exit 1 says what is missing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { kDevicesMax = 16, kEvents = 64, kShown = 200 };

static uint64_t hash = 14695981039346656037u;

static void mix(const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;

    while (size-- > 0) {
        hash = (hash ^ *byte++) * 1099511628211u;
    }
}

static int wrong(const char *what)
{
    printf("%s\n", what);
    return 1;
}

/* --- events */

struct device {
    char name[80];
    unsigned long events;
};

static struct device devices[kDevicesMax];
static struct pollfd polls[kDevicesMax];
static nfds_t count;

static void open_devices(void)
{
    char path[32];
    int i;

    for (i = 0; i < kDevicesMax; i++) {
        snprintf(path, sizeof path, "/dev/input/event%d", i);
        polls[count].fd = open(path, O_RDONLY | O_NONBLOCK);
        if (polls[count].fd < 0) {
            continue;
        }
        polls[count].events = POLLIN;
        ioctl(polls[count].fd, EVIOCGNAME(sizeof devices[count].name),
              devices[count].name);
        count++;
    }
}

static void take(unsigned index)
{
    static unsigned long all;
    struct input_event events[kEvents];
    ssize_t size;

    while ((size = read(polls[index].fd, events, sizeof events)) > 0) {
        const size_t number = (size_t)size / sizeof *events;

        mix(events, (size_t)size);
        devices[index].events += number;
        if ((all + number) / kShown != all / kShown) {
            printf("FT-GUEST-PROGRESS %lu events\n", all + number);
        }
        all += number;
    }
}

static unsigned long events_of(const char *part)
{
    unsigned long sum = 0;
    nfds_t i;

    for (i = 0; i < count; i++) {
        if (strstr(devices[i].name, part) != NULL) {
            sum += devices[i].events;
        }
    }
    return sum;
}

static int events(long seconds)
{
    struct timespec now;
    time_t until;
    unsigned i;

    open_devices();
    clock_gettime(CLOCK_MONOTONIC, &now);
    until = now.tv_sec + seconds;
    while (now.tv_sec < until) {
        poll(polls, count, 200);
        for (i = 0; i < count; i++) {
            take(i);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    for (i = 0; i < count; i++) {
        printf("FT-GUEST-PROGRESS %s: %lu\n", devices[i].name,
               devices[i].events);
    }
    if (events_of("keyboard") == 0) {
        return wrong("the keyboard was silent");
    }
    if (events_of("Mouse") == 0) {
        return wrong("the mouse was silent");
    }
    if (events_of("Tablet") == 0) {
        return wrong("the tablet was silent");
    }
    return 0;
}

/* --- serial */

static int serial(long kilobytes)
{
    const int fd = open("/dev/ttyS0", O_RDONLY | O_NOCTTY);
    long left = kilobytes * 1024;
    struct termios settings;
    char buffer[256];

    if (fd < 0 || tcgetattr(fd, &settings) != 0) {
        return wrong("there is no /dev/ttyS0");
    }
    settings.c_iflag = 0;
    settings.c_lflag = 0;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    tcsetattr(fd, TCSANOW, &settings);
    /* Only now does nothing get lost. */
    printf("FT-GUEST-LISTENS\n");
    while (left > 0) {
        const size_t most = left < (long)sizeof buffer ? (size_t)left
                                                       : sizeof buffer;
        const ssize_t size = read(fd, buffer, most);

        if (size <= 0) {
            return wrong("the serial port ended");
        }
        mix(buffer, (size_t)size);
        left -= size;
        if (left / 4096 != (left + size) / 4096) {
            printf("FT-GUEST-PROGRESS %ld bytes to come\n", left);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const long number = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    int result;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (number <= 0) {
        return wrong("usage: input events|serial NUMBER");
    }
    result = *argv[1] == 'e' ? events(number) : serial(number);
    if (result == 0) {
        printf("FT-GUEST-DONE %016llx\n", (unsigned long long)hash);
    }
    return result;
}
