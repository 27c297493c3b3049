/* Tiles: as many chains of multiply-adds as fit into registers, and enough of them to hide the time that one takes.
 *
 * A tile of many rows has enough chains with one panel. With one row, a panel has two (AVX-512) or four (AVX2) and
 * every step would wait for the one before, so few rows take more panels side by side. Weights of binary16 are widened
 * as they are loaded, which is exact.
 *
 * Weights are asked for some way ahead: what a few rows take from memory they use but once or twice, and the
 * processor's own guesses come late. Without it 12 rows took binary16 at 0.9 to 1.2 times the rate of float32, with it
 * at 1.5 to 2.4 times (measured with AVX-512, weights that no cache holds). */
#include "kernels/tiles.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/half.h"
#include "kernels/tile_shapes.h"

#define AHEAD_BYTES 8192 /* over all panels of a tile */

/* Loads that widen where `type` says so; it is a constant wherever they are used. */
#define LOAD_512(panel, at, type)                                                                                      \
    ((type) == LT_PANEL_HALF                                                                                           \
         ? _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)((const uint16_t *)(panel) + (at))))       \
         : _mm512_load_ps((const float *)(panel) + (at)))
#define LOAD_256(panel, at, type)                                                                                      \
    ((type) == LT_PANEL_HALF                                                                                           \
         ? _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)((const uint16_t *)(panel) + (at))))          \
         : _mm256_load_ps((const float *)(panel) + (at)))

/* The weights of one input and panel, AHEAD_BYTES on; past the end of a matrix this does nothing. */
static inline __attribute__((always_inline)) void ask_ahead(const void *weights, size_t at, size_t panels,
                                                            enum lt_panel_type type)
{
    uintptr_t from = (uintptr_t)weights + at * (type == LT_PANEL_HALF ? 2 : 4) + AHEAD_BYTES / panels;
    _mm_prefetch((const char *)from, _MM_HINT_T0);
    if (type == LT_PANEL_FLOAT)
        _mm_prefetch((const char *)(from + 64), _MM_HINT_T0);
}

