/*
 * QMP commands of the fault-tolerance engine (qapi/ft.json)
 *
 * They run in the main loop, which holds the replay mutex and the BQL: the
 * vCPU is between two tenures and every position is the end of an entry.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <zlib.h>
#include "qemu/error-report.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-ft.h"
#include "qapi/qapi-commands-migration.h"
#include "exec/ramlist.h"
#include "exec/memory.h"
#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "io/channel-buffer.h"
#include "migration/misc.h"
#include "migration/qemu-file-types.h"
#include "net/filter.h"
#include "net/net.h"
#include "sysemu/cpu-timers.h"
#include "sysemu/replay.h"
#include "sysemu/runstate.h"
#include "ft/engine_build.h"
#include "ft/ft.h"
#include "replay-internal.h"
#include "ft-internal.h"
#include "ft-engine.h"
#include "ft-output.h"

/*
 * The pause that a clone may cost for its last pages.  At the 1 GB/s of a
 * 10 Gbit/s link 10 ms are 2500 pages.
 */
#define CLONE_DOWNTIME_MS 10

static bool ft_check(Error **errp)
{
    if (!ft_enabled()) {
        error_setg(errp, "this VM was not started with -icount ...,rr=ft");
        return false;
    }
    return true;
}

FtStatus *qmp_x_ft_query(Error **errp)
{
    FtOutputFigures figures;
    FtStatus *s;

    if (!ft_check(errp)) {
        return NULL;
    }
    ft_output_figures(&figures);
    s = g_new0(FtStatus, 1);
    s->mode = replay_mode == REPLAY_MODE_PLAY ? FT_MODE_REPLAY
                                              : FT_MODE_RECORD;
    s->log_mode = ft_log.ring->log_mode == FT_LOG_KEEP ? FT_LOG_KIND_KEEP
                                                       : FT_LOG_KIND_DISCARD;
    s->holding = ft_log.ring->holding;
    s->running = runstate_is_running();
    s->committed = ft_log_committed();
    s->consumed = ft_log.ring->consumed;
    s->acknowledged = ft_log_acknowledged();
    s->released = ft_log.ring->released;
    s->icount = replay_get_current_icount();
    s->held_outputs = figures.held;
    s->held_bytes = figures.held_bytes;
    s->outputs = figures.released;
    s->output_delay_us_p50 = figures.delay_us_p50;
    s->output_delay_us_p99 = figures.delay_us_p99;
    s->clone_pause_us = ft_engine.clone_pause_us;
    s->clone_total_us = ft_engine.clone_total_us;
    s->orphaned = ft_engine.orphaned;
    s->diverged = ft_engine.diverged;
    s->engine_build = g_strdup(FT_ENGINE_BUILD);
    return s;
}

FtRegisters *qmp_x_ft_registers(uint64_t icount, Error **errp)
{
    const char *text;
    FtRegisters *r;

    if (!ft_check(errp)) {
        return NULL;
    }
    text = ft_digest_text(icount);
    if (!text) {
        error_setg(errp, "the registers at instruction %" PRIu64
                   " are not among those kept", icount);
        return NULL;
    }
    r = g_new0(FtRegisters, 1);
    r->text = g_strdup(text);
    return r;
}

/* Every way in and out of the guest's network must be ours. */
static bool ft_check_nics(Error **errp)
{
    NetClientState *ncs[64], *peer;
    NetFilterState *nf;
    int i, n;

    n = qemu_find_net_clients_except(NULL, ncs, NET_CLIENT_DRIVER_NIC + 0,
                                     ARRAY_SIZE(ncs));
    n = MIN(n, (int)ARRAY_SIZE(ncs));
    for (i = 0; i < n; i++) {
        bool filtered = false;

        peer = ncs[i];
        if (!peer->peer || peer->peer->info->type != NET_CLIENT_DRIVER_NIC) {
            continue;
        }
        QTAILQ_FOREACH(nf, &peer->filters, next) {
            filtered |= !!object_dynamic_cast(OBJECT(nf), "filter-ft");
        }
        if (!filtered) {
            error_setg(errp, "netdev '%s' has no filter-ft: add -object "
                       "filter-ft,id=...,netdev=%s", peer->name, peer->name);
            return false;
        }
    }
    return true;
}

