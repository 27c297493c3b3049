/* Loops without branches, which the compiler vectorises. */
#include "kernels/int8.h"

#include <float.h>
#include <math.h>

#define GREATEST 127.0f
#define ROUNDER 12582912.0f /* 1.5 * 2^23: added, it leaves no place for a fraction */

static float greatest_magnitude(const float *from, size_t count)
{
    float greatest = 0;
    for (size_t i = 0; i < count; i++) {
        float magnitude = fabsf(from[i]);
        greatest = magnitude > greatest ? magnitude : greatest;
    }
    return greatest;
}

void lt_int8_from_float(const float *from, size_t count, int8_t *to, float *ret_scale)
{
    float greatest = greatest_magnitude(from, count), scale = greatest / GREATEST;
    float inverse = scale >= FLT_MIN ? GREATEST / greatest : 0;
    for (size_t i = 0; i < count; i++)
        to[i] = (int8_t)(int32_t)(from[i] * inverse + ROUNDER - ROUNDER);
    *ret_scale = scale >= FLT_MIN ? scale : 0;
}

void lt_float_from_int8(const int8_t *from, size_t count, float scale, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i] * scale;
}
