/* binary16 conversion: F16C where the processor has it, else by hand. Both round to nearest even and keep infinities,
 * NaNs (made quiet) and subnormals, so records are the same whichever wrote them. */
#include "kernels/half.h"

#include <immintrin.h>
#include <string.h>

static uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000) /* rounds past the largest binary16, 65504 */
        return (uint16_t)(sign | 0x7c00);
    uint32_t shift = 13, rounded;
    if (magnitude >= 0x38800000) { /* 2^-14: normal */
        rounded = magnitude - 0x38000000;
    } else {
        uint32_t exponent = magnitude >> 23;
        if (exponent < 102) /* under half the smallest subnormal */
            return (uint16_t)sign;
        shift = 126 - exponent;
        rounded = (magnitude & 0x7fffff) | 0x800000;
    }
    uint32_t half = rounded >> shift, rest = rounded & ((1u << shift) - 1), middle = 1u << (shift - 1);
    if (rest > middle || (rest == middle && (half & 1)))
        half++;
    return (uint16_t)(sign | half);
}

/* Without branches, so that the loop around it vectorises. */
static inline float float_of(uint16_t half)
{
    uint32_t magnitude = half & 0x7fff, sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t normal = (magnitude << 13) + 0x38000000;
    uint32_t special = magnitude << 13 | (magnitude > 0x7c00 ? 0x7fc00000 : 0x7f800000);
    float subnormal = (float)(int32_t)magnitude * 0x1p-24f, value;
    uint32_t bits;
    memcpy(&bits, &subnormal, sizeof bits);
    bits = magnitude < 0x400 ? bits : magnitude < 0x7c00 ? normal : special;
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static __attribute__((target("f16c"))) size_t half_from_float_f16c(const float *from, size_t count, uint16_t *to)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm_storeu_si128((__m128i *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
    return i;
}

static __attribute__((target("f16c"))) size_t float_from_half_f16c(const uint16_t *from, size_t count, float *to)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
    return i;
}

void lt_half_from_float(const float *from, size_t count, uint16_t *to)
{
    size_t i = __builtin_cpu_supports("f16c") ? half_from_float_f16c(from, count, to) : 0;
    for (; i < count; i++)
        to[i] = half_of(from[i]);
}

void lt_float_from_half(const uint16_t *from, size_t count, float *to)
{
    size_t i = __builtin_cpu_supports("f16c") ? float_from_half_f16c(from, count, to) : 0;
    for (; i < count; i++)
        to[i] = float_of(from[i]);
}
