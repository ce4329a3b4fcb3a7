/*
 * Who may change an iSCSI disk of a fault-tolerant VM: persistent reservations
 * (SPC-3, 5.7)
 *
 * Each engine has a key of its own.  When a VM is started, or goes live, and
 * before it does anything more with its disk, it registers that key, removes
 * all others and holds the reservation "write exclusive, registrants only".
 * From then on the target refuses what the engine that was live before still
 * sends, and what it had sent is over (PREEMPT AND ABORT).  A backup registers
 * nothing: all may read.
 *
 * Others are removed once in an engine's life, and only if the first holder
 * that it has seen is still the holder.  If it is another one, this engine was
 * fenced itself, and says so.  A target that was started anew may have
 * forgotten all of it: who finds no holder reserves again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <scsi/sg.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "block/block_int.h"
#include "crypto/random.h"
#include "scsi/constants.h"
#include "scsi/utils.h"
#include "ft/ft.h"
#include "ft-disk.h"

/* Service actions of PERSISTENT RESERVE IN and OUT. */
enum {
    PR_READ_KEYS = 0,
    PR_READ_RESERVATION = 1,
    PR_RESERVE = 1,
    PR_PREEMPT = 4,
    PR_PREEMPT_AND_ABORT = 5,
    PR_REGISTER_AND_IGNORE = 6,
};

#define SENSE_BYTES                         96
#define WRITE_EXCLUSIVE_REGISTRANTS_ONLY    5
#define PERSIST_THROUGH_POWER_LOSS          1   /* of a registration */

/* What the target had to tell first, one command each. */
#define UNIT_ATTENTIONS_MAX     8
/* Two or three are enough, unless others are at it as well. */
#define STEPS_MAX               64
#define PAUSE_NS                (100 * SCALE_MS)
/* So often a live VM looks whether the target still knows. */
#define LOOK_EVERY_NS           NANOSECONDS_PER_SECOND

typedef struct Status {
    uint64_t holder;    /* its key, or 0 */
    uint64_t other;     /* a key that is registered and not ours, or 0 */
    bool registered;
} Status;

static uint64_t ft_reservation_key(void)
{
    static uint64_t key;

    while (!key) {
        qcrypto_random_bytes(&key, sizeof(key), &error_abort);
    }
    return key;
}

/* The node of the LUN below an ft node, or NULL. */
static BlockDriverState *ft_reservation_lun(BlockDriverState *bs)
{
    while (bs && !g_str_equal(bs->drv->format_name, "iscsi")) {
        bs = bs->file ? bs->file->bs : NULL;
    }
    return bs;
}

/*** SCSI ***/

/* -EBUSY: a conflict; -ENOTSUP: an illegal request; -EAGAIN: not known. */
static int coroutine_fn ft_scsi(BlockDriverState *lun, uint8_t *cdb,
                                size_t cdb_size, int direction,
                                void *data, size_t size)
{
    uint8_t sense[SENSE_BYTES];
    int i;

    for (i = 0; i < UNIT_ATTENTIONS_MAX; i++) {
        sg_io_hdr_t io = {
            .interface_id = 'S',
            .cmdp = cdb,
            .cmd_len = cdb_size,
            .dxfer_direction = direction,
            .dxferp = data,
            .dxfer_len = size,
            .sbp = sense,
            .mx_sb_len = sizeof(sense),
        };
        SCSISense what;

        if (bdrv_co_ioctl(lun, SG_IO, &io) < 0) {
            return -EAGAIN;
        }
        if (io.status == GOOD || io.status == RESERVATION_CONFLICT) {
            return io.status == GOOD ? 0 : -EBUSY;
        }
        if (io.status != CHECK_CONDITION || !io.sb_len_wr) {
            return -EAGAIN;
        }
        what = scsi_parse_sense_buf(sense, MIN(io.sb_len_wr, sizeof(sense)));
        if (what.key != UNIT_ATTENTION) {
            return what.key == ILLEGAL_REQUEST ? -ENOTSUP : -EAGAIN;
        }
    }
    return -EAGAIN;
}

