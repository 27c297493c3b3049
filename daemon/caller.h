/* Whoever waits for jobs: a session on a socket or an exchange over HTTP. Through this interface the engine's answers
 * find their way back without dispatch knowing which of them it is. Loop thread only. */
#ifndef LT_DAEMON_CALLER_H
#define LT_DAEMON_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/identity.h"

struct lt_buffer;
struct lt_engine;
struct lt_job;
struct lt_transfer;

struct lt_caller {
    /* Takes whole messages of a job, and their memory. May abandon the caller's jobs. */
    void (*deliver)(struct lt_caller *caller, struct lt_job *job, struct lt_buffer *bytes);
    /* The job's last message was delivered and the job is the caller's no longer; it is freed after this. */
    void (*finished)(struct lt_caller *caller, struct lt_job *job);
    struct lt_identity identity; /* who it is, and so what it may ask for */
    struct lt_job *jobs;         /* not answered yet */
    size_t job_count;
    struct lt_transfer *transfer; /* a pack on its way, or NULL */
};

/* Attaches and detaches a job. */
void lt_caller_add(struct lt_caller *caller, struct lt_job *job);
void lt_caller_remove(struct lt_caller *caller, struct lt_job *job);

/* Lets all its jobs wait, or go on, because their reader is slow, or no longer. */
void lt_caller_set_paused(struct lt_caller *caller, struct lt_engine *engine, bool paused);

/* Marks the job with that request id cancelled; false if there is none. */
bool lt_caller_cancel(struct lt_caller *caller, struct lt_engine *engine, uint32_t id);

/* Cancels all its jobs and forgets them: nothing more is delivered. A pack on its way is given up. */
void lt_caller_abandon(struct lt_caller *caller, struct lt_engine *engine);

#endif
