/* What long prompts cost: counted from shapes, and run on a text of that length where a model can. One row is a length
 * in one cut: token by token, or in spans of a fixed number of tokens, or as the model cuts. Runs go past the context
 * that a model was trained for: they show work, not answers. Engine thread only. */
#ifndef LT_DAEMON_PROJECTION_H
#define LT_DAEMON_PROJECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/served_model.h"
#include "kernels/cost.h"
#include "proto/error.h"

#define LT_PROJECTION_TOKENS 2048
#define LT_PROJECTION_ANSWER 32 /* tokens behind them */
#define LT_PROJECTION_ROUNDS 7
#define LT_PROJECTION_SECONDS 1 /* no new round of a row after that */
#define LT_PROJECTION_ROWS 8

enum lt_cut { LT_CUT_TOKENS, LT_CUT_FIXED, LT_CUT_MODEL };

/* Seconds of one round; `answer` is of all tokens behind the prompt. */
struct lt_projection_times {
    double encode, refine, mix, decode, answer;
};

struct lt_projection {
    enum lt_cut cut;
    size_t tokens;
    uint32_t span_tokens; /* LT_CUT_FIXED */
    struct lt_model_shape shape;
    uint32_t *spans; /* [span_count] tokens of each */
    size_t span_count;
    uint32_t *answer_spans; /* [answer_span_count] closed behind the prompt */
    size_t answer_span_count;
    struct lt_cost prompt[LT_STAGE_COUNT], answer[LT_STAGE_COUNT];
    const struct lt_served_model *served; /* runs it; NULL: it is counted only */
    struct lt_projection_times times[LT_PROJECTION_ROUNDS];
    size_t rounds;
};

struct lt_projections {
    struct lt_projection rows[LT_PROJECTION_ROWS];
    size_t count;
    uint32_t *tokens; /* [LT_PROJECTION_TOKENS + LT_PROJECTION_ANSWER] of the text to run; NULL: nothing is run */
};

/* Counts all rows. `rival` is the shape of the token-level model; rival_served NULL: it is not run. `text` NULL:
 * nothing is run. LT_EPARAM if the text is too short, LT_EUTF8, LT_ENOMEM; `error` is filled. */
int lt_projections_begin(struct lt_projections *projections, const struct lt_served_model *served,
                         const struct lt_model_shape *rival, const struct lt_served_model *rival_served,
                         const char *text, size_t bytes, struct lt_error *error);

/* Runs one round of one row; *ret_done if there was none left. LT_ENOMEM. */
int lt_projections_step(struct lt_projections *projections, bool *ret_done);
void lt_projections_finish(struct lt_projections *projections);

/* The fastest round of a row. */
const struct lt_projection_times *lt_projection_times(const struct lt_projection *row);

/* Seconds of the answer in the round that was fastest with it. */
double lt_projection_answer(const struct lt_projection *row);

#endif
