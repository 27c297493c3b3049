/* Attention with a running softmax (arXiv 2205.14135 has the idea): keys go by in blocks, and when a block has a
 * greater score than any before, what was summed is scaled down. So memory does not grow with the number of keys, and a
 * row's result depends on its own keys and their order only. */
#include "kernels/attention.h"

#include <math.h>

#include "kernels/dispatch.h"
#include "kernels/lanes.h"

#define BLOCK 64 /* keys at a time */

struct softmax {
    float greatest;
    float sum;
};

/* `vectors` (a constant, at most 4) times LT_LANES columns of add_values. */
LT_INLINE void add_columns(const float *weights, const float *values, size_t count, size_t stride, size_t vectors,
                           float *out)
{
    lt_vector sums[4], value;
    for (size_t v = 0; v < vectors; v++)
        lt_vector_load(&sums[v], out + v * LT_LANES);
    for (size_t i = 0; i < count; i++)
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) {
            lt_vector_load(&value, values + i * stride + v * LT_LANES);
            sums[v] += weights[i] * value;
        }
    for (size_t v = 0; v < vectors; v++)
        lt_vector_store(&sums[v], out + v * LT_LANES);
}

/* out += sum of weights[i] * values[i]; the sums of a few columns at a time stay in registers. */
LT_INLINE void add_values(const float *weights, const float *values, size_t count, size_t stride, size_t columns,
                          float *out)
{
    size_t j = 0;
    for (; j + 4 * LT_LANES <= columns; j += 4 * LT_LANES)
        add_columns(weights, values + j, count, stride, 4, out + j);
    for (; j + LT_LANES <= columns; j += LT_LANES)
        add_columns(weights, values + j, count, stride, 1, out + j);
    for (; j < columns; j++)
        for (size_t i = 0; i < count; i++)
            out[j] += weights[i] * values[i * stride + j];
}

LT_INLINE void attend_block(struct softmax *softmax, const float *query, const float *keys, const float *values,
                            size_t count, size_t stride, size_t head_width, float *out)
{
    float scores[BLOCK], scale = 1.0f / sqrtf((float)head_width), greatest = softmax->greatest;
    for (size_t i = 0; i < count; i++) {
        scores[i] = lt_dot(query, keys + i * stride, head_width) * scale;
        greatest = scores[i] > greatest ? scores[i] : greatest;
    }
    if (greatest > softmax->greatest) {
        float shrink = lt_exp(softmax->greatest - greatest);
        softmax->sum *= shrink;
        for (size_t j = 0; j < head_width; j++)
            out[j] *= shrink;
        softmax->greatest = greatest;
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = lt_exp(scores[i] - greatest);
    for (size_t i = 0; i < count; i++)
        softmax->sum += scores[i];
    add_values(scores, values, count, stride, head_width, out);
}

LT_BODY lt_attend_body(const struct lt_attention_part *parts, size_t part_count, size_t heads, size_t head_width,
                       float nothing, float *restrict out)
{
    size_t stride = heads * head_width;
    for (size_t head = 0; head < heads; head++) {
        size_t offset = head * head_width;
        float *to = out + offset;
        struct softmax softmax = {.greatest = nothing, .sum = nothing == LT_ATTEND_ALWAYS ? 0.0f : 1.0f};
        memset(to, 0, head_width * sizeof *to);
        for (size_t p = 0; p < part_count; p++) {
            const struct lt_attention_part *part = &parts[p];
            for (size_t from = 0; from < part->count; from += BLOCK) {
                size_t count = part->count - from < BLOCK ? part->count - from : BLOCK;
                attend_block(&softmax, part->query + offset, part->keys + from * stride + offset,
                             part->values + from * stride + offset, count, stride, head_width, to);
            }
        }
        for (size_t j = 0; j < head_width; j++)
            to[j] /= softmax.sum;
    }
}

LT_DISPATCH(lt_attend,
            (const struct lt_attention_part *parts, size_t part_count, size_t heads, size_t head_width, float nothing,
             float *out),
            (parts, part_count, heads, head_width, nothing, out))
