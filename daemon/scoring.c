#include "daemon/scoring.h"

#include <string.h>

#include "proto/alloc.h"

static bool in_pieces(const struct lt_task *task)
{
    return task->job->request->score.in_pieces;
}

/* Plans `total` tokens: all but the last are fed, all but the first predicted. The span that the last token is part of
 * is open to the end, and so never looked at. */
static int plan(struct lt_task *task, const uint32_t *tokens, const size_t *ends, size_t segments)
{
    size_t total = ends[segments - 1];
    lt_sequence_destroy(task->sequence);
    task->sequence = NULL;
    int code = lt_task_cut(task, tokens, ends, segments);
    if (code == LT_OK)
        code = lt_sequence_create(task->served->model, task->span_count, &task->sequence);
    if (code)
        return code;
    task->fresh = task->spans;
    task->fresh_starts = task->starts;
    task->fresh_latents = task->latents;
    task->fresh_count = task->span_count ? task->span_count - 1 : 0;
    task->feed = tokens;
    task->feed_closed = task->prompt_closed;
    task->feed_targets = tokens + 1;
    task->feed_nats = task->scoring.nats;
    task->feed_count = total - 1;
    task->scoring.count = total - 1;
    task->scoring.pieces++;
    return LT_OK;
}

/* The next piece of the text, behind the control token that opens a document. */
static int plan_piece(struct lt_task *task)
{
    struct lt_scoring *scoring = &task->scoring;
    const struct lt_model *model = task->served->model;
    size_t left = task->prompt.count - scoring->done, room = lt_model_shape(model)->trained - 1;
    size_t count = left < room ? left : room, end = count + 1;
    scoring->piece[0] = lt_model_prompt_format(model)->document;
    memcpy(scoring->piece + 1, task->prompt.tokens + scoring->done, count * sizeof *scoring->piece);
    return plan(task, scoring->piece, &end, 1);
}

int lt_scoring_begin(struct lt_task *task)
{
    struct lt_scoring *scoring = &task->scoring;
    size_t context = lt_model_shape(task->served->model)->context;
    scoring->piece = lt_malloc(context * sizeof *scoring->piece);
    scoring->nats = lt_malloc(context * sizeof *scoring->nats);
    if (!scoring->piece || !scoring->nats)
        return LT_ENOMEM;
    return in_pieces(task) ? plan_piece(task)
                           : plan(task, task->prompt.tokens, task->prompt.ends, task->prompt.segments);
}

/* nats[i] is what token i + 1 cost; the first token of each segment is its control token. */
static void add_segments(struct lt_task *task)
{
    struct lt_scoring *scoring = &task->scoring;
    const struct lt_prompt *prompt = &task->prompt;
    for (size_t segment = 0, begin = 0; segment < prompt->segments; begin = prompt->ends[segment++])
        for (size_t token = begin + 1; token < prompt->ends[segment]; token++) {
            scoring->scores[segment].tokens++;
            scoring->scores[segment].nats += (double)scoring->nats[token - 1];
        }
}

int lt_scoring_advance(struct lt_task *task, bool *ret_done)
{
    struct lt_scoring *scoring = &task->scoring;
    if (!in_pieces(task)) {
        add_segments(task);
        *ret_done = true;
        return LT_OK;
    }
    for (size_t i = 0; i < scoring->count; i++)
        scoring->scores[0].nats += (double)scoring->nats[i];
    scoring->scores[0].tokens += scoring->count;
    scoring->done += scoring->count;
    *ret_done = scoring->done == task->prompt.count;
    return *ret_done ? LT_OK : plan_piece(task);
}