void qmp_x_ft_clone(const char *uri, bool has_replicas, const char *replicas,
                    bool has_replica_rate, uint64_t replica_rate, Error **errp)
{
    MigrateSetParameters params = {
        .has_max_bandwidth = true,
        .max_bandwidth = SIZE_MAX / 2,
        .has_downtime_limit = true,
        .downtime_limit = CLONE_DOWNTIME_MS,
    };
    Error *err = NULL;

    if (!ft_check(errp)) {
        return;
    }
    if (replay_mode != REPLAY_MODE_RECORD) {
        error_setg(errp, "this VM is a backup: only a live VM is cloned");
        return;
    }
    if (ft_engine.clone_active || ft_log.ring->log_mode == FT_LOG_KEEP) {
        error_setg(errp, "this VM has a backup, or is being cloned, already");
        return;
    }
    if (!runstate_is_running()) {
        error_setg(errp, "this VM does not run: only a running VM is cloned");
        return;
    }
    if (!ft_check_nics(errp)) {
        return;
    }
    if (ft_replica_prepare(has_replicas ? replicas : NULL,
                           has_replica_rate ? replica_rate : 0, &err)) {
        qmp_migrate_set_parameters(&params, &err);
    }
    if (!err) {
        ft_engine.clone_active = true;
        ft_engine.clone_since = get_clock();
        ft_engine.clone_stopped_since = 0;
        qmp_migrate(uri, false, false, false, false, false, false, false,
                    false, &err);
    }
    if (err) {
        ft_engine.clone_active = false;
        ft_replica_forget();
        error_propagate(errp, err);
    }
}

FtPosition *qmp_x_ft_protect(Error **errp)
{
    FtPosition *position;

    if (!ft_check(errp)) {
        return NULL;
    }
    if (replay_mode != REPLAY_MODE_RECORD ||
        ft_log.ring->log_mode != FT_LOG_KEEP) {
        error_setg(errp, "nobody keeps this VM's log: clone it first");
        return NULL;
    }
    replay_save_instructions();
    ft_log_commit();
    ft_protect(true);
    position = g_new0(FtPosition, 1);
    position->position = ft_log_committed();
    return position;
}

void qmp_x_ft_unprotect(Error **errp)
{
    if (!ft_check(errp)) {
        return;
    }
    if (replay_mode != REPLAY_MODE_RECORD) {
        error_setg(errp, "this VM is a backup: it has no output to release");
        return;
    }
    ft_protect(false);
}

void qmp_x_ft_announce(Error **errp)
{
    if (!ft_check(errp)) {
        return;
    }
    if (replay_mode != REPLAY_MODE_PLAY) {
        error_setg(errp, "this VM is live already");
        return;
    }
    ft_output_announce();
}

void qmp_x_ft_go_live(uint64_t position, Error **errp)
{
    if (ft_check(errp)) {
        ft_go_live(position, errp);
    }
}

static int ft_digest_block(RAMBlock *block, void *opaque)
{
    uint64_t *sum = opaque;
    ram_addr_t at, length = qemu_ram_get_used_length(block);
    const uint8_t *host = qemu_ram_get_host_addr(block);

    /* Two independent checksums of zlib's make 64 bits. */
    uint32_t crc = *sum >> 32, adler = *sum;

    for (at = 0; at < length; at += 1 * GiB) {
        size_t n = MIN(length - at, 1 * GiB);

        crc = crc32(crc, host + at, n);
        adler = adler32(adler, host + at, n);
    }
    *sum = (uint64_t)crc << 32 | adler;
    return 0;
}

FtDigest *qmp_x_ft_digest(Error **errp)
{
    uint64_t ram = 1, cpu;
    FtDigest *d;

    if (!ft_check(errp)) {
        return NULL;
    }
    if (runstate_is_running() &&
        !(replay_mode == REPLAY_MODE_PLAY && ft_vcpu_blocked())) {
        error_setg(errp, "this VM runs: stop it first, or drain its log");
        return NULL;
    }
    /* Recording: let the log reach this very instruction. */
    replay_save_instructions();
    ft_log_commit();
    WITH_RCU_READ_LOCK_GUARD() {
        qemu_ram_foreach_block(ft_digest_block, &ram);
    }
    cpu = ft_digest_cpu();
    d = g_new0(FtDigest, 1);
    d->icount = replay_get_current_icount();
    d->position = replay_mode == REPLAY_MODE_PLAY ? ft_log.ring->consumed
                                                  : ft_log_committed();
    d->ram = g_strdup_printf("%016" PRIx64, ram);
    d->cpu = g_strdup_printf("%016" PRIx64, cpu);
    d->devices = ft_devices_text();
    return d;
}
