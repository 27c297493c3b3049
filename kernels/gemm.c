/* Matrix products over few or many rows, each row by itself.
 *
 * Why not cblas_sgemm: equal answers of cold and warm, alone and in company, rest on a row's result not depending on
 * the other rows, to the last bit, and OpenBLAS does not keep to that. Measured with 0.3.21 (tests/unit/test_gemm.c has
 * our side of it): under HASWELL and ZEN rows 0-5 and 6-11 of the same tile of 12 sum in different orders, so the
 * position of a row in the batch shows in its result and padding is no cure; under SKYLAKEX the small-matrix path,
 * taken by products under a million multiplications, does. These kernels sum every output in the order of the inputs,
 * one fused multiply-add each, whatever the number of rows, so the property holds by construction and not by luck of a
 * library version.
 *
 * Shape: a tile of up to 12 (AVX-512) or 6 (AVX2) rows times one panel stays in registers over the whole sum. Weights
 * are read in storage order. Blocks of rows keep x in the second-level cache while the panels pass by. */
#include "kernels/gemm.h"

#include <immintrin.h>
#include <string.h>

#include "kernels/islet.h"
#include "proto/alloc.h"
#include "proto/error.h"

#define ROW_BLOCK 96              /* a multiple of every tile's rows */
#define SHARED_PRODUCT 6000000ull /* multiplications from which on helper threads are woken: some 100 microseconds */

int lt_matrix_pack(const float *weights, uint32_t outputs, uint32_t inputs, struct lt_matrix *ret_matrix)
{
    size_t panels = ((size_t)outputs + LT_PANEL - 1) / LT_PANEL;
    float *packed = lt_alloc_aligned(panels * inputs * LT_PANEL * sizeof *packed);
    if (!packed)
        return LT_ENOMEM;
    for (size_t output = 0; output < outputs; output++) {
        const float *row = weights + output * inputs;
        float *to = packed + output / LT_PANEL * inputs * LT_PANEL + output % LT_PANEL;
        for (size_t input = 0; input < inputs; input++)
            to[input * LT_PANEL] = row[input];
    }
    *ret_matrix = (struct lt_matrix){.outputs = outputs, .inputs = inputs, .panels = packed};
    return LT_OK;
}

void lt_matrix_finish(struct lt_matrix *matrix)
{
    lt_free(matrix->panels);
    *matrix = (struct lt_matrix){0};
}

/* A tile: `rows` rows of x times one panel, into `tile` ([rows][LT_PANEL]). */
typedef void tile_function(const float *panel, size_t inputs, const float *x, size_t rows, float *tile);

static inline __attribute__((always_inline, target("avx512f"))) void
tile_avx512_rows(const float *panel, size_t inputs, const float *x, size_t rows, float *tile)
{
    __m512 sum[12][2];
    for (size_t row = 0; row < rows; row++)
        sum[row][0] = sum[row][1] = _mm512_setzero_ps();
    for (size_t input = 0; input < inputs; input++) {
        __m512 low = _mm512_load_ps(panel + input * LT_PANEL);
        __m512 high = _mm512_load_ps(panel + input * LT_PANEL + 16);
#pragma GCC unroll 12
        for (size_t row = 0; row < rows; row++) {
            __m512 value = _mm512_set1_ps(x[row * inputs + input]);
            sum[row][0] = _mm512_fmadd_ps(value, low, sum[row][0]);
            sum[row][1] = _mm512_fmadd_ps(value, high, sum[row][1]);
        }
    }
    for (size_t row = 0; row < rows; row++) {
        _mm512_storeu_ps(tile + row * LT_PANEL, sum[row][0]);
        _mm512_storeu_ps(tile + row * LT_PANEL + 16, sum[row][1]);
    }
}

static inline __attribute__((always_inline, target("avx2,fma"))) void
tile_avx2_rows(const float *panel, size_t inputs, const float *x, size_t rows, float *tile)
{
    for (size_t half = 0; half < LT_PANEL; half += 16) {
        __m256 sum[6][2];
        for (size_t row = 0; row < rows; row++)
            sum[row][0] = sum[row][1] = _mm256_setzero_ps();
        for (size_t input = 0; input < inputs; input++) {
            __m256 low = _mm256_load_ps(panel + input * LT_PANEL + half);
            __m256 high = _mm256_load_ps(panel + input * LT_PANEL + half + 8);
#pragma GCC unroll 6
            for (size_t row = 0; row < rows; row++) {
                __m256 value = _mm256_set1_ps(x[row * inputs + input]);
                sum[row][0] = _mm256_fmadd_ps(value, low, sum[row][0]);
                sum[row][1] = _mm256_fmadd_ps(value, high, sum[row][1]);
            }
        }
        for (size_t row = 0; row < rows; row++) {
            _mm256_storeu_ps(tile + row * LT_PANEL + half, sum[row][0]);
            _mm256_storeu_ps(tile + row * LT_PANEL + half + 8, sum[row][1]);
        }
    }
}

