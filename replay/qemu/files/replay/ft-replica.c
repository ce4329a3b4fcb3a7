/*
 * Replicas: private disks travel with the clone
 *
 * A private disk (block/ft-disk.c) is read chunk by chunk, below its ft node,
 * while the VM runs, in one pass from end to end; what the guest changes in
 * the meantime is in a dirty bitmap from the start on and is sent again.  The
 * last of it is read when the VM stands still and no request is left, so the
 * backup's replica is this disk at the log position of the clone.
 *
 * What the backup has already need not travel: with the checksums of its
 * replica's chunks only those that differ are sent.
 *
 * ft-replica.h says what is in the stream, ft-replica-load.c reads it.
 *
 * The migration thread, without locks except where said; it has the storage's
 * thread read (ft-storage.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "qemu/queue.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "qapi/qapi-events-ft.h"
#include "block/block_int.h"
#include "block/dirty-bitmap.h"
#include "crypto/hash.h"
#include "migration/qemu-file.h"
#include "migration/register.h"
#include "ft/ft.h"
#include "ft-internal.h"
#include "ft-replica.h"

#define CHECKSUM_BYTES  32
/* What the guest changes is sent again in pieces of this. */
#define DIRTY_BYTES     (64 * KiB)
/* So many are read at a time. */
#define BATCH           16
#define TELL_NS         NANOSECONDS_PER_SECOND
/* At a rate; between two looks whether the clone was given up. */
#define REST_US_MAX     (50 * 1000)
#define BATCHES_PER_S   10

typedef struct Replica {
    QSIMPLEQ_ENTRY(Replica) next;
    BlockDriverState *bs;       /* the ft node */
    uint8_t number;
    int64_t bytes;
    BdrvDirtyBitmap *dirty;
    uint8_t *checksums;         /* of the backup's chunks; or NULL */
    int64_t pass;               /* the first one is here */
    int64_t look;               /* where the next dirty piece is looked for */
    int64_t sent;
} Replica;

typedef struct Piece {
    QSIMPLEQ_ENTRY(Piece) next;
    Replica *replica;
    int64_t offset, bytes;
    bool is_chunk;              /* of the first pass */
    uint8_t *data;
    int ret;
} Piece;

typedef QSIMPLEQ_HEAD(, Piece) Pieces;

static struct {
    QSIMPLEQ_HEAD(, Replica) replicas;
    uint64_t rate;              /* bytes a second; 0: no limit */
    int64_t rest_until;         /* get_clock() */
    int64_t told;               /* get_clock() */
    bool unflushed;
    Pieces last;                /* read when the VM stood still */

    QemuMutex lock;
    QemuCond all_read;
    unsigned reading;
} source = {
    .replicas = QSIMPLEQ_HEAD_INITIALIZER(source.replicas),
    .last = QSIMPLEQ_HEAD_INITIALIZER(source.last),
};

/*** Which disks; the main loop, both locks held ***/

static bool ft_replica_read_checksums(Replica *r, const char *directory,
                                      Error **errp)
{
    g_autofree char *name = g_strconcat(directory, "/",
                                        bdrv_get_node_name(r->bs), ".sha256",
                                        NULL);
    size_t size, want = DIV_ROUND_UP(r->bytes, CHUNK_BYTES) * CHECKSUM_BYTES;
    g_autoptr(GError) error = NULL;

    if (!g_file_get_contents(name, (char **)&r->checksums, &size, &error)) {
        if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            return true;
        }
        error_setg(errp, "checksums of a replica: %s", error->message);
        return false;
    }
    if (size != want) {
        error_setg(errp, "checksums '%s' have %zu bytes, but disk '%s' of %"
                   PRId64 " bytes has %zu: the replica is another disk's",
                   name, size, bdrv_get_node_name(r->bs), r->bytes, want);
        return false;
    }
    return true;
}

static bool ft_replica_add(BlockDriverState *bs, unsigned number,
                           const char *directory, Error **errp)
{
    Replica *r = g_new0(Replica, 1);

    QSIMPLEQ_INSERT_TAIL(&source.replicas, r, next);
    bdrv_ref(bs);
    r->bs = bs;
    r->number = number;
    r->bytes = bdrv_getlength(bs);
    if (r->bytes < 0) {
        error_setg_errno(errp, -r->bytes, "size of disk '%s'",
                         bdrv_get_node_name(bs));
        return false;
    }
    return !directory || ft_replica_read_checksums(r, directory, errp);
}

