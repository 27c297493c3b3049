/* Rotary positions (arXiv 2104.09864), neighbouring pairs (2i, 2i+1). */
#ifndef LT_KERNELS_ROPE_H
#define LT_KERNELS_ROPE_H

#include <stddef.h>
#include <stdint.h>

/* rates[i] = base^(-2i / head_width), head_width / 2 of them. */
void lt_rope_rates(float base, size_t head_width, double *rates);

/* turn = cos and sin, side by side, of position * rate: head_width numbers. */
void lt_rope_turn(const double *rates, size_t head_width, uint64_t position, float *turn);

/* Rotates every head of one row. out may be x. */
void lt_rope_rotate(const float *x, const float *turn, size_t heads, size_t head_width, float *out);

#endif
