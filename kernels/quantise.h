/* float32 -> int8: each row by itself, with one scale. A row that is multiplied with weights of int8 and keys and
 * values that are kept for long both go through here. The same bits on every processor; any thread. */
#ifndef LT_KERNELS_QUANTISE_H
#define LT_KERNELS_QUANTISE_H

#include <stddef.h>
#include <stdint.h>

/* Inputs of an int8 product go four at a time: rows are filled up with zeros to a multiple of it. */
#define LT_INT8_GROUP 4

static inline size_t lt_int8_padded(size_t inputs)
{
    return (inputs + LT_INT8_GROUP - 1) / LT_INT8_GROUP * LT_INT8_GROUP;
}

/* values[row][lt_int8_padded(inputs)] = x[row][inputs] / scales[row], rounded, from -127 to 127; sums[row]: their sum.
 * A row of zeros has the scale 0. What is not finite gives a row that means nothing, and no more. */
void lt_quantise(const float *x, size_t rows, size_t inputs, int8_t *values, float *scales, int32_t *sums);

#endif