/* The number of rows must be a constant in each copy, or the sums do not stay in registers. */
#define TILE_CASE(kernel, number)                                                                                      \
    case number:                                                                                                       \
        kernel(panel, inputs, x, number, tile);                                                                        \
        return

static __attribute__((target("avx512f"))) void tile_avx512(const float *panel, size_t inputs, const float *x,
                                                           size_t rows, float *tile)
{
    switch (rows) {
        TILE_CASE(tile_avx512_rows, 1);
        TILE_CASE(tile_avx512_rows, 2);
        TILE_CASE(tile_avx512_rows, 3);
        TILE_CASE(tile_avx512_rows, 4);
        TILE_CASE(tile_avx512_rows, 5);
        TILE_CASE(tile_avx512_rows, 6);
        TILE_CASE(tile_avx512_rows, 7);
        TILE_CASE(tile_avx512_rows, 8);
        TILE_CASE(tile_avx512_rows, 9);
        TILE_CASE(tile_avx512_rows, 10);
        TILE_CASE(tile_avx512_rows, 11);
        TILE_CASE(tile_avx512_rows, 12);
    }
}

static __attribute__((target("avx2,fma"))) void tile_avx2(const float *panel, size_t inputs, const float *x,
                                                          size_t rows, float *tile)
{
    switch (rows) {
        TILE_CASE(tile_avx2_rows, 1);
        TILE_CASE(tile_avx2_rows, 2);
        TILE_CASE(tile_avx2_rows, 3);
        TILE_CASE(tile_avx2_rows, 4);
        TILE_CASE(tile_avx2_rows, 5);
        TILE_CASE(tile_avx2_rows, 6);
    }
}

static void tile_plain(const float *panel, size_t inputs, const float *x, size_t rows, float *tile)
{
    memset(tile, 0, rows * LT_PANEL * sizeof *tile);
    for (size_t input = 0; input < inputs; input++)
        for (size_t row = 0; row < rows; row++) {
            float value = x[row * inputs + input];
            for (size_t output = 0; output < LT_PANEL; output++)
                tile[row * LT_PANEL + output] += value * panel[input * LT_PANEL + output];
        }
}

struct kernel {
    const char *name;
    size_t rows; /* of a tile, at most */
    tile_function *tile;
};

static const struct kernel *choose_kernel(void)
{
    static const struct kernel avx512 = {"avx512", 12, tile_avx512};
    static const struct kernel avx2 = {"avx2", 6, tile_avx2};
    static const struct kernel plain = {"plain", 4, tile_plain};
    if (__builtin_cpu_supports("avx512f"))
        return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &avx2;
    return &plain;
}

const char *lt_compute_kernel(void)
{
    return choose_kernel()->name;
}

static void store_tile(const float *tile, size_t rows, size_t columns, float *y, size_t stride, bool add)
{
    for (size_t row = 0; row < rows; row++) {
        const float *from = tile + row * LT_PANEL;
        float *to = y + row * stride;
        if (add)
            for (size_t column = 0; column < columns; column++)
                to[column] += from[column];
        else
            memcpy(to, from, columns * sizeof *to);
    }
}

struct product {
    const struct lt_matrix *matrix;
    const float *x;
    size_t rows;
    float *y;
    bool add;
};

/* One thread's share of a product: some of the panels, for all rows. */
static void multiply(const void *context, size_t part, size_t parts)
{
    const struct product *product = context;
    const struct kernel *kernel = choose_kernel();
    size_t inputs = product->matrix->inputs, outputs = product->matrix->outputs;
    size_t panels = (outputs + LT_PANEL - 1) / LT_PANEL;
    size_t first = panels * part / parts, last = panels * (part + 1) / parts;
    float tile[12 * LT_PANEL];
    for (size_t block = 0; block < product->rows; block += ROW_BLOCK) {
        size_t block_end = product->rows - block < ROW_BLOCK ? product->rows : block + ROW_BLOCK;
        for (size_t panel = first; panel < last; panel++) {
            size_t output = panel * LT_PANEL;
            size_t columns = outputs - output < LT_PANEL ? outputs - output : LT_PANEL;
            for (size_t row = block; row < block_end; row += kernel->rows) {
                size_t count = block_end - row < kernel->rows ? block_end - row : kernel->rows;
                kernel->tile(product->matrix->panels + output * inputs, inputs, product->x + row * inputs, count, tile);
                store_tile(tile, count, columns, product->y + row * outputs + output, outputs, product->add);
            }
        }
    }
}

void lt_gemm(struct lt_crew *crew, const struct lt_matrix *matrix, const float *x, size_t rows, float *y, bool add)
{
    struct product product = {.matrix = matrix, .x = x, .rows = rows, .y = y, .add = add};
    bool large = (uint64_t)rows * matrix->inputs * matrix->outputs >= SHARED_PRODUCT;
    lt_crew_run(large ? crew : NULL, multiply, &product);
}
