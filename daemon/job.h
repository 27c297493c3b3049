/* A request on its way through the engine, or through the pool (daemon/pool.h), and what comes back from it.
 *
 * The loop owns every job. It hands one to the engine, say, which borrows it until it sends the event that says `last`;
 * only then does the loop free it. So neither thread ever meets a job or a caller that the other has freed. */
#ifndef LT_DAEMON_JOB_H
#define LT_DAEMON_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "proto/buffer.h"
#include "proto/messages.h"
#include "storage/namespaces.h"

struct lt_caller;
struct lt_job;

/* Bytes for the client, made by the engine. The loop frees the event, except the one inside the job. */
struct lt_event {
    struct lt_event *next;
    struct lt_job *job;
    struct lt_buffer bytes; /* whole messages; empty in a last event only if memory ran out while making it */
    bool last;
    bool failed; /* a last one: it says an error */
};

struct lt_job {
    struct lt_request *request;     /* owned; read by the engine */
    size_t model;                   /* which of the daemon's models it is about */
    struct lt_namespace space;      /* in which it lives; ttl_seconds is that of its latents */
    double received;                /* lt_clock_seconds when its frame was complete */
    atomic_bool cancelled;          /* set by the loop: stop within one step */
    atomic_bool paused;             /* set by the loop: its client reads too slowly */
    atomic_bool was_paused;         /* set by the loop, cleared by the engine: it was since the last token */
    struct lt_event final;          /* the last event needs no allocation to be sent */
    struct lt_job *queue_next;      /* engine queue */
    struct lt_caller *caller;       /* loop: NULL once the client is gone */
    struct lt_job *previous, *next; /* loop: the caller's jobs */
};

#endif
