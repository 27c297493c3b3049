/* The remote tier: latents of the whole fleet, in a Redis Cluster behind the store. It may be lost at any moment; then
 * its latents are misses and are encoded here.
 *
 * The loop thread owns the connections. Other threads hand it two things: a fetch, which is all that one prompt misses,
 * leaves as one pipeline a node, and comes back when every span is answered or its deadline has passed; and latents to
 * be written, whose queue is bounded and which nobody waits for.
 *
 * A latent lies under its span key in hexadecimal digits, as the record that it is on disk (proto/record.h). A key that
 * holds no record may hold a lease: a text that names the daemon which is encoding the span at that moment. Lookup and
 * lease are one command, SET key lease NX GET PX time: it answers with the record, with the lease of another daemon, or
 * with nothing, and then the lease is ours. */
#ifndef LT_DAEMON_REMOTE_H
#define LT_DAEMON_REMOTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/cluster.h"
#include "proto/record.h"

struct lt_remote;

struct lt_remote_options {
    const char *seeds;           /* redis://HOST:PORT,… */
    const char *password_file;   /* its first line; or NULL */
    uint32_t deadline;           /* milliseconds, of a fetch */
    uint32_t lease;              /* milliseconds that a span being encoded is another daemon's; 0: no leases */
    uint32_t keep;               /* seconds that the cluster keeps a latent; 0: as long as it can */
    void (*wake)(void *context); /* a fetch is done; loop thread */
    void *context;
};

/* Begins to connect and does not wait for it. LT_ECONFIG, LT_EIO, LT_ENOMEM. Loop thread. */
int lt_remote_create(uv_loop_t *loop, const struct lt_remote_options *options, struct lt_remote **ret_remote,
                     struct lt_error *error);
/* Closes what keeps the loop alive: every fetch is done, what waits to be written is lost. Loop thread. */
void lt_remote_close(struct lt_remote *remote);
/* Once the loop has ended and nobody else uses it. NULL is allowed. */
void lt_remote_destroy(struct lt_remote *remote);

/* --- fetching; engine thread --- */

enum lt_remote_outcome {
    LT_REMOTE_UNKNOWN, /* nobody answered in time */
    LT_REMOTE_ABSENT,  /* it is not there, and ours to encode */
    LT_REMOTE_HELD,    /* it is not there; another daemon is encoding it */
    LT_REMOTE_FOUND,   /* a value, which nobody has checked */
    LT_REMOTE_UNFIT,   /* a value that is too long or too short to be the record */
};

struct lt_remote_fetch;

/* A fetch of `count` spans. LT_ENOMEM. */
int lt_remote_fetch_create(struct lt_remote *remote, size_t count, struct lt_remote_fetch **ret_fetch);
/* Span `index` of it: its key, and how long its record must be. LT_ENOMEM. */
int lt_remote_fetch_set(struct lt_remote_fetch *fetch, size_t index, const struct lt_span_key *key,
                        size_t record_bytes);
/* Hands it to the loop, which begins it `delay` milliseconds from now. */
void lt_remote_fetch_begin(struct lt_remote_fetch *fetch, uint32_t delay);
bool lt_remote_fetch_is_done(const struct lt_remote_fetch *fetch);
/* Of a fetch that is done. The record (of FOUND) has the length that was said. */
enum lt_remote_outcome lt_remote_fetch_outcome(const struct lt_remote_fetch *fetch, size_t index,
                                               const uint8_t **ret_record);
/* Whether it is done or not. NULL is allowed. */
void lt_remote_fetch_release(struct lt_remote_fetch *fetch);

uint32_t lt_remote_lease(const struct lt_remote *remote);

/* --- writing; any thread --- */

/* Queues a latent, or drops it when LT_REMOTE_QUEUE_MAX wait or memory is out: both are counted. */
void lt_remote_put(struct lt_remote *remote, const struct lt_latent *latent);

/* --- emptying; a thread that may wait --- */

/* Removes every latent from the cluster, whoever has written it, and drops those that wait to be written. *removed
 * rises as they go. LT_EIO: not all are gone, because a node does not answer or slots moved; LT_EBUSY: another is at
 * it; LT_ESHUTDOWN, LT_ENOMEM. `error` says why. */
int lt_remote_flush(struct lt_remote *remote, atomic_uint_fast64_t *removed, struct lt_error *error);

/* --- what it did; loop thread --- */

struct lt_remote_stats { /* since the start */
    uint64_t fetches, spans_asked, spans_found, spans_absent, spans_held;
    uint64_t unanswered; /* spans that nobody answered for, or not in time */
    uint64_t deadlines;  /* fetches that were ended by theirs */
    uint64_t written, write_failures, dropped, waiting;
    uint64_t nodes, nodes_down, slots_served;
    struct lt_cluster_stats cluster;
};
/* The cluster, with what is known of each node; valid until the loop goes on. */
struct lt_cluster *lt_remote_cluster(struct lt_remote *remote);
void lt_remote_stats(struct lt_remote *remote, struct lt_remote_stats *ret_stats);

#endif
