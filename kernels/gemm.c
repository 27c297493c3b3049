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
 * Shape: a tile of rows times panels stays in registers over the whole sum (kernels/tiles.c). Weights are read in
 * storage order. Blocks of rows keep x in the second-level cache while the panels pass by.
 *
 * Panels of binary16 are widened by every tile that reads them, although a block has eight. Widening pieces of a panel
 * once, into a buffer in the first-level cache, was tried: with AVX-512 and 384 rows that took 1 to 17 % of the time,
 * the less the larger the buffer; the tiles' own widening takes 0 to 2 %. */
#include "kernels/gemm.h"

#include <string.h>

#include "kernels/int8_tiles.h"
#include "kernels/islet.h"
#include "kernels/tiles.h"
#include "proto/alloc.h"
#include "proto/error.h"

#define ROW_BLOCK 96              /* a multiple of every tile's rows */
#define SHARED_PRODUCT 6000000ull /* multiplications from which on helper threads are woken: some 100 microseconds */
#define INT8_BYTES 65536          /* of x, rounded: what a thread has on its stack */

static size_t panel_count(const struct lt_matrix *matrix)
{
    return ((size_t)matrix->outputs + LT_PANEL - 1) / LT_PANEL;
}

/* Bytes that one panel takes. */
static size_t panel_bytes(const struct lt_matrix *matrix)
{
    if (matrix->type == LT_PANEL_INT8)
        return lt_int8_padded(matrix->inputs) * LT_PANEL;
    return (size_t)matrix->inputs * LT_PANEL * (matrix->type == LT_PANEL_HALF ? sizeof(uint16_t) : sizeof(float));
}

size_t lt_matrix_bytes(const struct lt_matrix *matrix)
{
    size_t scales = matrix->type == LT_PANEL_INT8 ? LT_PANEL * sizeof(float) : 0;
    return panel_count(matrix) * (panel_bytes(matrix) + scales);
}

/* Where the weights of an output begin; those of its next inputs follow LT_PANEL numbers apart. */
static size_t place(const struct lt_matrix *matrix, size_t output)
{
    return output / LT_PANEL * matrix->inputs * LT_PANEL + output % LT_PANEL;
}

/* Inlined with a constant size of a weight, so that each copies as a plain assignment would. */
static inline __attribute__((always_inline)) int pack(const void *weights, size_t bytes, struct lt_matrix matrix,
                                                      struct lt_matrix *ret_matrix)
{
    const uint8_t *from = weights;
    uint8_t *packed = lt_alloc_aligned(lt_matrix_bytes(&matrix));
    if (!packed)
        return LT_ENOMEM;
    for (size_t output = 0; output < matrix.outputs; output++)
        for (size_t input = 0; input < matrix.inputs; input++, from += bytes)
            memcpy(packed + (place(&matrix, output) + input * LT_PANEL) * bytes, from, bytes);
    matrix.panels = packed;
    *ret_matrix = matrix;
    return LT_OK;
}

int lt_matrix_pack(const float *weights, uint32_t outputs, uint32_t inputs, struct lt_matrix *ret_matrix)
{
    const struct lt_matrix matrix = {.outputs = outputs, .inputs = inputs, .type = LT_PANEL_FLOAT};
    return pack(weights, sizeof *weights, matrix, ret_matrix);
}

int lt_matrix_pack_half(const uint16_t *weights, uint32_t outputs, uint32_t inputs, struct lt_matrix *ret_matrix)
{
    const struct lt_matrix matrix = {.outputs = outputs, .inputs = inputs, .type = LT_PANEL_HALF};
    return pack(weights, sizeof *weights, matrix, ret_matrix);
}