bool ft_replica_prepare(const char *directory, uint64_t rate, Error **errp)
{
    BlockDriverState *bs = NULL;
    unsigned number = 0;

    ft_replica_forget();
    source.rate = rate;
    source.rest_until = source.told = 0;
    source.unflushed = false;
    while ((bs = ft_disk_next_private(bs))) {
        if (number > UINT8_MAX) {
            error_setg(errp, "more than %d private disks", UINT8_MAX + 1);
            return false;
        }
        if (!ft_replica_add(bs, number++, directory, errp)) {
            return false;
        }
    }
    return true;
}

static void ft_replica_free_pieces(Pieces *pieces)
{
    Piece *p;

    while ((p = QSIMPLEQ_FIRST(pieces))) {
        QSIMPLEQ_REMOVE_HEAD(pieces, next);
        qemu_vfree(p->data);
        g_free(p);
    }
}

void ft_replica_forget(void)
{
    Replica *r;

    ft_replica_free_pieces(&source.last);
    while ((r = QSIMPLEQ_FIRST(&source.replicas))) {
        QSIMPLEQ_REMOVE_HEAD(&source.replicas, next);
        if (r->dirty) {
            bdrv_release_dirty_bitmap(r->dirty);
        }
        bdrv_unref(r->bs);
        g_free(r->checksums);
        g_free(r);
    }
}

bool ft_replica_is_active(void)
{
    return ft_clone_active() && !QSIMPLEQ_EMPTY(&source.replicas);
}

/*** Reading ***/

static bool ft_replica_find_dirty(Replica *r, int64_t *offset, int64_t *bytes)
{
    if (bdrv_dirty_bitmap_next_dirty_area(r->dirty, r->look, r->bytes,
                                          CHUNK_BYTES, offset, bytes)) {
        return true;
    }
    return bdrv_dirty_bitmap_next_dirty_area(r->dirty, 0, r->bytes,
                                             CHUNK_BYTES, offset, bytes);
}

/* The next piece of a disk to be read; it is clean from now on. */
static Piece *ft_replica_take_of(Replica *r)
{
    bool is_chunk = r->pass < r->bytes;
    int64_t offset = r->pass, bytes = MIN(CHUNK_BYTES, r->bytes - r->pass);
    Piece *p;

    bdrv_dirty_bitmap_lock(r->dirty);
    if (!is_chunk && !ft_replica_find_dirty(r, &offset, &bytes)) {
        bdrv_dirty_bitmap_unlock(r->dirty);
        return NULL;
    }
    bdrv_reset_dirty_bitmap_locked(r->dirty, offset, bytes);
    bdrv_dirty_bitmap_unlock(r->dirty);
    if (is_chunk) {
        r->pass += bytes;
    } else {
        r->look = offset + bytes;
    }
    p = g_new0(Piece, 1);
    p->replica = r;
    p->offset = offset;
    p->bytes = bytes;
    p->is_chunk = is_chunk;
    p->data = qemu_blockalign(r->bs->file->bs, bytes);
    return p;
}

static Piece *ft_replica_take(void)
{
    Replica *r;
    Piece *p;

    QSIMPLEQ_FOREACH(r, &source.replicas, next) {
        p = ft_replica_take_of(r);
        if (p) {
            return p;
        }
    }
    return NULL;
}

static void coroutine_fn ft_replica_read_piece(void *opaque)
{
    Piece *p = opaque;

    /* Below the ft node: this is no request of the guest's. */
    p->ret = bdrv_co_pread(p->replica->bs->file, p->offset, p->bytes, p->data,
                           0);
    qemu_mutex_lock(&source.lock);
    if (!--source.reading) {
        qemu_cond_signal(&source.all_read);
    }
    qemu_mutex_unlock(&source.lock);
}

