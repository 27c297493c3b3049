/* Multi-head attention of one query row over keys that may lie in several places, under one softmax:
 *
 *   lt_attention_begin(...);
 *   lt_attend(...);           and lt_slots_attend, which kernels/slots.h has; each as often as there are places
 *   lt_attention_end(...);
 *
 * A row has all heads side by side; there is a softmax for each head. Any thread. */
#ifndef LT_KERNELS_ATTENTION_H
#define LT_KERNELS_ATTENTION_H

#include <stddef.h>

#include "kernels/softmax.h"

/* softmax: [heads], out: [heads * head_width] begin with attending to nothing, with that score. */
void lt_attention_begin(struct lt_softmax *softmax, size_t heads, size_t head_width, float nothing, float *out);

/* Keys and values lie row by row, [count][heads * head_width]. */
void lt_attend(const float *query, const float *keys, const float *values, size_t count, size_t heads,
               size_t head_width, struct lt_softmax *softmax, float *out);

/* Now out is what the heads have seen. */
void lt_attention_end(const struct lt_softmax *softmax, size_t heads, size_t head_width, float *out);

#endif
