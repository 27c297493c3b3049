/* A generate, encode or score request inside the engine: its prompt as tokens and spans, the state of its answer, and
 * the receipt that adds up while it runs.
 *
 * The engine works in cycles. In each, a task says which spans it newly needs (`fresh`) and which tokens its decoder is
 * to be fed
 * (`feed`): the whole prompt and its last tokens in the first cycle, at most one span and one token in every later one.
 * The engine does that work for all tasks together. Engine thread only. */
#ifndef LT_DAEMON_TASK_H
#define LT_DAEMON_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/answer_text.h"
#include "daemon/cache.h"
#include "daemon/fetching.h"
#include "daemon/job.h"
#include "daemon/prompt.h"
#include "daemon/served_model.h"
#include "kernels/sampler.h"

struct lt_receipt {
    uint64_t encode_operations, refine_operations, mix_operations, decode_operations;
    double tokenize, lookup, encode, refine, mix, decode; /* seconds */
    double first_token;                                   /* seconds from request to first token, 0 before it */
    size_t cached_tokens;                                 /* of the prompt's spans that hit */
    size_t hits, misses;                                  /* of the prompt's spans */
    size_t restored_spans;     /* of the prompt: mixed before, for another prompt that began alike */
    size_t refined_spans;      /* of the others: refined before, and stored */
    uint64_t saved_operations; /* that the refiner did not do for these */
    uint32_t completion_tokens, completion_spans;
};

struct lt_document_put;
struct lt_refining;

struct lt_score {
    uint64_t tokens;
    double nats;
};

/* A score request on its way through the text. */
struct lt_scoring {
    uint32_t *piece; /* [context] a control token and text, if the text goes through in pieces */
    float *nats;     /* [context] of the piece's tokens */
    size_t count;    /* tokens that this piece predicts */
    size_t done;     /* tokens of the text that are added up */
    uint32_t pieces;
    struct lt_score scores[LT_SEGMENTS_MAX]; /* of each segment */
};

struct lt_task {
    struct lt_job *job;
    struct lt_served_model *served;
    struct lt_task *next; /* in the engine's list */

    /* The prompt. */
    struct lt_prompt prompt;
    struct lt_cache_span *spans; /* [span_count] of the prompt, or of the piece that is scored */
    uint8_t *starts;             /* [span_count] 1 where a segment begins */
    size_t span_count;
    float *latents;    /* [span_count][D]; freed after the first cycle */
    uint8_t *refining; /* [span_count] enum lt_refiner_work, and */
    float *refined;    /* [span_count][D] the refined latents that were stored; NULL if none were looked for */

    /* The answer; generate only. */
    struct lt_sequence *sequence;
    uint64_t states_age; /* of the states when the sequence began */
    struct lt_sampler *sampler;
    struct lt_answer_text text;
    float *logits;                     /* [vocabulary] of the next token */
    uint32_t open[LT_SPAN_TOKENS_MAX]; /* tokens of the answer's span that is not closed */
    uint32_t open_count;
    struct lt_cache_span answer_span; /* the span that the newest token closed */
    float *answer_latent;             /* [D] */
    const char *piece;                /* [piece_bytes] of the text, to be sent */
    size_t piece_bytes;
    const char *finish_reason; /* NULL while it runs */
    double last_token;         /* lt_clock_seconds; 0 before the first */

    struct lt_scoring scoring;             /* score only */
    struct lt_document_put *put;           /* doc.put and doc.remove only */
    struct lt_refining *refining_document; /* doc.refine only */
    struct lt_fetching fetching;           /* with a remote tier only */

    /* This cycle's work. */
    struct lt_cache_span *fresh; /* [fresh_count] spans to resolve and mix */
    const uint8_t *fresh_starts;
    const float *fresh_latents;
    const uint8_t *fresh_refining; /* NULL: the refiner does all */
    const float *fresh_refined;
    size_t fresh_count;
    const uint32_t *feed;         /* [feed_count] tokens to decode */
    uint32_t *feed_closed;        /* [feed_count] */
    const uint32_t *feed_targets; /* [feed_count], score only */
    float *feed_nats;             /* [feed_count], score only */
    size_t feed_count;
    uint32_t feed_one, feed_one_closed; /* room for a step's single token */
    uint32_t *prompt_closed;            /* for each token of what was cut: spans closed once it was read */

    struct lt_receipt receipt;
};

/* Tokenizes and cuts the job's prompt, if it has one, and prepares the first cycle. On failure `error` is filled and
 * nothing is left over: LT_EUTF8, LT_ECONTEXT, LT_EPARAM, LT_ENOMEM, and those of lt_documents_tokens. */
int lt_task_create(struct lt_job *job, struct lt_served_model *served, struct lt_task **ret_task,
                   struct lt_error *error);
void lt_task_destroy(struct lt_task *task);

/* Cuts tokens into spans, in place of those that the task has, and makes room for their latents. `ends` says where each
 * segment ends; `tokens` must outlive the spans. A model without an encoder has no spans, and no token closes any.
 * LT_ENOMEM. */
int lt_task_cut(struct lt_task *task, const uint32_t *tokens, const size_t *ends, size_t segments);

bool lt_task_generates(const struct lt_task *task);

/* Counts what a finished task has done, and gives its mixed state away to be kept. */
void lt_task_settle(struct lt_task *task, struct lt_counters *counters);

#endif
