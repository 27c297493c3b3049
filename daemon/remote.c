#include "daemon/remote.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "daemon/remote_state.h"
#include "proto/alloc.h"

#define TICK_MILLISECONDS 100

void lt_remote_key(const struct lt_span_key *key, char ret_digits[LT_REMOTE_KEY_DIGITS + 1])
{
    sodium_bin2hex(ret_digits, LT_REMOTE_KEY_DIGITS + 1, key->bytes, sizeof key->bytes);
}

uint32_t lt_remote_lease(const struct lt_remote *remote)
{
    return remote->options.lease;
}

/* --- time --- */

static void on_due(uv_timer_t *timer);

static void arm(struct lt_remote *remote)
{
    uint64_t first = UINT64_MAX, now = uv_now(remote->loop);
    for (const struct lt_remote_fetch *fetch = remote->running; fetch; fetch = fetch->next)
        first = fetch->due < first ? fetch->due : first;
    if (first == UINT64_MAX)
        uv_timer_stop(&remote->due);
    else
        uv_timer_start(&remote->due, on_due, first > now ? first - now : 0, 0);
}

static void begin(struct lt_remote_fetch *fetch)
{
    fetch->due = uv_now(fetch->remote->loop) + fetch->remote->options.deadline;
    lt_remote_fetch_send(fetch);
}

/* One at a time from the top, because the list changes with each. */
static void on_due(uv_timer_t *timer)
{
    struct lt_remote *remote = timer->data;
    struct lt_remote_fetch *fetch;
    do {
        for (fetch = remote->running; fetch && fetch->due > uv_now(remote->loop);)
            fetch = fetch->next;
        if (fetch && fetch->begun)
            lt_remote_fetch_expire(fetch);
        else if (fetch)
            begin(fetch);
    } while (fetch);
    arm(remote);
}

static void on_tick(uv_timer_t *timer)
{
    struct lt_remote *remote = timer->data;
    lt_cluster_tick(remote->cluster);
}

/* --- what other threads hand over --- */

void lt_remote_fetch_begin(struct lt_remote_fetch *fetch, uint32_t delay)
{
    struct lt_remote *remote = fetch->remote;
    fetch->delay = delay;
    pthread_mutex_lock(&remote->mutex);
    if (remote->closed) {
        atomic_store(&fetch->done, true);
    } else {
        atomic_fetch_add(&fetch->references, 1);
        *remote->handed_end = fetch;
        remote->handed_end = &fetch->next;
        uv_async_send(&remote->wake);
    }
    pthread_mutex_unlock(&remote->mutex);
}

void lt_remote_fetch_leaves(struct lt_remote_fetch *fetch)
{
    struct lt_remote_fetch **link = &fetch->remote->running;
    while (*link && *link != fetch)
        link = &(*link)->next;
    if (*link)
        *link = fetch->next;
}

static struct lt_remote_fetch *take_handed(struct lt_remote *remote)
{
    pthread_mutex_lock(&remote->mutex);
    struct lt_remote_fetch *handed = remote->handed;
    remote->handed = NULL;
    remote->handed_end = &remote->handed;
    pthread_mutex_unlock(&remote->mutex);
    return handed;
}

/* A flush drops what waits to be written, and begins behind what is on its way. */
static void advance_flush(struct lt_remote *remote)
{
    pthread_mutex_lock(&remote->mutex);
    struct lt_remote_flush *flush = remote->flush;
    pthread_mutex_unlock(&remote->mutex);
    if (!flush || !lt_remote_flush_waits(flush))
        return;
    lt_remote_write_drop_all(remote);
    if (remote->in_flight == 0)
        lt_remote_flush_begin(flush);
}

static void on_wake(uv_async_t *async)
{
    struct lt_remote *remote = async->data;
    uv_update_time(remote->loop); /* deadlines count from now */
    struct lt_remote_fetch *fetch = take_handed(remote);
    for (struct lt_remote_fetch *next; fetch; fetch = next) {
        next = fetch->next;
        fetch->next = remote->running;
        remote->running = fetch;
        fetch->due = uv_now(remote->loop) + fetch->delay;
        if (!fetch->delay)
            begin(fetch);
    }
    advance_flush(remote);
    lt_remote_write_some(remote);
    arm(remote);
}

/* --- start and end --- */

