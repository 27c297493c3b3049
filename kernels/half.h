/* float32 <-> IEEE 754 binary16, in which latents and weights are stored. Round to nearest even; any thread. */
#ifndef LT_KERNELS_HALF_H
#define LT_KERNELS_HALF_H

#include <stddef.h>
#include <stdint.h>

void lt_half_from_float(const float *from, size_t count, uint16_t *to);
void lt_float_from_half(const uint16_t *from, size_t count, float *to);

#endif
