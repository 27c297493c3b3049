/* The remote tier's inside, for its own files: fetches (remote_fetch.c), writes (remote_write.c), emptying it
 * (remote_flush.c), and what drives all of them (remote.c). Loop thread only, but for what stands under the mutex. */
#ifndef LT_DAEMON_REMOTE_STATE_H
#define LT_DAEMON_REMOTE_STATE_H

#include <pthread.h>

#include "daemon/remote.h"

#define LT_REMOTE_KEY_DIGITS (2 * LT_SPAN_KEY_BYTES)
#define LT_REMOTE_LEASE_PREFIX "lease "

struct lt_remote_span {
    struct lt_cluster_request request; /* first: its callback gets this */
    struct lt_remote_fetch *fetch;
    char key[LT_REMOTE_KEY_DIGITS + 1];
    enum lt_remote_outcome outcome;
    bool answered;
    size_t record_bytes;
    uint8_t *record; /* [record_bytes] */
};

/* The engine fills it and reads it once `done` is set; in between it is the loop's. */
struct lt_remote_fetch {
    struct lt_remote *remote;
    struct lt_remote_fetch *next; /* in `handed` or `running` */
    atomic_bool done;
    atomic_int references; /* the engine's, and the loop's while it has it */
    uint32_t delay;        /* milliseconds */
    uint64_t due;          /* uv_now at which it begins, and once it has, at which it ends */
    bool begun;
    size_t outstanding; /* requests that are not done */
    size_t count;
    struct lt_remote_span spans[]; /* [count] */
};

struct lt_remote_write {
    struct lt_cluster_request request; /* first */
    struct lt_remote *remote;
    struct lt_remote_write *next;
    char key[LT_REMOTE_KEY_DIGITS + 1];
    size_t bytes;
    uint8_t record[]; /* [bytes] */
};

struct lt_remote {
    struct lt_remote_options options;
    char password[LT_REMOTE_PASSWORD_BYTES_MAX];
    char lease[sizeof LT_REMOTE_LEASE_PREFIX + 16]; /* what this daemon writes under a span that it encodes */
    char lease_milliseconds[12], keep_seconds[12];
    struct lt_cluster *cluster;
    uv_loop_t *loop;
    uv_async_t wake;
    uv_timer_t second_tenth, due;
    struct lt_remote_fetch *running;
    size_t in_flight; /* writes */
    struct lt_remote_stats stats;

    pthread_mutex_t mutex;
    bool closed;
    struct lt_remote_fetch *handed, **handed_end;
    struct lt_remote_write *queue, **queue_end;
    size_t queue_count;
    uint64_t dropped;
    struct lt_remote_flush *flush; /* under way, or waiting to begin */
};

void lt_remote_key(const struct lt_span_key *key, char ret_digits[LT_REMOTE_KEY_DIGITS + 1]);

/* Sends the fetch's requests. */
void lt_remote_fetch_send(struct lt_remote_fetch *fetch);
/* Its deadline has passed: it is done, and what comes late is thrown away. */
void lt_remote_fetch_expire(struct lt_remote_fetch *fetch);
/* Nobody will answer it: it never began. */
void lt_remote_fetch_refuse(struct lt_remote_fetch *fetch);
/* From a fetch that is done. */
void lt_remote_fetch_leaves(struct lt_remote_fetch *fetch);

/* Whether a flush has not begun; begins it, once nothing is on its way to be written. */
bool lt_remote_flush_waits(const struct lt_remote_flush *flush);
void lt_remote_flush_begin(struct lt_remote_flush *flush);

/* Sends writes while there are any and few are on their way. */
void lt_remote_write_some(struct lt_remote *remote);
void lt_remote_write_drop_all(struct lt_remote *remote);

#endif
