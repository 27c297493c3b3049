/* Tiles of int8. AVX-512 VNNI multiplies four unsigned bytes with four signed ones and adds all to a sum in one
 * instruction; the weights' bias is taken off in advance, as the row's own sum times 128. AVX2 adds products of
 * bytes in pairs and stops at 32767, so weights are made signed again and magnitudes stay below 128: 2 * 127 * 127
 * fits.
 *
 * Shapes are those of tiles.c, for the same reasons, and so is asking ahead. */
#include "kernels/int8_tiles.h"

#include <immintrin.h>
#include <string.h>

#include "kernels/tile_shapes.h"
#include "kernels/tiles.h"

#define AHEAD_BYTES 8192 /* over all panels of a tile */

static inline __attribute__((always_inline)) void ask_ahead(const uint8_t *from, size_t panels)
{
    uintptr_t ahead = (uintptr_t)from + AHEAD_BYTES / panels;
    _mm_prefetch((const char *)ahead, _MM_HINT_T0);
    _mm_prefetch((const char *)(ahead + 64), _MM_HINT_T0);
}

/* A group of a row's inputs, to be multiplied with that of every output. */
static inline __attribute__((always_inline)) int32_t group_at(const int8_t *x)
{
    int32_t group;
    memcpy(&group, x, sizeof group);
    return group;
}

/* sum + weights * value, four bytes a lane. GCC 12 copies and spills the sums around the intrinsic. */
static inline __attribute__((always_inline, target("avx512f,avx512vnni"))) __m512i
multiply_add(__m512i sum, __m512i weights, __m512i value)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(value));
    return sum;
}

/* A group of inputs, of all rows, times one panel's weights for it. */
LT_TILE_BODY("avx512f,avx512vnni")
add_group(__m512i sum[][2], const uint8_t *weights, const int8_t *x, size_t inputs, size_t rows, size_t panels)
{
    ask_ahead(weights, panels);
    __m512i low = _mm512_load_si512(weights), high = _mm512_load_si512(weights + 64);
#pragma GCC unroll 12
    for (size_t row = 0; row < rows; row++) {
        __m512i value = _mm512_set1_epi32(group_at(x + row * inputs));
        sum[row][0] = multiply_add(sum[row][0], low, value);
        sum[row][1] = multiply_add(sum[row][1], high, value);
    }
}

LT_TILE_BODY("avx512f,avx512vnni") tile_avx512(const struct lt_int8_tile *tile, size_t rows, size_t panels)
{
    __m512i sum[LT_TILE_SUMS_MAX][2]; /* [panels * rows] */
    const uint8_t *first = tile->weights[0], *second = tile->weights[1], *third = tile->weights[2];
    const uint8_t *fourth = tile->weights[3];
    const int8_t *x = tile->x;
    size_t inputs = tile->inputs;
#pragma GCC unroll 12
    for (size_t i = 0; i < panels * rows; i++)
        sum[i][0] = sum[i][1] = _mm512_set1_epi32(-LT_INT8_BIAS * tile->row_sums[i % rows]);
    for (size_t at = 0; at < inputs; at += LT_INT8_GROUP) { /* not a loop over panels: GCC 12 would spill the sums */
        add_group(sum, first + at * LT_PANEL, x + at, inputs, rows, panels);
        if (panels > 1)
            add_group(sum + rows, second + at * LT_PANEL, x + at, inputs, rows, panels);
        if (panels > 2) {
            add_group(sum + 2 * rows, third + at * LT_PANEL, x + at, inputs, rows, panels);
            add_group(sum + 3 * rows, fourth + at * LT_PANEL, x + at, inputs, rows, panels);
        }
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < panels * rows; i++) {
        const float *scales = tile->scales[i / rows];
        __m512 row_scale = _mm512_set1_ps(tile->row_scales[i % rows]);
        __m512 low = _mm512_mul_ps(_mm512_loadu_ps(scales), row_scale);
        __m512 high = _mm512_mul_ps(_mm512_loadu_ps(scales + 16), row_scale);
        _mm512_storeu_ps(tile->sums + i * LT_PANEL, _mm512_mul_ps(_mm512_cvtepi32_ps(sum[i][0]), low));
        _mm512_storeu_ps(tile->sums + i * LT_PANEL + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(sum[i][1]), high));
    }
}

