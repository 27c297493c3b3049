#include "daemon/scoring.h"

#include <string.h>

#include "proto/alloc.h"

/* The next piece: the control token that opens a document, and text. All of it but its last token is fed, all of it but
 * its first is predicted. The span that the last token is part of is open to the end and so is never looked at. */
static int plan_piece(struct lt_task *task)
{
    struct lt_scoring *scoring = &task->scoring;
    const struct lt_model *model = task->served->model;
    size_t left = task->token_count - scoring->done, room = lt_model_shape(model)->context - 1;
    size_t count = left < room ? left : room, end = count + 1;
    scoring->piece[0] = lt_model_prompt_format(model)->document;
    memcpy(scoring->piece + 1, task->tokens + scoring->done, count * sizeof *scoring->piece);
    lt_sequence_destroy(task->sequence);
    task->sequence = NULL;
    int code = lt_task_cut(task, scoring->piece, &end, 1);
    if (code == LT_OK)
        code = lt_sequence_create(model, task->span_count, &task->sequence);
    if (code)
        return code;
    task->fresh = task->spans;
    task->fresh_starts = task->starts;
    task->fresh_latents = task->latents;
    task->fresh_count = task->span_count ? task->span_count - 1 : 0;
    task->feed = scoring->piece;
    task->feed_closed = task->prompt_closed;
    task->feed_targets = scoring->piece + 1;
    task->feed_nats = scoring->nats;
    task->feed_count = count;
    scoring->count = count;
    scoring->pieces++;
    return LT_OK;
}

int lt_scoring_begin(struct lt_task *task)
{
    struct lt_scoring *scoring = &task->scoring;
    size_t context = lt_model_shape(task->served->model)->context;
    scoring->piece = lt_malloc(context * sizeof *scoring->piece);
    scoring->nats = lt_malloc(context * sizeof *scoring->nats);
    return scoring->piece && scoring->nats ? plan_piece(task) : LT_ENOMEM;
}

int lt_scoring_advance(struct lt_task *task, bool *ret_done)
{
    struct lt_scoring *scoring = &task->scoring;
    for (size_t i = 0; i < scoring->count; i++)
        scoring->total += (double)scoring->nats[i];
    scoring->done += scoring->count;
    *ret_done = scoring->done == task->token_count;
    return *ret_done ? LT_OK : plan_piece(task);
}
