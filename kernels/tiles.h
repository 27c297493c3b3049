/* The innermost loops of lt_gemm, for each kind of processor: a few rows times one panel or more, summed in registers.
 * For gemm.c, its test and its benchmark. No allocation; any thread. */
#ifndef LT_KERNELS_TILES_H
#define LT_KERNELS_TILES_H

#include <stddef.h>

#include "kernels/gemm.h"
#include "kernels/int8_tiles.h"

#define LT_TILE_ROWS_MAX 12
#define LT_TILE_SUMS_MAX 12 /* rows times panels */

/* sums[panel][row][LT_PANEL] = sum of x[row][input] * weight[panel][input][LT_PANEL] over the inputs, in their order.
 * Each sum is a chain of multiply-adds of its own, so the shape of the tile changes no bit of it. */
struct lt_tile {
    const void *weights; /* the first panel, on a 64-byte boundary; the others follow */
    enum lt_panel_type type;
    size_t panels; /* a power of two, up to the kernel's for this many rows */
    size_t inputs;
    const float *x; /* [rows][inputs] */
    size_t rows;    /* 1 to the kernel's */
    float *sums;
};

struct lt_tile_kernel {
    const char *name;
    size_t rows;                         /* of a tile, at most */
    size_t panels[LT_TILE_ROWS_MAX + 1]; /* of a tile of so many rows, at most; a power of two */
    void (*multiply)(const struct lt_tile *tile);
    const struct lt_int8_kernel *int8; /* for panels of int8 */
};

/* The kernels that this processor runs, the best first; NULL past the last, which is plain C. AVX-512 and AVX2 give the
 * same bits; plain C rounds between product and sum and does not. */
const struct lt_tile_kernel *lt_tile_kernel(size_t index);

#endif
