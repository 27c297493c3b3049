/* An explain request inside the engine: one prompt run again and again, to show what each stage costs.
 *
 * First it is asked as any prompt is, through the cache. Then it is run in up to three other ways, a few rounds of
 * each: cold (every latent is encoded afresh by a cache that finds nothing and leaves no trace), warm (every latent is
 * looked up, nothing is mixed before), and by a token-level model with the same vocabulary if one is served. They have
 * states and texts of their own, so nothing of them is counted or kept. At last, if the client gave a text for it, long
 * prompts are run (daemon/projection.h).
 *
 * A step does one cycle of one run, so others wait no longer than they do for any prompt. Engine thread only. */
#ifndef LT_DAEMON_EXPLANATION_H
#define LT_DAEMON_EXPLANATION_H

#include "daemon/cycle.h"
#include "daemon/projection.h"
#include "daemon/task.h"
#include "kernels/cost.h"

#define LT_EXPLAIN_ROUNDS 7
#define LT_EXPLAIN_SECONDS 3 /* no new round after that */

enum lt_way { LT_WAY_ASKED, LT_WAY_COLD, LT_WAY_WARM, LT_WAY_TOKENS, LT_WAY_COUNT };

/* One round of one way. */
struct lt_way_times {
    struct lt_receipt prompt; /* up to the first token, which its first_token says when */
    struct lt_receipt answer; /* of the tokens behind it */
};

/* A way, and the work that it turned out to be; the same in every round. */
struct lt_way_run {
    const struct lt_served_model *served; /* NULL: it is counted, not run */
    uint8_t *known;                       /* [span_count] of the prompt's spans: encoded by nobody */
    uint32_t answer_spans[LT_EXPLAIN_TOKENS_MAX];
    uint8_t answer_known[LT_EXPLAIN_TOKENS_MAX];
    size_t answer_span_count;
    size_t answer_tokens;  /* fed one by one behind the prompt */
    uint64_t answer_bytes; /* of the records of the answer's spans; LT_WAY_WARM: of those that were found */
    struct lt_way_times times[LT_EXPLAIN_ROUNDS];
    size_t rounds;
};

struct lt_explanation {
    struct lt_explanation *next; /* in the engine's list */
    struct lt_job *job;
    struct lt_request request; /* the prompt as a generate request; texts are the job's */
    struct lt_job inner;       /* carries that request */
    struct lt_cycle_memory memory;
    struct lt_cache *caches[LT_WAY_COUNT];
    struct lt_counters *counters;
    enum lt_latent_type latent_type;
    struct lt_states *states; /* that keep nothing, for LT_WAY_COLD and LT_WAY_WARM */
    struct lt_texts *texts;   /* that keep nothing, for LT_WAY_COLD */
    struct lt_texts *rival_texts;
    struct lt_served_model served[LT_WAY_COUNT]; /* the daemon's own for LT_WAY_ASKED */
    double began;

    struct lt_task *asked; /* how the prompt went when it was asked; kept for the reply */
    struct lt_task *task;  /* the run under way */
    enum lt_way way;
    struct lt_way_run runs[LT_WAY_COUNT];
    uint32_t *span_tokens; /* [span_count] of the prompt */
    bool same_answer;      /* all latent runs said the same */
    size_t state_spans;    /* of the mixed state that was kept */
    uint64_t state_bytes;

    struct lt_model_shape rival; /* the token-level model's shape, or that of an equal one */
    const char *not_measured;    /* why the token-level model is counted only; NULL: it is measured */
    struct lt_projections projections;
    bool done;
};

/* Begins with a job of the method explain. `rival` may be NULL; the caches stay the caller's: one to use, one without
 * counters, one without a store. LT_EPARAM, and as lt_task_create; `error` is filled. */
struct lt_explanation_tools {
    struct lt_cache *use, *look, *ignore;
    struct lt_counters *counters;
    enum lt_latent_type latent_type;
};
int lt_explanation_create(struct lt_job *job, struct lt_served_model *served, struct lt_served_model *rival,
                          const struct lt_explanation_tools *tools, struct lt_explanation **ret_explanation,
                          struct lt_error *error);
void lt_explanation_destroy(struct lt_explanation *explanation);

/* One cycle. Sets `done` behind the last one. LT_ENOMEM. */
int lt_explanation_step(struct lt_explanation *explanation);

/* Bytes of the record of one latent as it is stored. */
uint64_t lt_explanation_record_bytes(const struct lt_explanation *explanation, const struct lt_cache_span *span);

/* Whether two models cut text into the same tokens. */
bool lt_explanation_comparable(const struct lt_model *model, const struct lt_model *rival);

#endif
