/* Multi-head attention of one query row over keys that may lie in several places, under one softmax. */
#ifndef LT_KERNELS_ATTENTION_H
#define LT_KERNELS_ATTENTION_H

#include <math.h>
#include <stddef.h>

/* Keys and values that lie row by row; a row has all heads side by side. */
struct lt_attention_part {
    const float *query; /* the query as these keys want it: rotated or not */
    const float *keys;
    const float *values;
    size_t count;
};

/* Nothing to attend to is no choice: then at least one part must have a key. */
#define LT_ATTEND_ALWAYS (-INFINITY)

/* out: [heads * head_width]. nothing: the score of attending to nothing, a key whose value is zero. Any thread. */
void lt_attend(const struct lt_attention_part *parts, size_t part_count, size_t heads, size_t head_width, float nothing,
               float *out);

#endif
