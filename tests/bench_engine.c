/* SPDX-License-Identifier: MIT */
// The engine against a dense OpenBLAS product and a naive compressed-row loop on the same network,
// in the same run. Each time is the least of many windows over changing images, in ns an image;
// on a machine that does other work only the ratios mean something.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/session.h"
#include "tests/nets.h"

#ifdef BENCH_BLAS
#include <cblas.h>
#endif

enum { IMAGES = 500, WINDOWS = 41, PIXELS = 784, LAYERS = 3 };

static const uint32_t size[LAYERS + 1] = {784, 300, 100, 10};

struct bench {
    struct tnm_graph graph;
    float *w[LAYERS]; // dense
    const struct tnm_matrix *m[LAYERS];
    float *x;      // (IMAGES, PIXELS)
    float *logits; // (IMAGES, 10)
    struct tnm_session *session;
    unsigned batch;
};

// ---- Pictures -----------------------------------------------------------------------------------

// A stroke of six bends in the middle 20 x 20 pixels: about a fifth of the pixels is not 0.
static void draw(float *image, struct randomness *r) {
    double x = 9 + random_between(r, 0, 10), y = 5, turn = 0;
    memset(image, 0, PIXELS * sizeof *image);
    for (int step = 0; step < 90; step++) {
        if (step % 15 == 0)
            turn = (double)random_float(r) * 2.2;
        x = fmin(fmax(x + 0.5 * sin(turn), 4), 23);
        y = fmin(fmax(y + 0.5 * cos(turn), 4), 23);
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++)
                image[((int)y + dy) * 28 + (int)x + dx] =
                    0.25F + 0.5F * (dx == 0) + 0.25F * (dy == 0);
    }
}

// ---- Ways to run --------------------------------------------------------------------------------

static void run_session(struct bench *b) {
    for (unsigned i = 0; i < IMAGES; i += b->batch) {
        unsigned n = IMAGES - i < b->batch ? IMAGES - i : b->batch;
        tnm_session_run(b->session, b->x + i * PIXELS, n, b->logits + i * 10);
    }
}

static void relu(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

static void run_naive(struct bench *b) {
    static float *value[LAYERS];
    for (int l = 0; l < LAYERS; l++)
        if (value[l] == NULL) {
            value[l] = malloc(b->m[l]->nonzeros * sizeof(float) + 1);
            for (size_t k = 0; k < b->m[l]->nonzeros; k++)
                value[l][k] = tnm_matrix_value(b->m[l], k);
        }
    for (unsigned i = 0; i < IMAGES; i++) {
        float buffer[2][300];
        const float *x = b->x + i * PIXELS;
        for (int l = 0; l < LAYERS; l++) {
            const struct tnm_matrix *m = b->m[l];
            float *y = l + 1 < LAYERS ? buffer[l % 2] : b->logits + i * 10;
            for (uint32_t r = 0; r < m->rows; r++) {
                float sum = m->bias[r];
                for (uint32_t k = m->row_start[r]; k < m->row_start[r + 1]; k++)
                    sum += value[l][k] * x[m->col16[k]];
                y[r] = sum;
            }
            if (l + 1 < LAYERS)
                relu(y, m->rows);
            x = y;
        }
    }
}

#ifdef BENCH_BLAS
static void run_blas(struct bench *b) {
    static float buffer[2][IMAGES * 300];
    for (unsigned i = 0; i < IMAGES; i += b->batch) {
        int n = (int)(IMAGES - i < b->batch ? IMAGES - i : b->batch);
        const float *x = b->x + i * PIXELS;
        for (int l = 0; l < LAYERS; l++) {
            int rows = (int)size[l + 1], cols = (int)size[l];
            float *y = l + 1 < LAYERS ? buffer[l % 2] : b->logits + i * 10;
            for (int k = 0; k < n; k++)
                memcpy(y + k * rows, b->m[l]->bias, (size_t)rows * sizeof *y);
            if (n == 1)
                cblas_sgemv(CblasRowMajor, CblasNoTrans, rows, cols, 1, b->w[l], cols, x, 1, 1, y,
                            1);
            else
                cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, rows, cols, 1, x, cols,
                            b->w[l], cols, 1, y, rows);
            if (l + 1 < LAYERS)
                relu(y, (size_t)n * (size_t)rows);
            x = y;
        }
    }
}
#endif

