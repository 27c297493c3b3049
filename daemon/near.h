/* The method near: the cached spans that are nearest to a text. The engine encodes the text, without a trace in the
 * cache; the walk over all records is done by a thread of its own at low priority, one request after the other, so that
 * no prompt waits for it. */
#ifndef LT_DAEMON_NEAR_H
#define LT_DAEMON_NEAR_H

#include "daemon/job.h"
#include "daemon/served_model.h"
#include "storage/store.h"

struct lt_near;

struct lt_near_options {
    struct lt_store *store;
    enum lt_latent_type latent_type;
    /* Called on either thread with the last word to a job: the bytes of its response, or the error (then bytes is
     * NULL). */
    void (*answer)(void *context, struct lt_job *job, struct lt_buffer *bytes, const struct lt_error *error);
    void *context;
};

/* Starts the thread. The options are copied. LT_ENOMEM, LT_EINTERNAL. */
int lt_near_create(const struct lt_near_options *options, struct lt_near **ret_near);

/* Stops the thread, which answers all that wait with `cancelled`. NULL is allowed. */
void lt_near_destroy(struct lt_near *near);

/* Takes up a job of the method near: encodes its text and hands it to the thread, or answers it with what is wrong.
 * `served` must have an encoder. Engine thread. */
void lt_near_begin(struct lt_near *near, struct lt_job *job, struct lt_served_model *served);

#endif