static int read_password(struct lt_remote *remote, const char *path, struct lt_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return lt_fail(error, LT_ECONFIG, "cannot read the password file %s: %s", path, strerror(errno));
    bool read = fgets(remote->password, sizeof remote->password, file) != NULL;
    fclose(file);
    size_t length = strcspn(remote->password, "\r\n");
    bool whole = read && length + 1 < sizeof remote->password;
    remote->password[length] = '\0';
    if (!length || !whole)
        return lt_fail(error, LT_ECONFIG, "%s: the first line must be a password of 1 to %d bytes", path,
                       LT_REMOTE_PASSWORD_BYTES_MAX - 2);
    return LT_OK;
}

static void make_words(struct lt_remote *remote)
{
    uint64_t random;
    randombytes_buf(&random, sizeof random);
    snprintf(remote->lease, sizeof remote->lease, LT_REMOTE_LEASE_PREFIX "%016llx", (unsigned long long)random);
    snprintf(remote->lease_milliseconds, sizeof remote->lease_milliseconds, "%u", remote->options.lease);
    snprintf(remote->keep_seconds, sizeof remote->keep_seconds, "%u", remote->options.keep);
}

int lt_remote_create(uv_loop_t *loop, const struct lt_remote_options *options, struct lt_remote **ret_remote,
                     struct lt_error *error)
{
    struct lt_remote *remote = lt_calloc(1, sizeof *remote);
    if (!remote)
        return lt_fail_code(error, LT_ENOMEM);
    remote->options = *options;
    remote->loop = loop;
    remote->handed_end = &remote->handed;
    remote->queue_end = &remote->queue;
    pthread_mutex_init(&remote->mutex, NULL);
    make_words(remote);
    int code = options->password_file ? read_password(remote, options->password_file, error) : LT_OK;
    if (code == LT_OK)
        code = lt_cluster_create(loop, options->seeds, options->password_file ? remote->password : NULL,
                                 &remote->cluster, error);
    if (code == LT_OK && uv_async_init(loop, &remote->wake, on_wake) != 0)
        code = lt_fail(error, LT_EIO, "cannot make a way to wake the event loop");
    if (code) {
        lt_remote_destroy(remote);
        return code;
    }
    uv_timer_init(loop, &remote->second_tenth);
    uv_timer_init(loop, &remote->due);
    remote->wake.data = remote->second_tenth.data = remote->due.data = remote;
    uv_timer_start(&remote->second_tenth, on_tick, 0, TICK_MILLISECONDS);
    *ret_remote = remote;
    return LT_OK;
}

void lt_remote_close(struct lt_remote *remote)
{
    if (remote->closed)
        return;
    pthread_mutex_lock(&remote->mutex);
    remote->closed = true;
    pthread_mutex_unlock(&remote->mutex);
    lt_remote_write_drop_all(remote);
    lt_cluster_close(remote->cluster);
    advance_flush(remote); /* to its end */
    struct lt_remote_fetch *handed = take_handed(remote);
    for (struct lt_remote_fetch *next; handed; handed = next) {
        next = handed->next;
        lt_remote_fetch_refuse(handed);
    }
    while (remote->running) /* only those that had not begun */
        lt_remote_fetch_refuse(remote->running);
    uv_close((uv_handle_t *)&remote->wake, NULL);
    uv_close((uv_handle_t *)&remote->second_tenth, NULL);
    uv_close((uv_handle_t *)&remote->due, NULL);
}

void lt_remote_destroy(struct lt_remote *remote)
{
    if (!remote)
        return;
    lt_cluster_destroy(remote->cluster);
    pthread_mutex_destroy(&remote->mutex);
    lt_free(remote);
}

struct lt_cluster *lt_remote_cluster(struct lt_remote *remote)
{
    return remote->cluster;
}

void lt_remote_stats(struct lt_remote *remote, struct lt_remote_stats *ret_stats)
{
    *ret_stats = remote->stats;
    pthread_mutex_lock(&remote->mutex);
    ret_stats->dropped = remote->dropped;
    ret_stats->waiting = remote->queue_count + remote->in_flight;
    pthread_mutex_unlock(&remote->mutex);
    ret_stats->nodes = lt_cluster_nodes(remote->cluster, LT_NODE_CLOSED);
    ret_stats->nodes_down =
        lt_cluster_nodes(remote->cluster, LT_NODE_OPEN) + lt_cluster_nodes(remote->cluster, LT_NODE_PROBING);
    ret_stats->slots_served = lt_cluster_slots_served(remote->cluster);
    ret_stats->cluster = remote->cluster->stats;
}
