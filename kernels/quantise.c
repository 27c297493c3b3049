/* The greatest magnitude becomes 127. Rounding is done by adding 1.5 * 2^23: the sum's last byte is then the nearest
 * integer as two's complement, which needs no conversion that processors do differently. */
#include "kernels/quantise.h"

#include <math.h>
#include <string.h>

#include "kernels/dispatch.h"
#include "kernels/lanes.h"

#define ROUNDING 12582912.0f
#define GREATEST 127.0f

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

LT_BODY lt_quantise_body(const float *x, size_t rows, size_t inputs, int8_t *values, float *scales, int32_t *sums)
{
    size_t padded = lt_int8_padded(inputs);
    for (size_t row = 0; row < rows; row++, x += inputs, values += padded) {
        float greatest = greatest_of(x, inputs), factor = greatest > 0 ? GREATEST / greatest : 0;
        int32_t sum = 0;
        for (size_t i = 0; i < inputs; i++) {
            float moved = x[i] * factor + ROUNDING;
            int32_t bits;
            memcpy(&bits, &moved, sizeof bits);
            values[i] = (int8_t)bits;
            sum += (int8_t)bits;
        }
        for (size_t i = inputs; i < padded; i++)
            values[i] = 0;
        scales[row] = greatest / GREATEST;
        sums[row] = sum;
    }
}

LT_DISPATCH(lt_quantise, (const float *x, size_t rows, size_t inputs, int8_t *values, float *scales, int32_t *sums),
            (x, rows, inputs, values, scales, sums))