// ---- Timing -------------------------------------------------------------------------------------

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_of(struct bench *b, void (*run)(struct bench *)) {
    double least = INFINITY, begin = now_ns();
    for (int window = 0; window < WINDOWS && now_ns() - begin < 3e8; window++) {
        double start = now_ns();
        run(b);
        least = fmin(least, (now_ns() - start) / IMAGES);
    }
    return least;
}

static void open_session(struct bench *b, unsigned batch) {
    struct tnm_error err;
    struct tnm_plan *plan = tnm_plan_create(&b->graph, SIZE_MAX / 2, &err);
    b->batch = batch;
    b->session = plan != NULL ? tnm_session_on_plan(plan, batch, SIZE_MAX / 2, &err) : NULL;
    if (b->session == NULL)
        exit(EXIT_FAILURE);
}

static void make(struct bench *b, const struct nets_weights *weights) {
    struct randomness r;
    random_start(&r, 1);
    nets_mlp(&b->graph, weights, &r);
    for (int l = 0; l < LAYERS; l++) {
        b->m[l] = &b->graph.node[1 + 2 * l].w[0];
        b->w[l] = malloc((size_t)size[l] * size[l + 1] * sizeof(float));
        tnm_matrix_to_dense(b->m[l], b->w[l]);
    }
    b->x = malloc(sizeof(float) * IMAGES * PIXELS);
    b->logits = calloc(IMAGES * 10, sizeof(float));
    for (int i = 0; i < IMAGES; i++)
        draw(b->x + i * PIXELS, &r);
}

static void row(const char *name, double ns, double reference) {
    printf("  %-34s %9.0f ns", name, ns);
    if (reference > 0)
        printf("   %5.2f times as fast as OpenBLAS", reference / ns);
    printf("\n");
}

static void compare(struct bench *b, unsigned batch, bool sparse) {
    printf("784-300-100-10, %s, batch %u:\n", sparse ? "94 % zeros" : "dense", batch);
    double blas = 0;
    b->batch = batch;
#ifdef BENCH_BLAS
    openblas_set_num_threads(1);
    blas = time_of(b, run_blas);
    row("OpenBLAS, dense", blas, 0);
#endif
    if (batch == 1 && sparse)
        row("naive compressed rows", time_of(b, run_naive), blas);
    static const char *const off[] = {"", "avx2", "neon"};
    for (int i = 0; i < 3; i++) {
        setenv("TNM_CPU_OFF", off[i], 1);
        struct tnm_kernels table;
        tnm_kernels_pick(&table, tnm_cpu_flags());
        open_session(b, batch);
        row(table.name, time_of(b, run_session), blas);
    }
}

// Networks of as many weights in each layer, each of the last table: what blocks alone do.
static void compare_blocks(void) {
    static const struct {
        const char *name;
        struct nets_weights weights;
    } cases[] = {{"single weights", {.encoding = TNM_CSR_CODEBOOK, .bits = 5, .zeros = 94}},
                 {"blocks of 4x1", {TNM_CSR_CODEBOOK, 5, 94, false, 4, 1, 0}},
                 {"blocks of 1x4", {TNM_CSR_CODEBOOK, 5, 94, false, 1, 4, 0}}};
    static struct bench bench[3];
    double blas = 0, single = 0;
    printf("784-300-100-10, 94 %% zeros, batch 1:\n");
    setenv("TNM_CPU_OFF", "", 1);
    for (int i = 0; i < 3; i++) {
        struct bench *b = &bench[i];
        make(b, &cases[i].weights);
        b->batch = 1;
#ifdef BENCH_BLAS
        if (i == 0)
            row("OpenBLAS, dense", blas = time_of(b, run_blas), 0);
#endif
        open_session(b, 1);
        double ns = time_of(b, run_session);
        single = i == 0 ? ns : single;
        row(cases[i].name, ns, blas);
        if (i > 0)
            printf("  %-34s %9s      %5.2f times as fast as single weights\n", "", "", single / ns);
    }
}

// ---- Convolutions -------------------------------------------------------------------------------

static const struct conv {
    uint32_t channels, out, size, kernel, pad;
} convs[] = {
    {128, 256, 28, 1, 0},
    {32, 64, 14, 3, 1},
    {20, 50, 12, 5, 0},
    {6, 16, 14, 5, 0},
};

