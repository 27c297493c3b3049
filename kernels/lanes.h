/* Arithmetic that vectorises and does not depend on how: sums in sixteen lanes, and e^x. */
#ifndef LT_KERNELS_LANES_H
#define LT_KERNELS_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LT_LANES 16
#define LT_INLINE static inline __attribute__((always_inline))

/* Sixteen floats; the compiler splits it where registers are narrower. */
typedef float lt_vector __attribute__((vector_size(LT_LANES * sizeof(float))));
typedef int32_t lt_vector_order __attribute__((vector_size(LT_LANES * sizeof(float))));

LT_INLINE void lt_vector_load(lt_vector *to, const float *from)
{
    memcpy(to, from, sizeof *to);
}

LT_INLINE void lt_vector_store(const lt_vector *from, float *to)
{
    memcpy(to, from, sizeof *from);
}

/* to = the greater of both, lane by lane. */
LT_INLINE void lt_vector_raise(lt_vector *to, const lt_vector *other)
{
    lt_vector_order is_greater = *other > *to;
    *to = (lt_vector)(((lt_vector_order)*other & is_greater) | ((lt_vector_order)*to & ~is_greater));
}

LT_INLINE float lt_vector_greatest(const lt_vector *vector)
{
    lt_vector v = *vector, other;
    other = __builtin_shuffle(v, (lt_vector_order){8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
    lt_vector_raise(&v, &other);
    other = __builtin_shuffle(v, (lt_vector_order){4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
    lt_vector_raise(&v, &other);
    other = __builtin_shuffle(v, (lt_vector_order){2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
    lt_vector_raise(&v, &other);
    return v[0] > v[1] ? v[0] : v[1];
}

/* Halves are added until one lane is left. */
LT_INLINE float lt_vector_sum(const lt_vector *vector)
{
    lt_vector v = *vector;
    v += __builtin_shuffle(v, (lt_vector_order){8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
    v += __builtin_shuffle(v, (lt_vector_order){4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
    v += __builtin_shuffle(v, (lt_vector_order){2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
    return v[0] + v[1];
}

/* vectors[i] = the lanes in `low` plus those in `high`, of vectors 2 * i and 2 * i + 1; count: of what remains. */
LT_INLINE void lt_vector_fold(lt_vector *vectors, size_t count, lt_vector_order low, lt_vector_order high)
{
#pragma GCC unroll 8
    for (size_t i = 0; i < count; i++)
        vectors[i] = __builtin_shuffle(vectors[2 * i], vectors[2 * i + 1], low) +
                     __builtin_shuffle(vectors[2 * i], vectors[2 * i + 1], high);
}

/* What lt_vector_sum gives of each of sixteen vectors, to the last bit, in a quarter of its time: what is added is the
 * same, for two vectors at once, then four, ... */
LT_INLINE void lt_vector_sums(lt_vector vectors[LT_LANES], lt_vector *ret_sums)
{
    lt_vector_fold(vectors, 8, (lt_vector_order){0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23},
                   (lt_vector_order){8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31});
    lt_vector_fold(vectors, 4, (lt_vector_order){0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27},
                   (lt_vector_order){4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31});
    lt_vector_fold(vectors, 2, (lt_vector_order){0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29},
                   (lt_vector_order){2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31});
    lt_vector_fold(vectors, 1, (lt_vector_order){0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30},
                   (lt_vector_order){1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31});
    *ret_sums = vectors[0];
}

LT_INLINE float lt_dot(const float *a, const float *b, size_t count)
{
    lt_vector sum = {0}, x, y;
    size_t i = 0;
    for (; i + LT_LANES <= count; i += LT_LANES) {
        lt_vector_load(&x, a + i);
        lt_vector_load(&y, b + i);
        sum += x * y;
    }
    for (size_t lane = 0; i + lane < count; lane++)
        sum[lane] += a[i + lane] * b[i + lane];
    return lt_vector_sum(&sum);
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