/* In the thread of the disk's storage. */
static void ft_replica_begin(void *opaque)
{
    Piece *p = opaque;
    AioContext *context = qemu_get_current_aio_context();

    aio_context_acquire(context);
    qemu_coroutine_enter(qemu_coroutine_create(ft_replica_read_piece, p));
    aio_context_release(context);
}

/* Appends up to 'max' pieces, read, or not (ret < 0). */
static void ft_replica_read(Pieces *pieces, unsigned max)
{
    Pieces batch = QSIMPLEQ_HEAD_INITIALIZER(batch);
    unsigned n = 0;
    Piece *p;

    while (n < max && (p = ft_replica_take())) {
        QSIMPLEQ_INSERT_TAIL(&batch, p, next);
        n++;
    }
    if (!n) {
        return;
    }
    qemu_mutex_lock(&source.lock);
    source.reading = n;
    QSIMPLEQ_FOREACH(p, &batch, next) {
        aio_bh_schedule_oneshot(bdrv_get_aio_context(p->replica->bs->file->bs),
                                ft_replica_begin, p);
    }
    while (source.reading) {
        qemu_cond_wait(&source.all_read, &source.lock);
    }
    qemu_mutex_unlock(&source.lock);
    QSIMPLEQ_CONCAT(pieces, &batch);
}

/*
 * The VM stands still and no request is left: what is dirty now is the last.
 * No locks held.
 */
void ft_replica_read_last(void)
{
    Piece *last;

    do {
        last = QSIMPLEQ_LAST(&source.last, Piece, next);
        ft_replica_read(&source.last, BATCH);
    } while (QSIMPLEQ_LAST(&source.last, Piece, next) != last);
}

/*** Sending ***/

static bool ft_replica_backup_has(const Piece *p)
{
    const uint8_t *theirs = p->replica->checksums;
    uint8_t digest[CHECKSUM_BYTES], *ours = digest;
    size_t size = sizeof(digest);

    if (!p->is_chunk || !theirs) {
        return false;
    }
    qcrypto_hash_bytes(QCRYPTO_HASH_ALG_SHA256, (char *)p->data, p->bytes,
                       &ours, &size, &error_abort);
    theirs += p->offset / CHUNK_BYTES * CHECKSUM_BYTES;
    return !memcmp(ours, theirs, CHECKSUM_BYTES);
}

static void ft_replica_put_piece(QEMUFile *f, const Piece *p)
{
    bool is_zero;

    if (ft_replica_backup_has(p)) {
        return;
    }
    is_zero = buffer_is_zero(p->data, p->bytes);
    qemu_put_byte(f, is_zero ? ZERO : DATA);
    qemu_put_byte(f, p->replica->number);
    qemu_put_be64(f, p->offset);
    qemu_put_be32(f, p->bytes);
    if (!is_zero) {
        qemu_put_buffer(f, p->data, p->bytes);
        p->replica->sent += p->bytes;
    }
    source.unflushed = true;
}

/* Frees them.  The bytes of data, or an error. */
static int64_t ft_replica_put(QEMUFile *f, Pieces *pieces)
{
    int64_t sent = 0;
    Piece *p;
    int ret = 0;

    QSIMPLEQ_FOREACH(p, pieces, next) {
        int64_t before = p->replica->sent;

        if (p->ret < 0) {
            ret = p->ret;
            error_report("disk '%s' cannot be read for the clone: %" PRId64
                         " bytes at %" PRId64 ": %s",
                         bdrv_get_node_name(p->replica->bs), p->bytes,
                         p->offset, strerror(-ret));
            break;
        }
        ft_replica_put_piece(f, p);
        sent += p->replica->sent - before;
    }
    ft_replica_free_pieces(pieces);
    return ret ? ret : sent;
}

static void ft_replica_put_flush(QEMUFile *f)
{
    if (source.unflushed) {
        source.unflushed = false;
        qemu_put_byte(f, FLUSH);
    }
}

static void ft_replica_tell(void)
{
    Replica *r;

    source.told = get_clock();
    QSIMPLEQ_FOREACH(r, &source.replicas, next) {
        qapi_event_send_ft_replica(bdrv_get_node_name(r->bs), r->pass,
                                   r->bytes, r->sent);
    }
}

