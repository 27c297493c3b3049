/* float32 <-> int8 with one scale for all, the smaller of the two precisions in which latents are stored. Symmetric:
 * the number of the greatest magnitude becomes 127 or -127, and a number x becomes x / scale, rounded to nearest even.
 * The same bytes on every processor. Any thread. */
#ifndef LT_KERNELS_INT8_H
#define LT_KERNELS_INT8_H

#include <stddef.h>
#include <stdint.h>

/* The numbers must be finite. Where all are zero, or too small for a scale of normal float32, all become zero. */
void lt_int8_from_float(const float *from, size_t count, int8_t *to, float *ret_scale);

void lt_float_from_int8(const int8_t *from, size_t count, float scale, float *to);

#endif
