/* One head of recall over all slots of all closed spans. "Nothing" has a score of its own, learned, so that a token for
 * which nothing was said before hears nothing. */
#include "kernels/recall.h"

#include <string.h>

#include "kernels/attention.h"
#include "kernels/norm.h"

/* How many rows from `first` on, a few at most, follow each other in one sequence. */
static size_t run_length(const struct lt_workspace *workspace, size_t first)
{
    size_t end = first + 1;
    while (end < workspace->row_count && end - first < LT_CHUNK_SPANS &&
           workspace->rows[end].sequence == workspace->rows[first].sequence)
        end++;
    return end - first;
}

/* Moves every slot of a span one place back; in front of the first there is nothing. */
static void shift_slots(float *slots, size_t spans, size_t count, size_t width)
{
    for (size_t i = 0; i < spans; i++, slots += count * width) {
        memmove(slots + width, slots, (count - 1) * width * sizeof *slots);
        memset(slots, 0, width * sizeof *slots);
    }
}

/* Adds each span's row of `context` to all its keys. */
static void add_context(float *keys, const float *context, size_t spans, size_t slots, size_t inner)
{
    for (size_t i = 0; i < spans * slots; i++)
        lt_add(keys + i * inner, context + i / slots * inner, inner);
}

/* `count` spans of one sequence, whose rows begin at `first`. */
static void unfold_run(struct lt_workspace *workspace, size_t first, size_t count)
{
    const struct lt_recall *recall = &workspace->weights->recall;
    const struct lt_row *row = &workspace->rows[first];
    size_t width = workspace->shape->width, slots = workspace->shape->span_maximum, inner = workspace->shape->recall;
    float *keys = workspace->recall_keys, *values = workspace->recall_values, epsilon = workspace->weights->epsilon;
    for (size_t i = 0; i < count; i++)
        memcpy(workspace->query + i * width, row[i].latent, width * sizeof(float));
    lt_gemm(workspace->crew, &recall->unfold, workspace->query, count, workspace->slots, false);
    lt_rms_norm(workspace->slots, NULL, epsilon, count * slots, width, workspace->slots);
    lt_gemm(workspace->crew, &recall->value, workspace->slots, count * slots, values, false);
    shift_slots(workspace->slots, count, slots, width);
    lt_gemm(workspace->crew, &recall->key, workspace->slots, count * slots, keys, false);
    lt_gemm(workspace->crew, &recall->context, workspace->x + first * width, count, workspace->key, false);
    add_context(keys, workspace->key, count, slots, inner);
    lt_rms_norm(keys, recall->key_norm, epsilon, count * slots, inner, keys);
    for (size_t i = 0; i < count * slots; i++)
        lt_slots_write(&row->sequence->recall, (size_t)row->position * slots + i, keys + i * inner, values + i * inner);
}

void lt_recall_unfold(struct lt_workspace *workspace)
{
    if (!workspace->shape->recall)
        return;
    for (size_t first = 0, count; first < workspace->row_count; first += count) {
        count = run_length(workspace, first);
        unfold_run(workspace, first, count);
    }
}

void lt_recall_look(struct lt_workspace *workspace)
{
    const struct lt_recall *recall = &workspace->weights->recall;
    struct lt_slots_query *queries = workspace->queries;
    size_t inner = workspace->shape->recall, rows = workspace->row_count;
    float epsilon = workspace->weights->epsilon;
    if (!inner)
        return;
    lt_rms_norm(workspace->x, recall->norm, epsilon, rows, workspace->shape->width, workspace->normed);
    lt_gemm(workspace->crew, &recall->query, workspace->normed, rows, workspace->query, false);
    lt_rms_norm(workspace->query, recall->query_norm, epsilon, rows, inner, workspace->query);
    for (size_t i = 0; i < rows; i++) {
        const struct lt_row *row = &workspace->rows[i];
        queries[i] = (struct lt_slots_query){
            .slots = &row->sequence->recall,
            .count = (size_t)row->closed * workspace->shape->span_maximum,
            .query = workspace->query + i * inner,
            .softmax = &workspace->softmaxes[i],
            .out = workspace->attended + i * inner,
        };
        lt_attention_begin(queries[i].softmax, 1, inner, recall->nothing, queries[i].out);
    }
    lt_slots_attend(queries, rows);
    for (size_t i = 0; i < rows; i++)
        lt_attention_end(queries[i].softmax, 1, inner, queries[i].out);
    lt_gemm(workspace->crew, &recall->output, workspace->attended, rows, workspace->x, true);
}

uint64_t lt_recall_unfold_operations(const struct lt_model_shape *shape)
{
    uint64_t width = shape->width, slots = shape->span_maximum, inner = shape->recall;
    return 2 * width * (slots * width + 2 * slots * inner + inner);
}

uint64_t lt_recall_look_operations(const struct lt_model_shape *shape, uint64_t spans)
{
    return 4 * (uint64_t)shape->recall * (shape->width + spans * shape->span_maximum);
}
