/* All explain requests that are under way: begins them, runs a cycle of each between the cycles of other requests, and
 * answers them. Engine thread only. */
#ifndef LT_DAEMON_EXPLAINING_H
#define LT_DAEMON_EXPLAINING_H

#include "daemon/cache.h"
#include "daemon/job.h"
#include "daemon/served_model.h"

struct lt_explaining;

struct lt_explaining_options {
    struct lt_store *store;
    enum lt_latent_type latent_type;
    struct lt_counters *counters;
    struct lt_cache *cache;         /* that prompts are asked through */
    struct lt_served_model *served; /* [served_count] among them perhaps a token-level model to compare with */
    size_t served_count;
    /* Called with the last word to a job: the bytes of its response, or the error (then bytes is NULL). */
    void (*answer)(void *context, struct lt_job *job, struct lt_buffer *bytes, const struct lt_error *error);
    void *context;
};

/* The options are copied; what they point to must outlive the object. LT_ENOMEM. */
int lt_explaining_create(const struct lt_explaining_options *options, struct lt_explaining **ret_explaining);

/* NULL is allowed. No request may be under way. */
void lt_explaining_destroy(struct lt_explaining *explaining);

/* Takes up a job of the method explain, or answers it with what is wrong. `served` must have an encoder. */
void lt_explaining_begin(struct lt_explaining *explaining, struct lt_job *job, struct lt_served_model *served);

/* One cycle of each; answers those that are done or cancelled. */
void lt_explaining_step(struct lt_explaining *explaining);

/* Whether any is under way. */
bool lt_explaining_has_work(const struct lt_explaining *explaining);

/* Answers all with `cancelled`. */
void lt_explaining_cancel(struct lt_explaining *explaining);

#endif