/* What follows the header is in data[1...]; its size in words, or -errno. */
static int coroutine_fn ft_reserve_in(BlockDriverState *lun, int action,
                                      uint64_t *data, size_t words)
{
    uint8_t cdb[10] = { PERSISTENT_RESERVE_IN, action };
    int ret;

    memset(data, 0, words * sizeof(*data));
    stw_be_p(cdb + 7, words * sizeof(*data));
    ret = ft_scsi(lun, cdb, sizeof(cdb), SG_DXFER_FROM_DEV,
                  data, words * sizeof(*data));
    return ret < 0 ? ret : MIN(ldl_be_p((uint8_t *)data + 4) / sizeof(*data),
                               words - 1);
}

static int coroutine_fn ft_reserve_out(BlockDriverState *lun, int action,
                                       uint64_t key, uint64_t other, int flags)
{
    uint8_t cdb[10] = {
        PERSISTENT_RESERVE_OUT, action, WRITE_EXCLUSIVE_REGISTRANTS_ONLY,
    };
    uint8_t data[24] = { [20] = flags };

    cdb[8] = sizeof(data);
    stq_be_p(data, key);
    stq_be_p(data + 8, other);
    return ft_scsi(lun, cdb, sizeof(cdb), SG_DXFER_TO_DEV, data, sizeof(data));
}

static int coroutine_fn ft_reservation_ask(BlockDriverState *lun, Status *s)
{
    uint64_t data[64];
    int words, i;

    *s = (Status) { 0 };
    words = ft_reserve_in(lun, PR_READ_RESERVATION, data, 3);
    if (words < 0) {
        return words;
    }
    s->holder = words ? be64_to_cpu(data[1]) : 0;
    words = ft_reserve_in(lun, PR_READ_KEYS, data, ARRAY_SIZE(data));
    for (i = 1; i <= words; i++) {
        if (be64_to_cpu(data[i]) == ft_reservation_key()) {
            s->registered = true;
        } else {
            s->other = be64_to_cpu(data[i]);
        }
    }
    return MIN(words, 0);
}

/*** The reservation ***/

/* With an older target: without. */
static int coroutine_fn ft_reservation_out(BlockDriverState *lun, int action,
                                           int otherwise, uint64_t key,
                                           uint64_t other, int flags)
{
    int ret = ft_reserve_out(lun, action, key, other, flags);

    return ret == -ENOTSUP ? ft_reserve_out(lun, otherwise, key, other, 0)
                           : ret;
}

/*
 * Looks, and does what is to be done next.  1: there is nothing, it is ours.
 * Each step may be done twice, when its answer was lost.
 */
static int coroutine_fn ft_reservation_step(BlockDriverState *bs)
{
    FtReservation *reservation = &((FtDisk *)bs->opaque)->reservation;
    BlockDriverState *lun = ft_reservation_lun(bs);
    uint64_t key = ft_reservation_key();
    bool may_preempt = !reservation->is_claimed;
    Status s;
    int ret = ft_reservation_ask(lun, &s);

    if (ret < 0) {
        return ret;
    }
    if (!reservation->predecessor) {
        reservation->predecessor = s.holder;
    }
    if (s.holder && s.holder != key &&
        !(may_preempt && s.holder == reservation->predecessor)) {
        reservation->is_fenced = true;
        error_report("disk '%s': another engine has reserved this LUN; "
                     "this one does nothing with it any more",
                     bdrv_get_node_name(bs));
        return -EPERM;
    }
    if (!s.registered || reservation->is_in_doubt) {
        ret = ft_reservation_out(lun, PR_REGISTER_AND_IGNORE,
                                 PR_REGISTER_AND_IGNORE, 0, key,
                                 PERSIST_THROUGH_POWER_LOSS);
        reservation->is_in_doubt = ret < 0;
        return ret;
    }
    if (may_preempt && s.other) {
        ret = ft_reservation_out(lun, PR_PREEMPT_AND_ABORT, PR_PREEMPT, key,
                                 s.other, 0);
    } else {
        ret = s.holder ? 1 : ft_reserve_out(lun, PR_RESERVE, key, 0, 0);
    }
    reservation->is_in_doubt = ret == -EBUSY;
    return ret;
}

