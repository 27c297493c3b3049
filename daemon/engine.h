/* The engine: one thread that does all computing, and the lookups for it, for every request at once.
 *
 * In each cycle it takes up new requests, encodes all spans that any of them misses in one batch, mixes, and advances
 * every answer by one token in one batch. It never touches sockets; what it has to say leaves as events that the loop
 * collects. */
#ifndef LT_DAEMON_ENGINE_H
#define LT_DAEMON_ENGINE_H

#include "daemon/counters.h"
#include "daemon/job.h"
#include "daemon/served_model.h"
#include "storage/store.h"

struct lt_engine;

struct lt_engine_options {
    struct lt_model **models; /* borrowed; the first is the default */
    size_t model_count;
    struct lt_store *store;
    struct lt_remote *remote;        /* or NULL */
    enum lt_latent_type latent_type; /* of stored latents */
    struct lt_counters *counters;
    const char *folder;               /* that keeps mixed states from one run to the next; the store's */
    double verify_sample;             /* share of hits that are encoded again and compared */
    uint64_t state_bytes;             /* for mixed states of prompts, of all models together */
    uint32_t threads;                 /* for matrix products */
    void (*wake_loop)(void *context); /* called on the engine thread when events wait */
    void *context;
};

/* Takes up the mixed states that the engine before left, and starts the thread. LT_ENOMEM, LT_EINTERNAL. */
int lt_engine_create(const struct lt_engine_options *options, struct lt_engine **ret_engine);

/* Stops the thread, which first answers every job with `cancelled`, leaves the mixed states to the next engine, and
 * frees this one. Events that were not
 * collected are lost, so collect them and stop submitting before. NULL is allowed. Loop thread. */
void lt_engine_destroy(struct lt_engine *engine);

/* Hands over a job: any method that computes, and those on documents. LT_EBUSY when LT_ENGINE_QUEUE_MAX jobs wait: the
 * job stays the caller's. */
int lt_engine_submit(struct lt_engine *engine, struct lt_job *job);

/* Takes all waiting events, oldest first, as a list. Loop thread. */
struct lt_event *lt_engine_take_events(struct lt_engine *engine);

/* Drops all mixed states, those of requests under way included, before any request that is submitted from now on is
 * looked at. Any thread. */
void lt_engine_forget(struct lt_engine *engine);

/* Makes the engine look at its jobs again after `cancelled` or `paused` changed. */
void lt_engine_wake(struct lt_engine *engine);

#endif
