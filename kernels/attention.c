/* Attention with a running softmax: keys go by in blocks, so memory does not grow with their number, and a row's result
 * depends on its own keys and their order only. */
#include "kernels/attention.h"

#include <math.h>

#include "kernels/dispatch.h"
#include "kernels/lanes.h"
#include "kernels/softmax.h"

#define BLOCK 64 /* keys at a time */

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

/* scores[i] = query * key i, as lt_dot gives it; sixteen keys at a time where there are as many. */
LT_INLINE void score(const float *query, const float *keys, size_t count, size_t stride, size_t head_width,
                     float *scores)
{
    size_t i = 0;
    for (; head_width % LT_LANES == 0 && i + LT_LANES <= count; i += LT_LANES) {
        lt_vector sums[LT_LANES], x, y;
        for (size_t k = 0; k < LT_LANES; k++) {
            sums[k] = (lt_vector){0};
            for (size_t j = 0; j < head_width; j += LT_LANES) {
                lt_vector_load(&x, query + j);
                lt_vector_load(&y, keys + (i + k) * stride + j);
                sums[k] += x * y;
            }
        }
        lt_vector_sums(sums, &x);
        lt_vector_store(&x, scores + i);
    }
    for (; i < count; i++)
        scores[i] = lt_dot(query, keys + i * stride, head_width);
}

LT_INLINE void attend_block(struct lt_softmax *softmax, const float *query, const float *keys, const float *values,
                            size_t count, size_t stride, size_t head_width, float *out)
{
    float scores[BLOCK], scale = 1.0f / sqrtf((float)head_width), greatest = softmax->greatest;
    score(query, keys, count, stride, head_width, scores);
    for (size_t i = 0; i < count; i++) {
        scores[i] *= scale;
        greatest = scores[i] > greatest ? scores[i] : greatest;
    }
    lt_softmax_raise(softmax, greatest, head_width, out);
    for (size_t i = 0; i < count; i++)
        scores[i] = lt_exp(scores[i] - greatest);
    for (size_t i = 0; i < count; i++)
        softmax->sum += scores[i];
    add_values(scores, values, count, stride, head_width, out);
}

void lt_attention_begin(struct lt_softmax *softmax, size_t heads, size_t head_width, float nothing, float *out)
{
    for (size_t head = 0; head < heads; head++)
        lt_softmax_begin(&softmax[head], nothing, head_width, out + head * head_width);
}

LT_BODY lt_attend_body(const float *query, const float *keys, const float *values, size_t count, size_t heads,
                       size_t head_width, struct lt_softmax *softmax, float *restrict out)
{
    size_t stride = heads * head_width;
    for (size_t head = 0; head < heads; head++)
        for (size_t from = 0, offset = head * head_width; from < count; from += BLOCK) {
            size_t here = count - from < BLOCK ? count - from : BLOCK;
            attend_block(&softmax[head], query + offset, keys + from * stride + offset, values + from * stride + offset,
                         here, stride, head_width, out + offset);
        }
}

LT_DISPATCH(lt_attend,
            (const float *query, const float *keys, const float *values, size_t count, size_t heads, size_t head_width,
             struct lt_softmax *softmax, float *restrict out),
            (query, keys, values, count, heads, head_width, softmax, out))

LT_BODY lt_attention_end_body(const struct lt_softmax *softmax, size_t heads, size_t head_width, float *restrict out)
{
    for (size_t head = 0; head < heads; head++)
        for (size_t j = 0; j < head_width; j++)
            out[head * head_width + j] /= softmax[head].sum;
}

LT_DISPATCH(lt_attention_end, (const struct lt_softmax *softmax, size_t heads, size_t head_width, float *restrict out),
            (softmax, heads, head_width, out))
