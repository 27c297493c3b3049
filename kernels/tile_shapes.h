/* Tiles are compiled once for each shape: the numbers of rows and panels must be constants in each copy, or the sums do
 * not stay in registers. `body` is called as body(tile, rows, panels). */
#ifndef LT_KERNELS_TILE_SHAPES_H
#define LT_KERNELS_TILE_SHAPES_H

#define LT_TILE_BODY(extensions) static inline __attribute__((always_inline, target(extensions))) void

#define LT_SHAPE(rows, panels) ((panels) << 4 | (rows))
#define LT_TILE_CASE(body, rows, panels)                                                                               \
    case LT_SHAPE(rows, panels):                                                                                       \
        body(tile, rows, panels);                                                                                      \
        return;
#define LT_TILE_CASES_1_TO_3(body, panels)                                                                             \
    LT_TILE_CASE(body, 1, panels)                                                                                      \
    LT_TILE_CASE(body, 2, panels)                                                                                      \
    LT_TILE_CASE(body, 3, panels)
#define LT_TILE_CASES_1_TO_6(body, panels)                                                                             \
    LT_TILE_CASES_1_TO_3(body, panels)                                                                                 \
    LT_TILE_CASE(body, 4, panels)                                                                                      \
    LT_TILE_CASE(body, 5, panels)                                                                                      \
    LT_TILE_CASE(body, 6, panels)

/* 32 registers of 16 numbers: up to 12 rows of one panel, and few rows of more. */
#define LT_TILE_ROWS_512 12
#define LT_TILE_PANELS_512                                                                                             \
    {                                                                                                                  \
        0, 4, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1                                                                          \
    }
#define LT_TILE_SHAPES_512(body)                                                                                       \
    switch (LT_SHAPE(tile->rows, tile->panels)) {                                                                      \
        LT_TILE_CASES_1_TO_6(body, 1)                                                                                  \
        LT_TILE_CASE(body, 7, 1)                                                                                       \
        LT_TILE_CASE(body, 8, 1)                                                                                       \
        LT_TILE_CASE(body, 9, 1)                                                                                       \
        LT_TILE_CASE(body, 10, 1)                                                                                      \
        LT_TILE_CASE(body, 11, 1)                                                                                      \
        LT_TILE_CASE(body, 12, 1)                                                                                      \
        LT_TILE_CASES_1_TO_3(body, 2)                                                                                  \
        LT_TILE_CASE(body, 1, 4)                                                                                       \
        LT_TILE_CASE(body, 2, 4)                                                                                       \
    }

#endif