static int64_t ft_replica_left(void)
{
    int64_t left = 0;
    Replica *r;

    QSIMPLEQ_FOREACH(r, &source.replicas, next) {
        bdrv_dirty_bitmap_lock(r->dirty);
        left += r->bytes - r->pass + bdrv_get_dirty_count(r->dirty);
        bdrv_dirty_bitmap_unlock(r->dirty);
    }
    return left;
}

/*** The handlers: what calls them says what they hold ***/

static bool ft_replica_is_wanted(void *opaque)
{
    return ft_replica_is_active();
}

static int ft_replica_setup(QEMUFile *f, void *opaque)
{
    Error *err = NULL;
    Replica *r;

    ft_clone_lock();
    qemu_mutex_lock_iothread();
    QSIMPLEQ_FOREACH(r, &source.replicas, next) {
        r->dirty = bdrv_create_dirty_bitmap(r->bs->file->bs, DIRTY_BYTES, NULL,
                                            &err);
        if (!r->dirty) {
            break;
        }
    }
    qemu_mutex_unlock_iothread();
    ft_clone_unlock();
    if (err) {
        error_report_err(err);
        return -EINVAL;
    }
    QSIMPLEQ_FOREACH(r, &source.replicas, next) {
        const char *name = bdrv_get_node_name(r->bs);

        qemu_put_byte(f, DISK);
        qemu_put_byte(f, strlen(name));
        qemu_put_buffer(f, (const uint8_t *)name, strlen(name));
        qemu_put_be64(f, r->bytes);
    }
    qemu_put_byte(f, END);
    ft_replica_tell();
    return 0;
}

/* False: more than the rate allows was sent; it was waited for a while. */
static bool ft_replica_rate_allows(void)
{
    int64_t ns = source.rest_until - get_clock();

    if (ns <= 0) {
        return true;
    }
    g_usleep(MIN(ns / SCALE_US + 1, REST_US_MAX));
    return get_clock() >= source.rest_until;
}

static int ft_replica_iterate(QEMUFile *f, void *opaque)
{
    Pieces pieces = QSIMPLEQ_HEAD_INITIALIZER(pieces);
    unsigned max = BATCH;
    int64_t sent = 0;

    if (source.rate) {
        max = MAX(1, MIN(BATCH, source.rate / BATCHES_PER_S / CHUNK_BYTES));
    }
    if (ft_replica_rate_allows()) {
        ft_replica_read(&pieces, max);
        sent = ft_replica_put(f, &pieces);
    }
    if (sent > 0 && source.rate) {
        source.rest_until = get_clock() +
            muldiv64(sent, NANOSECONDS_PER_SECOND,
                     MIN(source.rate, UINT32_MAX));
    }
    if (get_clock() - source.told >= TELL_NS) {
        ft_replica_tell();
    }
    if (sent >= 0 && !ft_replica_left()) {
        ft_replica_put_flush(f);
        qemu_put_byte(f, END);
        return 1;
    }
    qemu_put_byte(f, END);
    return MIN(sent, 0);
}

static void ft_replica_pending(QEMUFile *f, void *opaque, uint64_t threshold,
                               uint64_t *precopy_only, uint64_t *compatible,
                               uint64_t *postcopy_only)
{
    *precopy_only += ft_replica_left();
}

static int ft_replica_complete(QEMUFile *f, void *opaque)
{
    int64_t sent = ft_replica_put(f, &source.last);

    ft_replica_put_flush(f);
    qemu_put_byte(f, END);
    if (sent >= 0) {
        ft_replica_tell();
    }
    return MIN(sent, 0);
}

static void ft_replica_cleanup(void *opaque)
{
    ft_replica_forget();
}

static const SaveVMHandlers ft_replica_handlers = {
    .is_active = ft_replica_is_wanted,
    .save_setup = ft_replica_setup,
    .save_live_iterate = ft_replica_iterate,
    .save_live_pending = ft_replica_pending,
    .save_live_complete_precopy = ft_replica_complete,
    .save_cleanup = ft_replica_cleanup,
    .load_state = ft_replica_load,
};

void ft_replica_start_up(void)
{
    qemu_mutex_init(&source.lock);
    qemu_cond_init(&source.all_read);
    register_savevm_live("ft-replica", 0, 1, &ft_replica_handlers, NULL);
}
