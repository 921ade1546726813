/* SPDX-License-Identifier: MIT */
// The inner loop of gemm.c, included once for each vector width, with these set by it:
//     TILE         name of the function
//     TILE_TARGET  what the function may be compiled for
//     TILE_LANES   floats in a vector
// There is no guard on purpose.

typedef float TILE_VECTOR __attribute__((vector_size(4 * TILE_LANES), aligned(4), may_alias));

// sum (6, 16) = panel a (k, 6) transposed times panel b (k, 16).
TILE_TARGET static void TILE(size_t k, const float *a, const float *b, float *sum) {
    enum { VECTORS = TILE_COLUMNS / TILE_LANES };
    TILE_VECTOR acc[TILE_ROWS][VECTORS] = {0};
    for (size_t p = 0; p < k; p++, a += TILE_ROWS, b += TILE_COLUMNS) {
        TILE_VECTOR right[VECTORS];
#pragma GCC unroll 8
        for (size_t v = 0; v < VECTORS; v++)
            right[v] = *(const TILE_VECTOR *)(b + v * TILE_LANES);
#pragma GCC unroll 8
        for (size_t i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 8
            for (size_t v = 0; v < VECTORS; v++)
                acc[i][v] += a[i] * right[v];
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 8
        for (size_t v = 0; v < VECTORS; v++)
            *(TILE_VECTOR *)(sum + i * TILE_COLUMNS + v * TILE_LANES) = acc[i][v];
}

#undef TILE
#undef TILE_TARGET
#undef TILE_LANES
#undef TILE_VECTOR
