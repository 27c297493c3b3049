/* Rounding is done by adding 1.5 * 2^23: the sum has no place for a fraction, and its last byte is the nearest integer
 * as two's complement, which needs no conversion that processors do differently. */
#include "kernels/int8.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/dispatch.h"
#include "kernels/lanes.h"

#define GREATEST 127.0f
#define ROUNDER 12582912.0f

LT_INLINE float greatest_of(const float *x, size_t count)
{
    lt_vector greatest = {0}, next;
    size_t i = 0;
    for (; i + LT_LANES <= count; i += LT_LANES) {
        lt_vector_load(&next, x + i);
        next = (lt_vector)((lt_vector_order)next & INT32_MAX); /* without its sign */
        lt_vector_raise(&greatest, &next);
    }
    float result = lt_vector_greatest(&greatest);
    for (; i < count; i++)
        result = fabsf(x[i]) > result ? fabsf(x[i]) : result;
    return result;
}

LT_BODY lt_int8_from_rows_body(const float *x, size_t rows, size_t count, size_t stride, int8_t *values, float *scales,
                               int32_t *sums)
{
    for (size_t row = 0; row < rows; row++, x += count, values += stride) {
        float greatest = greatest_of(x, count), scale = greatest / GREATEST;
        float inverse = scale >= FLT_MIN ? GREATEST / greatest : 0;
        int32_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            float moved = x[i] * inverse + ROUNDER;
            int32_t bits;
            memcpy(&bits, &moved, sizeof bits);
            values[i] = (int8_t)bits;
            sum += (int8_t)bits;
        }
        for (size_t i = count; i < stride; i++)
            values[i] = 0;
        scales[row] = scale >= FLT_MIN ? scale : 0;
        sums[row] = sum;
    }
}

LT_DISPATCH(lt_int8_from_rows,
            (const float *x, size_t rows, size_t count, size_t stride, int8_t *values, float *scales, int32_t *sums),
            (x, rows, count, stride, values, scales, sums))

void lt_int8_from_float(const float *from, size_t count, int8_t *to, float *ret_scale)
{
    int32_t sum;
    lt_int8_from_rows(from, 1, count, count, to, ret_scale, &sum);
}

void lt_float_from_int8(const int8_t *from, size_t count, float scale, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i] * scale;
}
