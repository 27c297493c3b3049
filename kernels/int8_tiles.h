/* The innermost loops of products with int8 on both sides, for each kind of processor. For gemm.c, whose weights lie in
 * panels, and attention.c, whose keys and values do.
 *
 * Sums are of integers and exact, so all kernels give the same bits, in tiles of any shape. No allocation; any thread.
 */
#ifndef LT_KERNELS_INT8_TILES_H
#define LT_KERNELS_INT8_TILES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/gemm.h"
#include "kernels/int8.h"

/* A panel: for each group of LT_INT8_GROUP inputs, LT_PANEL outputs side by side, each with its bytes of the group. A
 * byte is the weight, from -127 to 127, plus LT_INT8_BIAS: processors multiply unsigned with signed bytes. */
#define LT_INT8_BIAS 128
#define LT_INT8_GROUP_BYTES (LT_PANEL * LT_INT8_GROUP)
#define LT_INT8_INPUTS_MAX 65536 /* so many products fit an int32 */

#define LT_INT8_PANELS_MAX 4 /* of a tile */

struct lt_int8_tile {
    const uint8_t *weights[LT_INT8_PANELS_MAX]; /* of each panel, on a 64-byte boundary */
    const float *scales[LT_INT8_PANELS_MAX];    /* [LT_PANEL] of each panel's outputs */
    size_t panels;                              /* a power of two, up to the kernel's for this many rows */
    size_t inputs;                              /* a multiple of LT_INT8_GROUP */
    const int8_t *x;                            /* [rows][inputs] */
    const float *row_scales;
    const int32_t *row_sums;
    size_t rows; /* 1 to the kernel's */
    float *sums; /* [panels][rows][LT_PANEL] written: the sum of products times both scales */
};

struct lt_int8_kernel {
    size_t rows;          /* of a tile, at most */
    const size_t *panels; /* [rows + 1] of a tile of so many rows, at most; a power of two */
    void (*multiply)(const struct lt_int8_tile *tile);
};

/* The first wants AVX-512 with VNNI. */
extern const struct lt_int8_kernel lt_int8_avx512, lt_int8_avx2, lt_int8_plain;

/* Writes LT_INT8_GROUP inputs of one output into a panel. */
static inline void lt_int8_place(uint8_t *panel, size_t group, size_t output, const int8_t *weights)
{
    uint8_t *to = panel + group * LT_INT8_GROUP_BYTES + output * LT_INT8_GROUP;
    for (size_t i = 0; i < LT_INT8_GROUP; i++)
        to[i] = (uint8_t)(weights[i] + LT_INT8_BIAS);
}

#endif