static __attribute__((target("avx512f,avx512vnni"))) void multiply_avx512(const struct lt_int8_tile *tile){
    LT_TILE_SHAPES_512(tile_avx512)}

/* Outputs of one panel, `vectors` times eight from number `first` times eight on. */
LT_TILE_BODY("avx2") part_avx2(const struct lt_int8_tile *tile, size_t first, size_t vectors, size_t rows)
{
    __m256i sum[4][4], ones = _mm256_set1_epi16(1), bias = _mm256_set1_epi8((char)-LT_INT8_BIAS);
    for (size_t row = 0; row < rows; row++)
        for (size_t v = 0; v < vectors; v++)
            sum[row][v] = _mm256_setzero_si256();
    const uint8_t *weights = tile->weights[0] + first * 32;
    const int8_t *x = tile->x;
    size_t inputs = tile->inputs;
    for (size_t at = 0; at < inputs; at += LT_INT8_GROUP, weights += LT_INT8_GROUP_BYTES) {
        __m256i weight[4];
        ask_ahead(weights, 1);
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++)
            weight[v] = _mm256_xor_si256(_mm256_load_si256((const __m256i *)(const void *)(weights + v * 32)), bias);
#pragma GCC unroll 4
        for (size_t row = 0; row < rows; row++) {
            __m256i value = _mm256_set1_epi32(group_at(x + row * inputs + at)), magnitude = _mm256_abs_epi8(value);
#pragma GCC unroll 4
            for (size_t v = 0; v < vectors; v++) {
                __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(weight[v], value));
                sum[row][v] = _mm256_add_epi32(sum[row][v], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t v = 0; v < vectors; v++) {
            __m256 scale = _mm256_mul_ps(_mm256_loadu_ps(tile->scales[0] + (first + v) * 8),
                                         _mm256_set1_ps(tile->row_scales[row]));
            _mm256_storeu_ps(tile->sums + row * LT_PANEL + (first + v) * 8,
                             _mm256_mul_ps(_mm256_cvtepi32_ps(sum[row][v]), scale));
        }
}

LT_TILE_BODY("avx2") tile_avx2(const struct lt_int8_tile *tile, size_t rows, size_t panels)
{
    (void)panels; /* one */
    if (rows < 3) {
        part_avx2(tile, 0, 4, rows);
    } else {
        part_avx2(tile, 0, 2, rows);
        part_avx2(tile, 2, 2, rows);
    }
}

static __attribute__((target("avx2"))) void multiply_avx2(const struct lt_int8_tile *tile)
{
    switch (LT_SHAPE(tile->rows, tile->panels)) {
        LT_TILE_CASES_1_TO_3(tile_avx2, 1)
        LT_TILE_CASE(tile_avx2, 4, 1)
    }
}

static void multiply_plain(const struct lt_int8_tile *tile)
{
    for (size_t row = 0; row < tile->rows; row++)
        for (size_t output = 0; output < LT_PANEL; output++) {
            int32_t sum = 0;
            for (size_t input = 0; input < tile->inputs; input++) {
                size_t group = input / LT_INT8_GROUP, rest = input % LT_INT8_GROUP;
                const uint8_t *from = tile->weights[0] + group * LT_INT8_GROUP_BYTES + output * LT_INT8_GROUP;
                sum += (from[rest] - LT_INT8_BIAS) * tile->x[row * tile->inputs + input];
            }
            tile->sums[row * LT_PANEL + output] = (float)sum * (tile->scales[0][output] * tile->row_scales[row]);
        }
}

static const size_t panels_512[] = LT_TILE_PANELS_512, single[] = {0, 1, 1, 1, 1};

const struct lt_int8_kernel lt_int8_avx512 = {LT_TILE_ROWS_512, panels_512, multiply_avx512};
const struct lt_int8_kernel lt_int8_avx2 = {4, single, multiply_avx2};
const struct lt_int8_kernel lt_int8_plain = {4, single, multiply_plain};
