/* SPDX-License-Identifier: MIT */
// A linear map from the features of one network to those of another.
//
// Vectors and rows of all inputs are one matrix, (n * places, features); of maps each input has one
// of its own, (features, places).
#include "models/regressor.h"

#include <string.h>

#include "models/gemm.h"

struct regressor regressor_of(const struct tnm_tensor *x, const struct tnm_tensor *y) {
    const uint32_t *a = x->dim, *b = y->dim;
    if (x->rank == 3 && y->rank == 3 && a[1] == b[1] && a[2] == b[2])
        return (struct regressor){.rows = b[0], .cols = a[0], .places = a[1] * a[2], .maps = true};
    if (x->rank == 2 && y->rank == 2 && a[0] == b[0])
        return (struct regressor){.rows = b[1], .cols = a[1], .places = a[0]};
    return (struct regressor){.rows = (uint32_t)tnm_tensor_elements(y),
                              .cols = (uint32_t)tnm_tensor_elements(x),
                              .places = 1};
}

size_t regressor_parameters(const struct regressor *r) {
    return (size_t)r->rows * r->cols + r->rows;
}

// ---- Error -------------------------------------------------------------------------------------

static void add_rows(const struct regressor_job *j) {
    const struct regressor *r = j->regressor;
    gemm_run(&(struct gemm){.m = (size_t)j->n * r->places,
                            .n = r->rows,
                            .k = r->cols,
                            .a = j->x,
                            .b = j->param,
                            .transpose_b = true,
                            .c = j->error,
                            .add = true},
             j->scratch);
}

static void add_maps(const struct regressor_job *j) {
    const struct regressor *r = j->regressor;
    for (size_t i = 0; i < j->n; i++)
        gemm_run(&(struct gemm){.m = r->rows,
                                .n = r->places,
                                .k = r->cols,
                                .a = j->param,
                                .b = j->x + i * r->cols * r->places,
                                .c = j->error + i * r->rows * r->places,
                                .add = true},
                 j->scratch);
}

// W x + b - y.
static void find_error(const struct regressor_job *j) {
    const struct regressor *r = j->regressor;
    const float *b = j->param + (size_t)r->rows * r->cols;
    size_t elements = (size_t)r->rows * r->places, all = j->n * elements;
    if (r->maps) {
        for (size_t i = 0; i < all; i++)
            j->error[i] = b[i % elements / r->places] - j->y[i];
        add_maps(j);
        return;
    }
    for (size_t i = 0; i < all; i += r->rows)
        for (size_t k = 0; k < r->rows; k++)
            j->error[i + k] = b[k] - j->y[i + k];
    add_rows(j);
}

// The sum of squares, and the errors times factor in their place.
static double take_squares(const struct regressor_job *j) {
    size_t n = (size_t)j->n * j->regressor->rows * j->regressor->places;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)j->error[i] * (double)j->error[i];
        j->error[i] *= j->factor;
    }
    return sum;
}

// ---- Gradients ---------------------------------------------------------------------------------

static void back_rows(const struct regressor_job *j, float *d_b) {
    const struct regressor *r = j->regressor;
    size_t n = (size_t)j->n * r->places;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < r->rows; k++)
            d_b[k] += j->error[i * r->rows + k];
    gemm_run(&(struct gemm){.m = r->rows,
                            .n = r->cols,
                            .k = n,
                            .a = j->error,
                            .transpose_a = true,
                            .b = j->x,
                            .c = j->d_param},
             j->scratch);
    gemm_run(&(struct gemm){.m = n,
                            .n = r->cols,
                            .k = r->rows,
                            .a = j->error,
                            .b = j->param,
                            .c = j->d_x,
                            .add = true},
             j->scratch);
}

static void back_map(const struct regressor_job *j, size_t i, float *d_b) {
    const struct regressor *r = j->regressor;
    const float *error = j->error + i * r->rows * r->places;
    for (size_t k = 0; k < (size_t)r->rows * r->places; k++)
        d_b[k / r->places] += error[k];
    gemm_run(&(struct gemm){.m = r->rows,
                            .n = r->cols,
                            .k = r->places,
                            .a = error,
                            .b = j->x + i * r->cols * r->places,
                            .transpose_b = true,
                            .c = j->d_param,
                            .add = i > 0},
             j->scratch);
    gemm_run(&(struct gemm){.m = r->cols,
                            .n = r->places,
                            .k = r->rows,
                            .a = j->param,
                            .transpose_a = true,
                            .b = error,
                            .c = j->d_x + i * r->cols * r->places,
                            .add = true},
             j->scratch);
}

double regressor_run(const struct regressor_job *j) {
    const struct regressor *r = j->regressor;
    float *d_b = j->d_param + (size_t)r->rows * r->cols;
    find_error(j);
    double sum = take_squares(j);
    memset(d_b, 0, r->rows * sizeof *d_b);
    if (!r->maps)
        back_rows(j, d_b);
    for (size_t i = 0; r->maps && i < j->n; i++)
        back_map(j, i, d_b);
    return sum;
}
