/*
 * Digests of the whole machine: every page that was written, every device
 *
 * For the dense digests of ft-digest.c.  A checksum for each page of RAM is
 * kept, and renewed when the page was written (QEMU's dirty bits tell); so
 * all of RAM can be compared a thousand times a second, and the log says
 * which pages changed, and to what.  Devices are compared by the state that a
 * migration would carry, one checksum for each.
 *
 * Replay mutex and BQL held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include <zlib.h>
#include "qemu/units.h"
#include "hw/core/cpu.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "exec/ram_addr.h"
#include "exec/ramblock.h"
#include "io/channel-buffer.h"
#include "migration/qemu-file-types.h"
#include "migration/qemu-file.h"
#include "migration/vmstate.h"
#include "sysemu/replay.h"
#include "replay-internal.h"
#include "ft/ft.h"
#include "ft-internal.h"

/* So many pages are named in the log; there are rarely more. */
#define NAMED_PAGES UINT8_MAX
/* Instead of a number of pages: every page, dirty or not. */
#define ALL_PAGES   UINT32_MAX
/* Dirty bits are first looked at for so much memory at once. */
#define STRIDE      (2 * MiB)

typedef struct Named {
    uint32_t page;      /* of RAMBlocks, as ram_addr_t >> TARGET_PAGE_BITS */
    uint32_t sum;
} Named;

static struct {
    uint32_t *sums;     /* of each page */
    uint32_t pages;
    uint32_t total;     /* of what ft_page_weight() says of each */
    uint32_t written;   /* since the last time */
    Named named[NAMED_PAGES];
} ram;

/*** RAM ***/

/* So that two pages that change places are seen. */
static uint32_t ft_page_weight(uint32_t page, uint32_t sum)
{
    return sum * (2 * page + 1);
}

static void ft_page_renew(uint32_t page, const uint8_t *host)
{
    uint32_t sum = crc32(0, host, TARGET_PAGE_SIZE);

    ram.total += ft_page_weight(page, sum) -
                 ft_page_weight(page, ram.sums[page]);
    ram.sums[page] = sum;
    if (ram.written < NAMED_PAGES) {
        ram.named[ram.written] = (Named) { page, sum };
    }
    ram.written++;
}

static int ft_grow(RAMBlock *block, void *opaque)
{
    uint32_t end = (qemu_ram_get_offset(block) +
                    qemu_ram_get_used_length(block)) >> TARGET_PAGE_BITS;

    if (end > ram.pages) {
        ram.sums = g_renew(uint32_t, ram.sums, end);
        memset(ram.sums + ram.pages, 0, (end - ram.pages) * sizeof(*ram.sums));
        ram.pages = end;
    }
    return 0;
}

static int ft_renew_block(RAMBlock *block, void *opaque)
{
    bool all = *(bool *)opaque;
    ram_addr_t start = qemu_ram_get_offset(block), at, page;
    ram_addr_t length = qemu_ram_get_used_length(block);
    const uint8_t *host = qemu_ram_get_host_addr(block);
    DirtyBitmapSnapshot *snap =
        cpu_physical_memory_snapshot_and_clear_dirty(block->mr, 0, length,
                                                     DIRTY_MEMORY_MIGRATION);

    for (at = 0; at < length; at += STRIDE) {
        ram_addr_t end = MIN(at + STRIDE, length);

        if (!all && !cpu_physical_memory_snapshot_get_dirty(snap, start + at,
                                                            end - at)) {
            continue;
        }
        for (page = at; page < end; page += TARGET_PAGE_SIZE) {
            if (all || cpu_physical_memory_snapshot_get_dirty(
                           snap, start + page, TARGET_PAGE_SIZE)) {
                ft_page_renew((start + page) >> TARGET_PAGE_BITS, host + page);
            }
        }
    }
    g_free(snap);
    return 0;
}

static void ft_ram_renew(bool all)
{
    if (all) {
        memory_global_dirty_log_start(GLOBAL_DIRTY_DIRTY_RATE);
        WITH_RCU_READ_LOCK_GUARD() {
            qemu_ram_foreach_block(ft_grow, NULL);
        }
    }
    ram.written = 0;
    WITH_RCU_READ_LOCK_GUARD() {
        qemu_ram_foreach_block(ft_renew_block, &all);
    }
}

void ft_state_record(bool all)
{
    uint32_t i, named;

    ft_ram_renew(all);
    named = all ? 0 : MIN(ram.written, NAMED_PAGES);
    replay_put_event(EVENT_FT_STATE);
    replay_put_dword(ft_digest_cpu() >> 32);
    replay_put_dword(ram.total);
    replay_put_dword(all ? ALL_PAGES : ram.written);
    replay_put_byte(named);
    for (i = 0; i < named; i++) {
        replay_put_dword(ram.named[i].page);
        replay_put_dword(ram.named[i].sum);
    }
}

/*
 * Says which page is wrong; of several, one in a device's ring: a device that
 * acted at another instruction is the cause, what the guest made of it is not.
 */