int lt_matrix_pack_int8(const float *weights, uint32_t outputs, uint32_t inputs, struct lt_matrix *ret_matrix)
{
    struct lt_matrix matrix = {.outputs = outputs, .inputs = inputs, .type = LT_PANEL_INT8};
    size_t padded = lt_int8_padded(inputs);
    uint8_t *panels = lt_alloc_aligned(lt_matrix_bytes(&matrix));
    int8_t *row = lt_malloc(padded);
    if (!panels || !row) {
        lt_free(panels);
        lt_free(row);
        return LT_ENOMEM;
    }
    matrix.panels = panels;
    matrix.scales = (float *)(void *)(panels + panel_count(&matrix) * panel_bytes(&matrix));
    for (size_t output = 0; output < outputs; output++, weights += inputs) {
        int32_t sum;
        lt_int8_from_rows(weights, 1, inputs, lt_int8_padded(inputs), row, &matrix.scales[output], &sum);
        for (size_t group = 0; group < padded / LT_INT8_GROUP; group++)
            lt_int8_place(panels + output / LT_PANEL * panel_bytes(&matrix), group, output % LT_PANEL,
                          row + group * LT_INT8_GROUP);
    }
    lt_free(row);
    *ret_matrix = matrix;
    return LT_OK;
}

void lt_matrix_finish(struct lt_matrix *matrix)
{
    lt_free(matrix->panels);
    *matrix = (struct lt_matrix){0};
}

const char *lt_compute_kernel(void)
{
    return lt_tile_kernel(0)->name;
}

struct product {
    const struct lt_tile_kernel *kernel;
    const struct lt_matrix *matrix;
    const float *x;
    size_t rows;
    float *y;
    bool add;
};

/* Rows of x that go by together, rounded if the weights are. */
struct block {
    size_t first, rows;
    const int8_t *values; /* [rows][lt_int8_padded(inputs)] */
    const float *scales;
    const int32_t *sums;
};

static const void *panel_at(const struct lt_matrix *matrix, size_t panel)
{
    return (const char *)matrix->panels + panel * panel_bytes(matrix);
}

/* sums: [rows][LT_PANEL], of the rows from `first` on. */
static void store(const struct product *product, size_t panel, size_t first, size_t rows, const float *sums)
{
    size_t stride = product->matrix->outputs, output = panel * LT_PANEL;
    size_t columns = stride - output < LT_PANEL ? stride - output : LT_PANEL;
    for (size_t row = 0; row < rows; row++) {
        const float *from = sums + row * LT_PANEL;
        float *to = product->y + (first + row) * stride + output;
        if (product->add)
            for (size_t column = 0; column < columns; column++)
                to[column] += from[column];
        else
            memcpy(to, from, columns * sizeof *to);
    }
}

static void multiply_floats(const struct product *product, size_t first_row, size_t rows, size_t panel, size_t panels,
                            float *sums)
{
    const struct lt_matrix *matrix = product->matrix;
    product->kernel->multiply(&(struct lt_tile){
        .weights = panel_at(matrix, panel),
        .type = matrix->type,
        .panels = panels,
        .inputs = matrix->inputs,
        .x = product->x + first_row * matrix->inputs,
        .rows = rows,
        .sums = sums,
    });
}

static void multiply_int8(const struct product *product, const struct block *block, size_t row, size_t rows,
                          size_t panel, size_t panels, float *sums)
{
    const struct lt_matrix *matrix = product->matrix;
    size_t inputs = lt_int8_padded(matrix->inputs);
    struct lt_int8_tile tile = {
        .panels = panels,
        .inputs = inputs,
        .x = block->values + row * inputs,
        .row_scales = block->scales + row,
        .row_sums = block->sums + row,
        .rows = rows,
        .sums = sums,
    };
    for (size_t i = 0; i < panels; i++) {
        tile.weights[i] = panel_at(matrix, panel + i);
        tile.scales[i] = matrix->scales + (panel + i) * LT_PANEL;
    }
    product->kernel->int8->multiply(&tile);
}

static size_t tile_rows(const struct product *product)
{
    return product->matrix->type == LT_PANEL_INT8 ? product->kernel->int8->rows : product->kernel->rows;
}

