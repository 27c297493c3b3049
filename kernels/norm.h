/* What is done to rows between and after matrix products. Each row by itself; any thread. */
#ifndef LT_KERNELS_NORM_H
#define LT_KERNELS_NORM_H

#include <stddef.h>

/* out = x / sqrt(mean(x^2) + epsilon) * gain, row by row (arXiv 1910.07467); gain may be NULL. out may be x. */
void lt_rms_norm(const float *x, const float *gain, float epsilon, size_t rows, size_t width, float *out);

/* gate = silu(gate) * up (arXiv 2002.05202). */
void lt_swiglu(float *gate, const float *up, size_t count);

/* -ln softmax(logits)[target]; target < count. Summed in double precision, in order. */
float lt_cross_entropy(const float *logits, size_t count, size_t target);

/* x += y */
void lt_add(float *x, const float *y, size_t count);

#endif
