/* float32 <-> int8 with one scale for all: the smaller of the two precisions in which latents are stored, weights
 * behind the encoder, the rows that they are multiplied with, keys and values that are kept. Symmetric: the number of
 * the greatest magnitude becomes 127 or -127, and a number x becomes x / scale, rounded to nearest even. The same bytes
 * on every processor. Any thread. */
#ifndef LT_KERNELS_INT8_H
#define LT_KERNELS_INT8_H

#include <stddef.h>
#include <stdint.h>

/* Inputs of an int8 product go four at a time: rows are filled up with zeros to a multiple of it. */
#define LT_INT8_GROUP 4

static inline size_t lt_int8_padded(size_t inputs)
{
    return (inputs + LT_INT8_GROUP - 1) / LT_INT8_GROUP * LT_INT8_GROUP;
}

/* The numbers must be finite. Where all are zero, or too small for a scale of normal float32, all become zero. */
void lt_int8_from_float(const float *from, size_t count, int8_t *to, float *ret_scale);

/* The same for each of some rows: values[row][stride] from x[row][count], zeros behind them; sums[row]: of its values.
 * What is not finite gives a row that means nothing, and no more. */
void lt_int8_from_rows(const float *x, size_t rows, size_t count, size_t stride, int8_t *values, float *scales,
                       int32_t *sums);

void lt_float_from_int8(const int8_t *from, size_t count, float scale, float *to);

#endif
