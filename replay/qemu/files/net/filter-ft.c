/*
 * filter-ft: the guest's network under fault tolerance
 *
 * Inbound packets become events of the log.  Outbound packets obey the
 * output rule: recording, each waits until the backup has acknowledged the
 * log that explains it; replaying, none leaves, but those that the primary
 * may not have released are kept for the moment of going live.  A replaying
 * VM gets its packets from the log; those that reach it after it was
 * announced wait until it is live, and are events of its own log then.
 *
 * Replaces filter-replay, which lets a recording guest's packets straight
 * out and forgets a replaying guest's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "clients.h"
#include "qapi/error.h"
#include "qemu/iov.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "net/eth.h"
#include "net/filter.h"
#include "net/net.h"
#include "sysemu/replay.h"
#include "qom/object.h"
#include "ft/ft.h"

#define TYPE_FILTER_FT "filter-ft"

OBJECT_DECLARE_SIMPLE_TYPE(NetFilterFtState, FILTER_FT)

typedef struct KeptPacket {
    QSIMPLEQ_ENTRY(KeptPacket) next;
    unsigned flags;
    size_t size;
    uint8_t data[];
} KeptPacket;

struct NetFilterFtState {
    NetFilterState nfs;
    ReplayNetState *rns;
    /* Arrived between announcement and go live. */
    QSIMPLEQ_HEAD(, KeptPacket) kept;
    size_t kept_packets, kept_bytes;
};

/*
 * Inbound packets that wait for the vCPU to look; beyond these the network
 * loses packets, as it does when any receive ring is full.  The bytes bound
 * keeps the largest log entry bounded (ring_layout.h).
 */
#define INBOUND_PACKETS_MAX 1024
#define INBOUND_BYTES_MAX   (2 * MiB)

static void filter_ft_send(void *owner, const uint8_t *data, size_t size)
{
    NetFilterState *nf = owner;
    struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
    NetClientState *guest = nf->netdev->peer;

    if (guest) {
        qemu_netfilter_pass_to_next(guest, 0, &iov, 1, nf);
    }
}

static void filter_ft_keep(NetFilterFtState *s, unsigned flags,
                           const struct iovec *iov, int iovcnt, size_t size)
{
    KeptPacket *packet;

    if (s->kept_packets == INBOUND_PACKETS_MAX ||
        s->kept_bytes + size > INBOUND_BYTES_MAX) {
        return;
    }
    packet = g_malloc(sizeof(*packet) + size);
    packet->flags = flags;
    packet->size = size;
    iov_to_buf(iov, iovcnt, 0, packet->data, size);
    QSIMPLEQ_INSERT_TAIL(&s->kept, packet, next);
    s->kept_packets++;
    s->kept_bytes += size;
}

static void filter_ft_forget(NetFilterFtState *s)
{
    KeptPacket *packet;

    while ((packet = QSIMPLEQ_FIRST(&s->kept))) {
        QSIMPLEQ_REMOVE_HEAD(&s->kept, next);
        g_free(packet);
    }
    s->kept_packets = s->kept_bytes = 0;
}

static void filter_ft_deliver(NetFilterState *nf)
{
    NetFilterFtState *s = FILTER_FT(nf);
    KeptPacket *packet;

    QSIMPLEQ_FOREACH(packet, &s->kept, next) {
        struct iovec iov = { .iov_base = packet->data,
                             .iov_len = packet->size };

        replay_net_packet_event(s->rns, packet->flags, &iov, 1);
    }
    filter_ft_forget(s);
}

static ssize_t filter_ft_receive_iov(NetFilterState *nf, NetClientState *sndr,
                                     unsigned flags, const struct iovec *iov,
                                     int iovcnt, NetPacketSent *sent_cb)
{
    NetFilterFtState *s = FILTER_FT(nf);
    size_t size = iov_size(iov, iovcnt);

    if (nf->netdev == sndr) {
        if (replay_mode == REPLAY_MODE_RECORD &&
            replay_net_backlog_below(INBOUND_PACKETS_MAX,
                                     INBOUND_BYTES_MAX)) {
            replay_net_packet_event(s->rns, flags, iov, iovcnt);
        } else if (ft_output_is_announced()) {
            filter_ft_keep(s, flags, iov, iovcnt, size);
        }
        return size;
    }

    if (ft_output_is_held()) {
        g_autofree uint8_t *data = g_malloc(size);

        iov_to_buf(iov, iovcnt, 0, data, size);
        ft_output_hold(nf, filter_ft_send, data, size);
        return size;
    }
    return 0;
}

/*
 * Tell the bridges that the guest's MAC now lives behind this netdev: a
 * gratuitous reverse ARP, as after a migration.  Sent by us and not by the
 * guest, whose state must not change for it.
 */
static void filter_ft_announce(NetFilterState *nf)
{
    NetClientState *guest = nf->netdev->peer;
    NICState *nic = guest ? qemu_get_nic(guest) : NULL;
    uint8_t frame[60] = { 0 };
    const uint8_t *mac;

    if (!nic) {
        return;
    }
    mac = nic->conf->macaddr.a;
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    stw_be_p(frame + 12, 0x8035 /* RARP */);
    stw_be_p(frame + 14, 1);            /* Ethernet */
    stw_be_p(frame + 16, ETH_P_IP);
    frame[18] = 6;
    frame[19] = 4;
    stw_be_p(frame + 20, 3);            /* request reverse */
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 32, mac, 6);
    /* Raw: without the header that a virtio-net guest puts before its own. */
    qemu_netfilter_pass_to_next(guest, QEMU_NET_PACKET_FLAG_RAW,
                                &(struct iovec) { frame, sizeof(frame) }, 1,
                                nf);
}

static const FtNicOps filter_ft_nic_ops = {
    .announce = filter_ft_announce,
    .deliver = filter_ft_deliver,
};

static void filter_ft_setup(NetFilterState *nf, Error **errp)
{
    if (!ft_enabled()) {
        error_setg(errp, "filter-ft needs -icount ...,rr=ft");
        return;
    }
    QSIMPLEQ_INIT(&FILTER_FT(nf)->kept);
    FILTER_FT(nf)->rns = replay_register_net(nf);
    ft_output_register(nf, &filter_ft_nic_ops);
}

static void filter_ft_cleanup(NetFilterState *nf)
{
    NetFilterFtState *s = FILTER_FT(nf);

    if (s->rns) {
        ft_output_unregister(nf);
        replay_unregister_net(s->rns);
        s->rns = NULL;
        filter_ft_forget(s);
    }
}

static void filter_ft_class_init(ObjectClass *oc, void *data)
{
    NetFilterClass *nfc = NETFILTER_CLASS(oc);

    nfc->setup = filter_ft_setup;
    nfc->cleanup = filter_ft_cleanup;
    nfc->receive_iov = filter_ft_receive_iov;
}

static const TypeInfo filter_ft_info = {
    .name = TYPE_FILTER_FT,
    .parent = TYPE_NETFILTER,
    .class_init = filter_ft_class_init,
    .instance_size = sizeof(NetFilterFtState),
};

static void filter_ft_register_types(void)
{
    type_register_static(&filter_ft_info);
}

type_init(filter_ft_register_types);
