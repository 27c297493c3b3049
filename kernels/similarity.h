/* How alike two latents are. Any thread. */
#ifndef LT_KERNELS_SIMILARITY_H
#define LT_KERNELS_SIMILARITY_H

#include <stddef.h>
#include <stdint.h>

/* to = scale * numbers - mean: what is special of a latent that is stored as int8. */
void lt_int8_less_mean(const int8_t *numbers, float scale, const float *mean, size_t count, float *to);

/* to = numbers - mean. */
void lt_float_less_mean(const float *numbers, const float *mean, size_t count, float *to);

/* Sums of products: a with b, and b with itself. */
void lt_float_products(const float *a, const float *b, size_t count, float *ret_both, float *ret_own);

#endif
