/* One head of recall over all slots of all closed spans. "Nothing" has a score of its own, learned, so that a token for
 * which nothing was said before hears nothing. */
#include "kernels/recall.h"

#include <string.h>

#include "kernels/attention.h"
#include "kernels/norm.h"

/* How many rows from `first` on follow each other in one sequence. */
static size_t run_length(const struct lt_workspace *workspace, size_t first)
{
    size_t end = first + 1;
    while (end < workspace->row_count && workspace->rows[end].sequence == workspace->rows[first].sequence)
        end++;
    return end - first;
}

void lt_recall_unfold(struct lt_workspace *workspace)
{
    const struct lt_recall *recall = &workspace->weights->recall;
    size_t width = workspace->shape->width, slots = workspace->shape->span_maximum, inner = workspace->shape->recall;
    if (!inner)
        return;
    for (size_t i = 0; i < workspace->row_count; i++)
        memcpy(workspace->query + i * width, workspace->rows[i].latent, width * sizeof(float));
    for (size_t first = 0, count; first < workspace->row_count; first += count) {
        const struct lt_row *row = &workspace->rows[first];
        size_t at = (size_t)row->position * slots * inner;
        float *keys = row->sequence->recall.keys + at, *values = row->sequence->recall.values + at;
        count = run_length(workspace, first);
        lt_gemm(workspace->crew, &recall->key, workspace->x + first * width, count, keys, false);
        lt_gemm(workspace->crew, &recall->value, workspace->query + first * width, count, values, false);
        lt_rms_norm(keys, recall->key_norm, workspace->weights->epsilon, count * slots, inner, keys);
    }
}

void lt_recall_look(struct lt_workspace *workspace)
{
    const struct lt_recall *recall = &workspace->weights->recall;
    size_t inner = workspace->shape->recall, rows = workspace->row_count;
    float epsilon = workspace->weights->epsilon;
    if (!inner)
        return;
    lt_rms_norm(workspace->x, recall->norm, epsilon, rows, workspace->shape->width, workspace->normed);
    lt_gemm(workspace->crew, &recall->query, workspace->normed, rows, workspace->query, false);
    lt_rms_norm(workspace->query, recall->query_norm, epsilon, rows, inner, workspace->query);
    for (size_t i = 0; i < rows; i++) {
        const struct lt_row *row = &workspace->rows[i];
        struct lt_attention_part slots = {
            .query = workspace->query + i * inner,
            .keys = row->sequence->recall.keys,
            .values = row->sequence->recall.values,
            .count = (size_t)row->closed * workspace->shape->span_maximum,
        };
        lt_attend(&slots, 1, 1, inner, recall->nothing, workspace->attended + i * inner);
    }
    lt_gemm(workspace->crew, &recall->output, workspace->attended, rows, workspace->x, true);
}

uint64_t lt_recall_unfold_operations(const struct lt_model_shape *shape)
{
    return 4 * (uint64_t)shape->width * shape->span_maximum * shape->recall;
}

uint64_t lt_recall_look_operations(const struct lt_model_shape *shape, uint64_t spans)
{
    return 4 * (uint64_t)shape->recall * (shape->width + spans * shape->span_maximum);
}