LT_TILE_BODY("avx512f") tile_avx512(const struct lt_tile *tile, size_t rows, size_t panels, enum lt_panel_type type)
{
    __m512 sum[LT_TILE_SUMS_MAX][2]; /* [panels * rows] */
    const void *weights = tile->weights;
    const float *x = tile->x;
    size_t inputs = tile->inputs;
    for (size_t i = 0; i < panels * rows; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (size_t input = 0; input < inputs; input++)
#pragma GCC unroll 4
        for (size_t panel = 0; panel < panels; panel++) {
            ask_ahead(weights, (panel * inputs + input) * LT_PANEL, panels, type);
            __m512 low = LOAD_512(weights, (panel * inputs + input) * LT_PANEL, type);
            __m512 high = LOAD_512(weights, (panel * inputs + input) * LT_PANEL + 16, type);
#pragma GCC unroll 12
            for (size_t row = 0; row < rows; row++) {
                __m512 value = _mm512_set1_ps(x[row * inputs + input]);
                sum[panel * rows + row][0] = _mm512_fmadd_ps(value, low, sum[panel * rows + row][0]);
                sum[panel * rows + row][1] = _mm512_fmadd_ps(value, high, sum[panel * rows + row][1]);
            }
        }
    for (size_t i = 0; i < panels * rows; i++) {
        _mm512_storeu_ps(tile->sums + i * LT_PANEL, sum[i][0]);
        _mm512_storeu_ps(tile->sums + i * LT_PANEL + 16, sum[i][1]);
    }
}

/* The `vectors` vectors from number `first` on of each panel. */
LT_TILE_BODY("avx2,fma,f16c")
part_avx2(const struct lt_tile *tile, size_t first, size_t vectors, size_t rows, size_t panels, enum lt_panel_type type)
{
    __m256 sum[6][4]; /* [panels * rows][vectors] */
    const void *weights = tile->weights;
    const float *x = tile->x;
    size_t inputs = tile->inputs;
    for (size_t i = 0; i < panels * rows; i++)
        for (size_t v = 0; v < vectors; v++)
            sum[i][v] = _mm256_setzero_ps();
    for (size_t input = 0; input < inputs; input++)
#pragma GCC unroll 2
        for (size_t panel = 0; panel < panels; panel++) {
            __m256 weight[4];
            ask_ahead(weights, (panel * inputs + input) * LT_PANEL, panels, type);
#pragma GCC unroll 4
            for (size_t v = 0; v < vectors; v++)
                weight[v] = LOAD_256(weights, (panel * inputs + input) * LT_PANEL + (first + v) * 8, type);
#pragma GCC unroll 6
            for (size_t row = 0; row < rows; row++) {
                __m256 value = _mm256_set1_ps(x[row * inputs + input]), *to = sum[panel * rows + row];
#pragma GCC unroll 4
                for (size_t v = 0; v < vectors; v++)
                    to[v] = _mm256_fmadd_ps(value, weight[v], to[v]);
            }
        }
    for (size_t i = 0; i < panels * rows; i++)
        for (size_t v = 0; v < vectors; v++)
            _mm256_storeu_ps(tile->sums + i * LT_PANEL + (first + v) * 8, sum[i][v]);
}

/* Half as many registers as AVX-512 and half as wide: from three rows on, half a panel at a time. */
LT_TILE_BODY("avx2,fma,f16c") tile_avx2(const struct lt_tile *tile, size_t rows, size_t panels, enum lt_panel_type type)
{
    if (rows < 3) {
        part_avx2(tile, 0, 4, rows, panels, type);
    } else {
        part_avx2(tile, 0, 2, rows, panels, type);
        part_avx2(tile, 2, 2, rows, panels, type);
    }
}

#define HALF_512(tile, rows, panels) tile_avx512(tile, rows, panels, LT_PANEL_HALF)
#define FLOAT_512(tile, rows, panels) tile_avx512(tile, rows, panels, LT_PANEL_FLOAT)
#define HALF_256(tile, rows, panels) tile_avx2(tile, rows, panels, LT_PANEL_HALF)
#define FLOAT_256(tile, rows, panels) tile_avx2(tile, rows, panels, LT_PANEL_FLOAT)

#define SHAPES_256(body)                                                                                               \
    switch (LT_SHAPE(tile->rows, tile->panels)) {                                                                      \
        LT_TILE_CASES_1_TO_6(body, 1)                                                                                  \
        LT_TILE_CASE(body, 1, 2)                                                                                       \
    }

static __attribute__((target("avx512f"))) void multiply_avx512(const struct lt_tile *tile)
{
    if (tile->type == LT_PANEL_HALF)
        LT_TILE_SHAPES_512(HALF_512)
    else
        LT_TILE_SHAPES_512(FLOAT_512)
}

static __attribute__((target("avx2,fma,f16c"))) void multiply_avx2(const struct lt_tile *tile)
{
    if (tile->type == LT_PANEL_HALF)
        SHAPES_256(HALF_256)
    else
        SHAPES_256(FLOAT_256)
}

#define PLAIN_INPUTS 16 /* widened at once */

static void add_plain(const struct lt_tile *tile, size_t first, size_t inputs, const float *weights)
{
    for (size_t input = 0; input < inputs; input++)
        for (size_t row = 0; row < tile->rows; row++) {
            float value = tile->x[row * tile->inputs + first + input];
            for (size_t output = 0; output < LT_PANEL; output++)
                tile->sums[row * LT_PANEL + output] += value * weights[input * LT_PANEL + output];
        }
}

static void multiply_plain(const struct lt_tile *tile)
{
    float widened[PLAIN_INPUTS * LT_PANEL];
    memset(tile->sums, 0, tile->rows * LT_PANEL * sizeof *tile->sums);
    if (tile->type == LT_PANEL_FLOAT) {
        add_plain(tile, 0, tile->inputs, tile->weights);
        return;
    }
    for (size_t input = 0; input < tile->inputs; input += PLAIN_INPUTS) {
        size_t count = tile->inputs - input < PLAIN_INPUTS ? tile->inputs - input : PLAIN_INPUTS;
        lt_float_from_half((const uint16_t *)tile->weights + input * LT_PANEL, count * LT_PANEL, widened);
        add_plain(tile, input, count, widened);
    }
}

/* Two kinds of AVX-512: multiplying bytes came later. */
static const struct lt_tile_kernel avx512vnni = {
    .name = "avx512vnni",
    .rows = LT_TILE_ROWS_512,
    .panels = LT_TILE_PANELS_512,
    .multiply = multiply_avx512,
    .int8 = &lt_int8_avx512,
};

static const struct lt_tile_kernel avx512 = {
    .name = "avx512",
    .rows = LT_TILE_ROWS_512,
    .panels = LT_TILE_PANELS_512,
    .multiply = multiply_avx512,
    .int8 = &lt_int8_avx2,
};

static const struct lt_tile_kernel avx2 = {
    .name = "avx2",
    .rows = 6,
    .panels = {0, 2, 1, 1, 1, 1, 1},
    .multiply = multiply_avx2,
    .int8 = &lt_int8_avx2,
};

static const struct lt_tile_kernel plain = {
    .name = "plain",
    .rows = 12,
    .panels = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    .multiply = multiply_plain,
    .int8 = &lt_int8_plain,
};

const struct lt_tile_kernel *lt_tile_kernel(size_t index)
{
    const struct lt_tile_kernel *usable[4];
    size_t count = 0;
    bool is_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (is_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni"))
        usable[count++] = &avx512vnni;
    if (is_avx2 && __builtin_cpu_supports("avx512f"))
        usable[count++] = &avx512;
    if (is_avx2)
        usable[count++] = &avx2;
    usable[count++] = &plain;
    return index < count ? usable[index] : NULL;
}
