/* What the engine says to the loop: events, in order. The engine's thread writes, the loop's thread takes. */
#ifndef LT_DAEMON_OUTBOX_H
#define LT_DAEMON_OUTBOX_H

#include <pthread.h>

#include "daemon/counters.h"
#include "daemon/job.h"
#include "proto/error.h"

struct lt_outbox {
    pthread_mutex_t mutex;
    struct lt_event *events, **end; /* under the mutex */
    struct lt_counters *counters;
    void (*wake_loop)(void *context); /* called on the engine's thread when events wait */
    void *context;
};

void lt_outbox_init(struct lt_outbox *outbox, struct lt_counters *counters, void (*wake_loop)(void *context),
                    void *context);
void lt_outbox_finish(struct lt_outbox *outbox);

/* Takes all that waits, oldest first, as a list. */
struct lt_event *lt_outbox_take(struct lt_outbox *outbox);

/* Sends a message beside the answer; takes over its bytes, also on failure. LT_ENOMEM. */
int lt_outbox_notify(struct lt_outbox *outbox, struct lt_job *job, struct lt_buffer *bytes);

/* The last word to a job: its response, an error, or if `code` is not LT_OK that code's own message. Takes over the
 * bytes. After it the engine no longer knows the job. */
void lt_outbox_answer(struct lt_outbox *outbox, struct lt_job *job, struct lt_buffer *bytes, int code);
void lt_outbox_answer_error(struct lt_outbox *outbox, struct lt_job *job, const struct lt_error *error);
void lt_outbox_answer_code(struct lt_outbox *outbox, struct lt_job *job, int code);

#endif
