/*
 * What a page of RAM is to the machine: its block, and whose ring lies in it
 *
 * A divergence in RAM is first seen as a page with other contents.  A device
 * that works at another instruction than in the recording shows in its rings,
 * and they say whose fault it is.
 *
 * BQL held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "exec/cpu-common.h"
#include "hw/virtio/virtio.h"
#include "qemu/rcu.h"
#include "ft-internal.h"

typedef struct Where {
    ram_addr_t page;    /* its first byte */
    GString *text;
} Where;

/* Does [start, start + size) of the guest touch the page? */
static bool ft_touches(const Where *where, hwaddr start, hwaddr size)
{
    hwaddr at;
    bool touches = false;

    for (at = start & TARGET_PAGE_MASK; start && at < start + size;
         at += TARGET_PAGE_SIZE) {
        MemoryRegionSection section =
            memory_region_find(get_system_memory(), at, 1);

        if (!section.mr) {
            continue;
        }
        touches |= memory_region_is_ram(section.mr) &&
                   memory_region_get_ram_addr(section.mr) +
                   section.offset_within_region == where->page;
        memory_region_unref(section.mr);
    }
    return touches;
}

static int ft_look_at_rings(Object *obj, void *opaque)
{
    const Where *where = opaque;
    VirtIODevice *vdev;
    const char *name;
    int n;

    if (!object_dynamic_cast(obj, TYPE_VIRTIO_DEVICE)) {
        return 0;
    }
    vdev = VIRTIO_DEVICE(obj);
    name = object_get_typename(obj);
    for (n = 0; n < VIRTIO_QUEUE_MAX && virtio_queue_get_num(vdev, n); n++) {
        if (ft_touches(where, virtio_queue_get_used_addr(vdev, n),
                       virtio_queue_get_used_size(vdev, n))) {
            g_string_append_printf(where->text,
                                   ", used ring of %s queue %d", name, n);
        }
        if (ft_touches(where, virtio_queue_get_avail_addr(vdev, n),
                       virtio_queue_get_avail_size(vdev, n))) {
            g_string_append_printf(where->text,
                                   ", available ring of %s queue %d", name, n);
        }
    }
    return 0;
}

static int ft_look_at_block(RAMBlock *block, void *opaque)
{
    const Where *where = opaque;
    ram_addr_t start = qemu_ram_get_offset(block);

    if (where->page < start ||
        where->page >= start + qemu_ram_get_used_length(block)) {
        return 0;
    }
    g_string_append_printf(where->text, "page 0x%" PRIx64 " of %s",
                           (uint64_t)(where->page - start) >> TARGET_PAGE_BITS,
                           qemu_ram_get_idstr(block));
    return 1;
}

bool ft_where_is_ring(const char *where)
{
    return strstr(where, " ring of ") != NULL;
}

char *ft_where_is_page(uint32_t page)
{
    Where where = {
        .page = (ram_addr_t)page << TARGET_PAGE_BITS,
        .text = g_string_new(NULL),
    };

    WITH_RCU_READ_LOCK_GUARD() {
        qemu_ram_foreach_block(ft_look_at_block, &where);
    }
    object_child_foreach_recursive(object_get_root(), ft_look_at_rings,
                                   &where);
    return g_string_free(where.text, false);
}