static void ft_ram_differs(uint32_t expected, const Named *named, int count)
{
    g_autofree char *worst = NULL;
    Named wrong = { 0 };
    int i;

    for (i = 0; i < count; i++) {
        uint32_t page = named[i].page;
        char *where;

        if (page < ram.pages && ram.sums[page] == named[i].sum) {
            continue;
        }
        where = ft_where_is_page(page);
        if (!worst || (ft_where_is_ring(where) && !ft_where_is_ring(worst))) {
            g_free(worst);
            worst = where;
            wrong = named[i];
        } else {
            g_free(where);
        }
    }
    if (worst) {
        ft_digest_differs(worst, wrong.sum, wrong.page < ram.pages ?
                          ram.sums[wrong.page] : 0);
    } else {
        /* A page that the recording did not write, or that is not named. */
        ft_digest_differs("RAM", expected, ram.total);
    }
}

void ft_state_replay(void)
{
    uint32_t cpu = replay_get_dword(), own_cpu = ft_digest_cpu() >> 32;
    uint32_t total = replay_get_dword();
    uint32_t written = replay_get_dword();
    int i, count = replay_get_byte();
    Named named[UINT8_MAX];

    for (i = 0; i < count; i++) {
        named[i].page = replay_get_dword();
        named[i].sum = replay_get_dword();
    }
    replay_finish_event();
    ft_ram_renew(written == ALL_PAGES);
    /* RAM first: a wrong register was often read from there. */
    if (ram.total != total) {
        ft_ram_differs(total, named, count);
    } else if (own_cpu != cpu) {
        ft_digest_differs("vCPU registers", cpu, own_cpu);
    }
}

/*** Devices ***/

/* Of this host, not of the guest. */
static bool ft_is_hosts_state(const char *name)
{
    static const char *const names[] = {
        "timer", "replay", "globalstate", "configuration", "dirty-bitmap",
    };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(names); i++) {
        if (g_str_equal(name, names[i])) {
            return true;
        }
    }
    return false;
}

typedef struct Devices {
    unsigned count;
    uint32_t sums[UINT8_MAX];
    char *names[UINT8_MAX];
} Devices;

static void ft_add_device(const char *name, uint32_t instance,
                          const VMStateDescription *vmsd, void *device,
                          void *opaque)
{
    Devices *devices = opaque;
    QIOChannelBuffer *buffer;
    QEMUFile *f;

    if (ft_is_hosts_state(name) || devices->count == UINT8_MAX) {
        return;
    }
    buffer = qio_channel_buffer_new(4096);
    f = qemu_file_new_output(QIO_CHANNEL(buffer));
    vmstate_save_state(f, vmsd, device, NULL);
    qemu_fflush(f);
    devices->sums[devices->count] = crc32(0, buffer->data, buffer->usage);
    devices->names[devices->count] = g_strdup_printf("%s, instance %u", name,
                                                     instance);
    devices->count++;
    qemu_fclose(f);
    object_unref(OBJECT(buffer));
}

static void ft_devices_look(Devices *devices)
{
    devices->count = 0;
    qemu_savevm_foreach_device(ft_add_device, devices);
}

static void ft_devices_done(Devices *devices)
{
    unsigned i;

    for (i = 0; i < devices->count; i++) {
        g_free(devices->names[i]);
    }
}

void ft_devices_record(void)
{
    Devices devices;
    unsigned i;

    ft_devices_look(&devices);
    replay_put_event(EVENT_FT_DEVICES);
    replay_put_byte(devices.count);
    for (i = 0; i < devices.count; i++) {
        replay_put_dword(devices.sums[i]);
    }
    ft_devices_done(&devices);
}

void ft_devices_replay(void)
{
    Devices devices;
    uint32_t sums[UINT8_MAX];
    unsigned i, count = replay_get_byte();

    for (i = 0; i < count; i++) {
        sums[i] = replay_get_dword();
    }
    replay_finish_event();
    ft_devices_look(&devices);
    if (count != devices.count) {
        ft_digest_differs("devices in number", count, devices.count);
    }
    for (i = 0; i < MIN(count, devices.count); i++) {
        if (sums[i] != devices.sums[i]) {
            g_autofree char *what = g_strdup_printf("state of %s",
                                                    devices.names[i]);

            ft_digest_differs(what, sums[i], devices.sums[i]);
            break;
        }
    }
    ft_devices_done(&devices);
}

/* For x-ft-digest: "NAME=CHECKSUM ..." of all. */
char *ft_devices_text(void)
{
    GString *text = g_string_new(NULL);
    Devices devices;
    unsigned i;

    ft_devices_look(&devices);
    for (i = 0; i < devices.count; i++) {
        g_string_append_printf(text, "%s%s=%08x", i ? "; " : "",
                               devices.names[i], devices.sums[i]);
    }
    ft_devices_done(&devices);
    return g_string_free(text, false);
}
