/* SPDX-License-Identifier: MIT */
// Weight sharing by k-means in one dimension.
#include "models/share.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "models/rng.h"

enum {
    MAX_ITERATIONS = 10000 // it ends long before; a guard against rounding that cycles
};

// ---- Clusters ----------------------------------------------------------------------------------

// How many values are below x.
static size_t count_below(const struct share_values *v, double x) {
    size_t low = 0, high = v->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->value[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Cluster j is values start[j] .. start[j + 1] - 1: those nearer to centroid j than to another, and
// of those between two halfway the upper.
static void assign(const struct share_values *v, const double *centroid, uint32_t k,
                   size_t *start) {
    start[0] = 0;
    for (uint32_t j = 1; j < k; j++)
        start[j] = count_below(v, (centroid[j - 1] + centroid[j]) / 2);
    start[k] = v->n;
}

// Sum of squared distances of values begin .. end - 1 to c.
static double loss_of(const struct share_values *v, size_t begin, size_t end, double c) {
    double n = (double)(end - begin), sum = v->sum[end] - v->sum[begin];
    return fmax(0, v->square[end] - v->square[begin] - 2 * c * sum + n * c * c);
}

static double loss_of_all(const struct share_values *v, const double *centroid, uint32_t k,
                          const size_t *start) {
    double loss = 0;
    for (uint32_t j = 0; j < k; j++)
        loss += loss_of(v, start[j], start[j + 1], centroid[j]);
    return loss;
}

// Centroids move to the means of their clusters; true if one moved.
static bool update(const struct share_values *v, double *centroid, uint32_t k,
                   const size_t *start) {
    bool moved = false;
    for (uint32_t j = 0; j < k; j++) {
        size_t begin = start[j], end = start[j + 1];
        if (begin == end)
            continue;
        double mean = (v->sum[end] - v->sum[begin]) / (double)(end - begin);
        mean = fmin(fmax(mean, v->value[begin]), v->value[end - 1]);
        moved = moved || mean != centroid[j];
        centroid[j] = mean;
    }
    return moved;
}

// ---- Centroids without values ------------------------------------------------------------------

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The value furthest from its centroid; NaN where every value is on one.
static double worst_served(const struct share_values *v, const double *centroid, uint32_t k,
                           const size_t *start) {
    double worst = NAN, distance = 0;
    for (uint32_t j = 0; j < k; j++) {
        if (start[j] == start[j + 1])
            continue;
        double low = v->value[start[j]], high = v->value[start[j + 1] - 1];
        if (centroid[j] - low > distance) {
            distance = centroid[j] - low;
            worst = low;
        }
        if (high - centroid[j] > distance) {
            distance = high - centroid[j];
            worst = high;
        }
    }
    return worst;
}

// Moves one centroid without values; true if there was one, and somewhere to go.
static bool employ(const struct share_values *v, double *centroid, uint32_t k,
                   const size_t *start) {
    double place = worst_served(v, centroid, k, start);
    if (isnan(place))
        return false;
    for (uint32_t j = 0; j < k; j++)
        if (start[j] == start[j + 1]) {
            centroid[j] = place;
            qsort(centroid, k, sizeof *centroid, compare_doubles);
            return true;
        }
    return false;
}

double share_kmeans(const struct share_values *v, double *centroid, uint32_t k, double *loss,
                    uint32_t max_losses, uint32_t *n_losses) {
    size_t start[SHARE_MAX_CENTROIDS + 1];
    uint32_t told = 0;
    assign(v, centroid, k, start);
    for (uint32_t i = 0; i < MAX_ITERATIONS; i++) {
        bool moved = update(v, centroid, k, start);
        if (loss != NULL && told < max_losses)
            loss[told++] = loss_of_all(v, centroid, k, start);
        if (!moved && !employ(v, centroid, k, start))
            break;
        assign(v, centroid, k, start);
    }
    if (n_losses != NULL)
        *n_losses = told;
    return loss_of_all(v, centroid, k, start);
}

// ---- Starting points ---------------------------------------------------------------------------

static void start_at_random(const struct share_values *v, uint64_t seed, double *centroid,
                            uint32_t k) {
    struct rng rng;
    rng_seed(&rng, seed, 0);
    for (uint32_t j = 0; j < k; j++)
        centroid[j] = v->value[rng_below(&rng, (uint32_t)v->n)];
    qsort(centroid, k, sizeof *centroid, compare_doubles);
}

void share_start(const struct share_values *v, enum share_init init, uint64_t seed,
                 double *centroid, uint32_t k) {
    double low = v->value[0], high = v->value[v->n - 1];
    for (uint32_t j = 0; j < k; j++) {
        double part = k > 1 ? j / (k - 1.0) : 0.5;
        if (init == SHARE_LINEAR)
            centroid[j] = low + (high - low) * part;
        else
            centroid[j] = v->value[(size_t)((double)v->n * (j + 0.5) / k)];
    }
    if (init == SHARE_RANDOM)
        start_at_random(v, seed, centroid, k);
}

// ---- A layer -----------------------------------------------------------------------------------

struct sorted {
    size_t n;
    float *value;
    double *sum, *square;
};

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void sorted_free(struct sorted *s) {
    free(s->value);
    free(s->sum);
    free(s->square);
}

static bool sort_kept(struct sorted *s, const struct net_layer *layer, struct tnm_error *err) {
    size_t all = (size_t)layer->rows * layer->cols;
    *s = (struct sorted){0};
    s->value = malloc(all * sizeof *s->value);
    s->sum = malloc((all + 1) * sizeof *s->sum);
    s->square = malloc((all + 1) * sizeof *s->square);
    if (s->value == NULL || s->sum == NULL || s->square == NULL) {
        sorted_free(s);
        return tnm_fail_errno(err, ENOMEM, "%s", layer->name);
    }
    for (size_t i = 0; i < all; i++)
        if (layer->keep[i])
            s->value[s->n++] = layer->w[i];
    qsort(s->value, s->n, sizeof *s->value, compare_floats);
    s->sum[0] = s->square[0] = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->sum[i + 1] = s->sum[i] + s->value[i];
        s->square[i + 1] = s->square[i] + (double)s->value[i] * s->value[i];
    }
    return true;
}

// The first most distinct values; how many there are, at most one more than most.
static uint32_t distinct(const struct sorted *s, double *value, uint32_t most) {
    uint32_t n = 0;
    for (size_t i = 0; i < s->n && n <= most; i++) {
        if (i > 0 && s->value[i] == s->value[i - 1])
            continue;
        if (n < most)
            value[n] = s->value[i];
        n++;
    }
    return n;
}

static uint32_t bits_for(uint32_t n_centroids) {
    uint32_t bits = 1;
    while ((1u << bits) < n_centroids)
        bits++;
    return bits;
}

// The nearest of k ascending centroids.
static uint32_t nearest(const float *centroid, uint32_t k, float x) {
    uint32_t best = 0;
    for (uint32_t low = 0, high = k; low < high;) {
        uint32_t middle = (low + high) / 2;
        if (fabsf(centroid[middle] - x) < fabsf(centroid[best] - x))
            best = middle;
        if (centroid[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return best;
}

// Replaces the kept weights; returns the root mean square of the change.
static double replace(struct net_layer *layer, size_t n) {
    double squares = 0;
    for (size_t i = 0; i < (size_t)layer->rows * layer->cols; i++) {
        layer->code[i] = 0;
        if (!layer->keep[i])
            continue;
        uint32_t code = nearest(layer->codebook, layer->n_centroids, layer->w[i]);
        double change = (double)layer->codebook[code] - layer->w[i];
        squares += change * change;
        layer->code[i] = (uint8_t)code;
        layer->w[i] = layer->codebook[code];
    }
    return sqrt(squares / (double)n);
}

// New arrays first, so that a failure leaves the layer whole.
static bool set_codebook(struct net_layer *layer, const double *centroid, uint32_t k,
                         struct tnm_error *err) {
    float *codebook = malloc(k * sizeof *codebook);
    uint8_t *code = malloc((size_t)layer->rows * layer->cols);
    if (codebook == NULL || code == NULL) {
        free(codebook);
        free(code);
        return tnm_fail_errno(err, ENOMEM, "%s", layer->name);
    }
    for (uint32_t j = 0; j < k; j++)
        codebook[j] = (float)centroid[j];
    free(layer->codebook);
    free(layer->code);
    layer->codebook = codebook;
    layer->code = code;
    layer->n_centroids = k;
    layer->bits = bits_for(k);
    return true;
}

bool share_layer(struct net_layer *layer, uint32_t bits, enum share_init init, uint64_t seed,
                 struct share_result *result, struct tnm_error *err) {
    double centroid[SHARE_MAX_CENTROIDS];
    uint32_t k = 1u << bits;
    struct sorted s;
    *result = (struct share_result){0};
    if (!sort_kept(&s, layer, err))
        return false;
    bool ok = true;
    if (s.n > 0) {
        struct share_values v = {s.n, s.value, s.sum, s.square};
        uint32_t n_distinct = distinct(&s, centroid, k);
        if (n_distinct > k) {
            share_start(&v, init, seed, centroid, k);
            share_kmeans(&v, centroid, k, NULL, 0, NULL);
        } else {
            k = n_distinct;
        }
        ok = set_codebook(layer, centroid, k, err);
    }
    if (ok && s.n > 0)
        *result = (struct share_result){s.n, layer->bits, k, replace(layer, s.n)};
    sorted_free(&s);
    return ok;
}

bool share_layers(struct net *net, const uint32_t *bits, struct tnm_error *err) {
    struct share_result result;
    for (uint32_t l = 0; l < net->n_layers; l++)
        if (bits[l] > 0 && !share_layer(&net->layer[l], bits[l], SHARE_LINEAR, 1, &result, err))
            return false;
    return true;
}

double share_predicted(uint64_t n, uint32_t k) {
    if (n == 0 || k == 0)
        return 1;
    double values = 32.0 * (double)n;
    return values / ((double)n * log2(k) + 32.0 * k);
}
