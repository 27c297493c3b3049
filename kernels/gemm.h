/* Matrix products y = x * W^T over float32 rows, with weights packed once, as float32, binary16 or int8. Any thread; no
 * allocation but when packing. */
#ifndef LT_KERNELS_GEMM_H
#define LT_KERNELS_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/crew.h"

/* A weight matrix, in panels of LT_PANEL outputs: panel p holds, for every input, the weights of outputs
 * p * LT_PANEL .. p * LT_PANEL + LT_PANEL - 1 side by side; outputs past the last are zero. */
#define LT_PANEL 32

enum lt_panel_type { LT_PANEL_FLOAT, LT_PANEL_HALF, LT_PANEL_INT8 };

struct lt_matrix {
    uint32_t outputs;
    uint32_t inputs;
    enum lt_panel_type type;
    void *panels;  /* float; uint16_t: binary16; or bytes as kernels/int8_tiles.h has them */
    float *scales; /* [panels * LT_PANEL] of each output's int8 weights, behind the panels; else NULL */
};

/* Packs [outputs][inputs] numbers as they are: float32 into float32 panels, binary16 into binary16 panels, which take
 * half the memory and, widened on the way into the product, give the same result to the last bit. LT_ENOMEM. */
int lt_matrix_pack(const float *weights, uint32_t outputs, uint32_t inputs, struct lt_matrix *ret_matrix);
int lt_matrix_pack_half(const uint16_t *weights, uint32_t outputs, uint32_t inputs, struct lt_matrix *ret_matrix);

/* Rounds float32 to int8, with one scale for the weights of an output. In a product the row of x is rounded in the same
 * way; what is summed are integers, so the result is the same to the last bit on every processor. LT_ENOMEM. */
int lt_matrix_pack_int8(const float *weights, uint32_t outputs, uint32_t inputs, struct lt_matrix *ret_matrix);
void lt_matrix_finish(struct lt_matrix *matrix);

/* Bytes that the panels, with their scales, take. */
size_t lt_matrix_bytes(const struct lt_matrix *matrix);

/* y[row][output] = sum of x[row][input] * W[output][input], or += if `add`. Rows are dense: x has `inputs`, y has
 * `outputs` numbers a row. A row of y depends on its row of x alone, to the last bit. x and y must not overlap. `crew`
 * may be NULL. */
void lt_gemm(struct lt_crew *crew, const struct lt_matrix *matrix, const float *x, size_t rows, float *y, bool add);

/* The same on one kernel of kernels/tiles.h instead of the best, for tests and measurements. */
struct lt_tile_kernel;
void lt_gemm_with(const struct lt_tile_kernel *kernel, struct lt_crew *crew, const struct lt_matrix *matrix,
                  const float *x, size_t rows, float *y, bool add);

#endif