/* Until it is ours, or another's. */
static int coroutine_fn ft_reservation_claim(BlockDriverState *bs)
{
    FtReservation *reservation = &((FtDisk *)bs->opaque)->reservation;
    int i, ret = 0;

    for (i = 0; i < STEPS_MAX && !reservation->is_fenced; i++) {
        ret = ft_reservation_step(bs);
        if (ret > 0) {
            reservation->is_claimed = true;
            reservation->looked_at = get_clock();
            reservation->times++;
            return 0;
        }
        if (ret == -ENOTSUP) {
            break;
        }
        if (ret < 0) {
            qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, PAUSE_NS);
        }
    }
    return ret < 0 ? ret : -EBUSY;
}

static bool ft_reservation_is_fresh(const FtReservation *reservation)
{
    return reservation->is_claimed && !reservation->is_in_doubt &&
           get_clock() - reservation->looked_at < LOOK_EVERY_NS;
}

/* To be freed. */
static char *ft_reservation_complaint(BlockDriverState *bs, int ret)
{
    return g_strdup_printf("disk '%s': its LUN cannot be reserved (%s); see "
                           "the target's log", bdrv_get_node_name(bs),
                           strerror(-ret));
}

int coroutine_fn ft_reservation_take(BlockDriverState *bs, unsigned *times)
{
    FtReservation *reservation = &((FtDisk *)bs->opaque)->reservation;
    int ret = 0;

    if (ft_is_backup() || !ft_reservation_lun(bs)) {
        return 0;
    }
    if (!ft_reservation_is_fresh(reservation)) {
        QEMU_LOCK_GUARD(&reservation->lock);
        if (!ft_reservation_is_fresh(reservation) &&
            !reservation->is_fenced) {
            ret = ft_reservation_claim(bs);
        }
    }
    if (ret < 0 && !reservation->is_fenced) {
        g_autofree char *why = ft_reservation_complaint(bs, ret);

        error_report("%s", why);
    }
    *times = reservation->times;
    return ret < 0 || reservation->is_fenced ? -EPERM : 0;
}

void ft_reservation_doubt(BlockDriverState *bs, unsigned times)
{
    FtReservation *reservation = &((FtDisk *)bs->opaque)->reservation;

    if (reservation->times == times) {
        reservation->is_in_doubt = true;
    }
}

/*** Start-up and go live ***/

typedef struct Check {
    BlockDriverState *bs;
    int ret;
    bool done;
} Check;

static void coroutine_fn ft_reservation_check_run(void *opaque)
{
    Check *check = opaque;
    FtDisk *disk = check->bs->opaque;
    Status s;

    if (runstate_check(RUN_STATE_INMIGRATE)) {
        /* Whoever it may replace one day is its primary. */
        check->ret = ft_reservation_ask(ft_reservation_lun(check->bs), &s);
        disk->reservation.predecessor = s.holder;
    } else {
        check->ret = ft_reservation_claim(check->bs);
    }
    check->done = true;
    aio_wait_kick();
}

bool ft_reservation_check(BlockDriverState *bs, Error **errp)
{
    Check check = { .bs = bs };

    if (!ft_reservation_lun(bs)) {
        return true;
    }
    bdrv_coroutine_enter(bs, qemu_coroutine_create(ft_reservation_check_run,
                                                   &check));
    BDRV_POLL_WHILE(bs, !check.done);
    if (check.ret == -ENOTSUP) {
        error_setg(errp, "disk '%s': the target has no persistent reservations "
                   "(SPC-3), so it would not refuse a primary that lost its "
                   "right; use another target", bdrv_get_node_name(bs));
    } else if (check.ret < 0) {
        g_autofree char *why = ft_reservation_complaint(bs, check.ret);

        error_setg(errp, "%s", why);
    }
    return check.ret >= 0;
}

static void coroutine_fn ft_reservation_go_live_run(void *opaque)
{
    unsigned times;

    ft_reservation_take(opaque, &times);
}

void ft_reservation_go_live(void)
{
    BlockDriverState *bs = NULL;

    while ((bs = bdrv_next_node(bs))) {
        if (g_str_equal(bs->drv->format_name, "ft") && ft_reservation_lun(bs)) {
            aio_co_enter(bdrv_get_aio_context(bs->file->bs),
                         qemu_coroutine_create(ft_reservation_go_live_run, bs));
        }
    }
}
