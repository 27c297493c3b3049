/* Arithmetic that vectorises and does not depend on how: sums in sixteen lanes, and e^x. */
#ifndef LT_KERNELS_LANES_H
#define LT_KERNELS_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LT_LANES 16
#define LT_INLINE static inline __attribute__((always_inline))

LT_INLINE float lt_lanes_sum(float lanes[LT_LANES])
{
    for (size_t i = 0; i < 8; i++)
        lanes[i] += lanes[i + 8];
    for (size_t i = 0; i < 4; i++)
        lanes[i] += lanes[i + 4];
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

LT_INLINE float lt_dot(const float *a, const float *b, size_t count)
{
    float lanes[LT_LANES] = {0};
    size_t i = 0;
    for (; i + LT_LANES <= count; i += LT_LANES)
        for (size_t lane = 0; lane < LT_LANES; lane++)
            lanes[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i + lane < count; lane++)
        lanes[lane] += a[i + lane] * b[i + lane];
    return lt_lanes_sum(lanes);
}

/* e^x to 2 units in the last place, from Cephes' polynomial; 0 below -87, and x is taken to be at most 88. */
LT_INLINE float lt_exp(float x)
{
    float bounded = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float whole = (bounded * 1.44269504f + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23: rounds to an integer */
    float rest = (bounded - whole * 0.693359375f) - whole * -2.12194440e-4f;
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * (rest * rest) + rest + 1.0f;
    int32_t bits = ((int32_t)whole + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return x < -87.0f ? 0.0f : sum * power;
}

#endif