/* `rows` rows of a block, of one tile, times the panels from `panel` to `last`, as many at once as the kernel takes. */
static void multiply_rows(const struct product *product, const struct block *block, size_t row, size_t rows,
                          size_t panel, size_t last)
{
    bool int8 = product->matrix->type == LT_PANEL_INT8;
    size_t most = int8 ? product->kernel->int8->panels[rows] : product->kernel->panels[rows];
    float sums[LT_TILE_SUMS_MAX * LT_PANEL];
    for (size_t panels; panel < last; panel += panels) {
        for (panels = most; panels > last - panel; panels /= 2)
            ;
        if (int8)
            multiply_int8(product, block, row, rows, panel, panels, sums);
        else
            multiply_floats(product, block->first + row, rows, panel, panels, sums);
        for (size_t i = 0; i < panels; i++)
            store(product, panel + i, block->first + row, rows, sums + i * rows * LT_PANEL);
    }
}

/* A block times some panels. Its tiles are as equal as can be, since one of few rows makes little of a panel; a block
 * of one tile can take several panels at once. */
static void multiply_block(const struct product *product, const struct block *block, size_t first, size_t last)
{
    size_t most = tile_rows(product), tiles = (block->rows + most - 1) / most, step = tiles == 1 ? last - first : 1;
    for (size_t panel = first; panel < last; panel += step)
        for (size_t tile = 0; tile < tiles; tile++) {
            size_t row = block->rows * tile / tiles, row_end = block->rows * (tile + 1) / tiles;
            multiply_rows(product, block, row, row_end - row, panel, panel + step);
        }
}

/* A part of a product: some of the panels, for all rows. */
static void multiply(const void *context, size_t worker, size_t part, size_t parts)
{
    (void)worker;
    const struct product *product = context;
    size_t panels = panel_count(product->matrix), first = panels * part / parts, last = panels * (part + 1) / parts;
    for (size_t row = 0; row < product->rows; row += ROW_BLOCK) {
        size_t rows = product->rows - row < ROW_BLOCK ? product->rows - row : ROW_BLOCK;
        multiply_block(product, &(struct block){.first = row, .rows = rows}, first, last);
    }
}

/* The same where weights are int8: for each part all rows are rounded, which takes a small share of the time. */
static void multiply_rounded(const void *context, size_t worker, size_t part, size_t parts)
{
    (void)worker;
    const struct product *product = context;
    size_t inputs = product->matrix->inputs, most = INT8_BYTES / lt_int8_padded(inputs);
    size_t panels = panel_count(product->matrix), first = panels * part / parts, last = panels * (part + 1) / parts;
    int8_t values[INT8_BYTES];
    float scales[ROW_BLOCK];
    int32_t sums[ROW_BLOCK];
    most = most < ROW_BLOCK ? most : ROW_BLOCK;
    for (size_t row = 0; row < product->rows; row += most) {
        size_t rows = product->rows - row < most ? product->rows - row : most;
        lt_int8_from_rows(product->x + row * inputs, rows, inputs, lt_int8_padded(inputs), values, scales, sums);
        multiply_block(product, &(struct block){row, rows, values, scales, sums}, first, last);
    }
}

void lt_gemm_with(const struct lt_tile_kernel *kernel, struct lt_crew *crew, const struct lt_matrix *matrix,
                  const float *x, size_t rows, float *y, bool add)
{
    struct product product = {.kernel = kernel, .matrix = matrix, .x = x, .rows = rows, .y = y, .add = add};
    bool large = (uint64_t)rows * matrix->inputs * matrix->outputs >= SHARED_PRODUCT;
    lt_crew_work *work = matrix->type == LT_PANEL_INT8 ? multiply_rounded : multiply;
    crew = large ? crew : NULL;
    lt_crew_run(crew, lt_crew_threads(crew), work, &product);
}

void lt_gemm(struct lt_crew *crew, const struct lt_matrix *matrix, const float *x, size_t rows, float *y, bool add)
{
    lt_gemm_with(lt_tile_kernel(0), crew, matrix, x, rows, y, add);
}
