/* Matrix products y = x * W^T over float32 rows, with weights packed once. Any thread; no allocation but when packing.
 */
#ifndef LT_KERNELS_GEMM_H
#define LT_KERNELS_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/crew.h"

/* A weight matrix, in panels of LT_PANEL outputs: panel p holds, for every input, the weights of outputs
 * p * LT_PANEL .. p * LT_PANEL + LT_PANEL - 1 side by side; outputs past the last are zero. */
#define LT_PANEL 32

struct lt_matrix {
    uint32_t outputs;
    uint32_t inputs;
    float *panels;
};

/* Packs [outputs][inputs] floats. LT_ENOMEM. */
int lt_matrix_pack(const float *weights, uint32_t outputs, uint32_t inputs, struct lt_matrix *ret_matrix);
void lt_matrix_finish(struct lt_matrix *matrix);

/* y[row][output] = sum of x[row][input] * W[output][input], or += if `add`. Rows are dense: x has `inputs`, y has
 * `outputs` numbers a row. A row of y depends on its row of x alone, to the last bit. x and y must not overlap. `crew`
 * may be NULL. */
void lt_gemm(struct lt_crew *crew, const struct lt_matrix *matrix, const float *x, size_t rows, float *y, bool add);

#endif