#ifdef BENCH_BLAS
// Every window as a column, then one product: (out, c k k) times (c k k, pixels).
static void im2col(const struct conv *c, uint32_t side, const float *x, float *columns) {
    for (uint32_t k = 0; k < c->channels * c->kernel * c->kernel; k++)
        for (uint32_t y = 0; y < side; y++)
            for (uint32_t i = 0; i < side; i++) {
                uint32_t row = y + k / c->kernel % c->kernel - c->pad;
                uint32_t col = i + k % c->kernel - c->pad;
                bool inside = row < c->size && col < c->size;
                const float *plane = x + k / c->kernel / c->kernel * c->size * c->size;
                *columns++ = inside ? plane[row * c->size + col] : 0;
            }
}

static double time_blas_conv(const struct conv *c, uint32_t side, const struct tnm_matrix *m,
                             const float *x, float *y) {
    float *w = malloc(sizeof(float) * m->rows * m->cols);
    float *columns = malloc(sizeof(float) * m->cols * side * side);
    double least = INFINITY;
    tnm_matrix_to_dense(m, w);
    for (int window = 0; window < WINDOWS * 10; window++) {
        double start = now_ns();
        if (c->kernel > 1)
            im2col(c, side, x, columns);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m->rows, (int)(side * side),
                    (int)m->cols, 1, w, (int)m->cols, c->kernel > 1 ? columns : x,
                    (int)(side * side), 0, y, (int)(side * side));
        least = fmin(least, now_ns() - start);
    }
    free(w);
    free(columns);
    return least;
}
#endif

static void bench_conv(const struct conv *c) {
    static const struct nets_weights weights = {
        .encoding = TNM_CSR_CODEBOOK, .bits = 5, .zeros = 90};
    struct tnm_window window = {.kernel = {c->kernel, c->kernel},
                                .stride = {1, 1},
                                .pad = {c->pad, c->pad, c->pad, c->pad},
                                .dilation = {1, 1},
                                .groups = 1};
    uint32_t dim[3] = {c->channels, c->size, c->size};
    struct randomness r;
    random_start(&r, 2);
    struct bench b = {0};
    nets_begin(&b.graph, 1, 3, dim);
    nets_conv(&b.graph, 0, c->out, &window, &weights, &r);
    uint32_t side = b.graph.tensor[1].dim[1];
    float *x = malloc(sizeof *x * c->channels * c->size * c->size);
    float *y = malloc(sizeof *y * c->out * side * side);
    random_fill(&r, x, c->channels * c->size * c->size, 0);
    printf("conv2d %u x %u, %u to %u channels, %u x %u, 90 %% zeros:\n", c->kernel, c->kernel,
           c->channels, c->out, c->size, c->size);
    double blas = 0;
#ifdef BENCH_BLAS
    blas = time_blas_conv(c, side, &b.graph.node[0].w[0], x, y);
    row("OpenBLAS, dense, im2col", blas, 0);
#endif
    static const char *const off[] = {"", "avx2"};
    for (int i = 0; i < 2; i++) {
        setenv("TNM_CPU_OFF", off[i], 1);
        open_session(&b, 1);
        double least = INFINITY;
        for (int k = 0; k < WINDOWS * 10; k++) {
            double start = now_ns();
            tnm_session_run(b.session, x, 1, y);
            least = fmin(least, now_ns() - start);
        }
        struct tnm_kernels table;
        tnm_kernels_pick(&table, tnm_cpu_flags());
        row(table.name, least, blas);
    }
    free(x);
    free(y);
}

int main(void) {
    static const struct nets_weights sparse = {
        .encoding = TNM_CSR_CODEBOOK, .bits = 5, .zeros = 94};
    static const struct nets_weights dense = {.encoding = TNM_DENSE, .bits = 32, .zeros = 0};
    static struct bench one, two;
    make(&one, &sparse);
    make(&two, &dense);
    static const unsigned batch[] = {1, 8, 32, 256};
    for (int i = 0; i < 4; i++)
        compare(&one, batch[i], true);
    compare_blocks();
    for (int i = 0; i < 4; i++)
        compare(&two, batch[i], false);
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++)
        bench_conv(&convs[i]);
    return EXIT_SUCCESS;
}
