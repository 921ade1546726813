/* SPDX-License-Identifier: MIT */
// Labelled pictures: finding the files, holding out the validation set, matching classes.
#include "models/data.h"

#include "core/error.h"
#include "core/meta.h"
#include "models/rng.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SPLIT_SEED = 12345 // of the held-out images; a change makes old validation scores meaningless
};

const char *data_split_name(enum data_split split) {
    static const char *const name[] = {"train", "validation", "test"};
    return name[split];
}

bool data_split_parse(const char *word, enum data_split *split) {
    for (enum data_split s = DATA_TRAIN; s <= DATA_TEST; s++)
        if (strcmp(word, data_split_name(s)) == 0) {
            *split = s;
            return true;
        }
    return false;
}

struct tnm_recipe data_recipe(uint32_t width, uint32_t height, uint32_t channels,
                              enum tnm_fit fit) {
    uint32_t side = width < height ? width : height;
    struct tnm_recipe recipe = {.width = width, .height = height, .channels = channels, .fit = fit};
    if (fit == TNM_FIT_INK)
        recipe.box = side > 1 ? side * 5 / 7 : 1;
    for (int c = 0; c < 4; c++)
        recipe.deviation[c] = 1;
    return recipe;
}

static bool is_folder(const char *dir, const char *name) {
    char path[PATH_MAX];
    struct stat st;
    int len = snprintf(path, sizeof path, "%s/%s", dir, name);
    return len > 0 && len < (int)sizeof path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// ---- Finding idx files -------------------------------------------------------------------------

// Whether name ends in set-kind-idxD-ubyte, with or without .gz; some copies have a dot for the
// dash before idx.
static bool is_idx_name(const char *name, const char *set, const char *kind, int dims) {
    static const char *const format[] = {"%s-%s-idx%d-ubyte", "%s-%s-idx%d-ubyte.gz",
                                         "%s-%s.idx%d-ubyte", "%s-%s.idx%d-ubyte.gz"};
    for (size_t i = 0; i < sizeof format / sizeof *format; i++) {
        char suffix[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int len = snprintf(suffix, sizeof suffix, format[i], set, kind, dims);
#pragma GCC diagnostic pop
        size_t have = strlen(name);
        if (len > 0 && have >= (size_t)len && strcmp(name + have - (size_t)len, suffix) == 0)
            return true;
    }
    return false;
}

// The one file of that kind, as path (PATH_MAX); empty where there is none.
static bool find_idx(const char *dir, const char *set, const char *kind, int dims, char *path,
                     struct tnm_error *err) {
    path[0] = 0;
    DIR *d = opendir(dir);
    if (d == NULL)
        return tnm_fail_errno(err, errno, "%s", dir);
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d)) != NULL;) {
        if (!is_idx_name(e->d_name, set, kind, dims))
            continue;
        if (path[0] != 0)
            ok = tnm_fail(err, TNM_EINPUT, "%s: both %s and %s/%s are there, one is needed", dir,
                          path, dir, e->d_name);
        else if (snprintf(path, PATH_MAX, "%s/%s", dir, e->d_name) >= PATH_MAX)
            ok = tnm_fail(err, TNM_EINPUT, "%s: path too long", dir);
    }
    closedir(d);
    return ok;
}

struct idx_pair {
    char images[PATH_MAX], labels[PATH_MAX];
};

static bool find_pair(const char *dir, const char *set, struct idx_pair *pair,
                      struct tnm_error *err) {
    if (!find_idx(dir, set, "images", 3, pair->images, err) ||
        !find_idx(dir, set, "labels", 1, pair->labels, err))
        return false;
    if ((pair->images[0] != 0) != (pair->labels[0] != 0))
        return tnm_fail(err, TNM_EIO, "%s: no file named ...%s-%s", dir, set,
                        pair->images[0] != 0 ? "labels-idx1-ubyte" : "images-idx3-ubyte");
    return true;
}

static bool size_is(const struct dataset *data, const char *path, uint32_t width, uint32_t height,
                    struct tnm_error *err) {
    const struct tnm_recipe *r = &data->recipe;
    if (r->channels == 1 && r->width == width && r->height == height)
        return true;
    return tnm_fail(err, TNM_EINPUT, "%s: images of %ux%u grey, wanted are %ux%u with %u channel%s",
                    path, width, height, r->width, r->height, r->channels,
                    r->channels == 1 ? "" : "s");
}

// Reads one pair if it is there. Takes the recipe's size from it where there is none yet.
static bool read_pair(struct dataset *data, enum data_split split, const struct idx_pair *pair,
                      struct tnm_error *err) {
    uint32_t width, height;
    if (pair->images[0] == 0)
        return true;
    if (!idx_read(&data->set[split], pair->images, pair->labels, &width, &height, &data->n_classes,
                  err))
        return false;
    if (data->recipe.width == 0)
        data->recipe = data_recipe(width, height, 1, data->recipe.fit);
    return size_is(data, pair->images, width, height, err);
}

// *found tells whether dir has idx files at all.
static bool open_idx(struct dataset *data, const char *dir, bool train, bool test, bool *found,
                     struct tnm_error *err) {
    struct idx_pair *pair = calloc(3, sizeof *pair);
    if (pair == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", dir);
    bool ok = find_pair(dir, "train", &pair[0], err) && find_pair(dir, "t10k", &pair[1], err) &&
              find_pair(dir, "test", &pair[2], err);
    if (ok && pair[1].images[0] == 0)
        pair[1] = pair[2];
    *found = ok && (pair[0].images[0] != 0 || pair[1].images[0] != 0);
    ok = ok && (!train || read_pair(data, DATA_TRAIN, &pair[0], err)) &&
         (!test || read_pair(data, DATA_TEST, &pair[1], err));
    free(pair);
    return ok;
}

static bool count_classes(struct dataset *data, struct tnm_error *err) {
    data->numbered = true;
    data->class_name = calloc(data->n_classes, sizeof *data->class_name);
    bool ok = data->class_name != NULL;
    for (uint32_t i = 0; ok && i < data->n_classes; i++)
        ok = asprintf(&data->class_name[i], "%u", i) >= 0;
    return ok || tnm_fail_errno(err, ENOMEM, "classes");
}

// ---- Folders of pictures -----------------------------------------------------------------------

static bool open_folders(struct dataset *data, const char *dir, bool train, bool test,
                         struct tnm_error *err) {
    char path[PATH_MAX];
    bool has_train = is_folder(dir, "train"), has_test = is_folder(dir, "test");
    if (data->recipe.width == 0)
        data->recipe = data_recipe(28, 28, 1, data->recipe.fit);
    // The training folder names the classes, so it is looked at even where only tests are wanted.
    snprintf(path, sizeof path, "%s%s", dir, has_train ? "/train" : "");
    if ((train || has_train) &&
        !folder_read(train ? &data->set[DATA_TRAIN] : NULL, data, path, err))
        return false;
    snprintf(path, sizeof path, "%s%s", dir, has_test ? "/test" : "");
    bool all = !train && !has_train; // one level: all of it is measured
    return !test || (!has_test && !all) || folder_read(&data->set[DATA_TEST], data, path, err);
}

// ---- The held-out images -----------------------------------------------------------------------

// Moves the images whose held flag is set from train to out; the others close up.
static void divide(struct data_set *train, struct data_set *out, const uint8_t *held,
                   size_t inputs) {
    uint32_t left = 0, moved = 0;
    for (uint32_t i = 0; i < train->n; i++) {
        struct data_set *to = held[i] != 0 ? out : train;
        uint32_t at = held[i] != 0 ? moved++ : left++;
        if (to != train || at != i)
            memcpy(to->pixel + at * inputs, train->pixel + i * inputs, inputs);
        to->label[at] = train->label[i];
    }
    train->n = left;
    out->n = moved;
}

static bool hold_out(struct dataset *data, struct tnm_error *err) {
    struct data_set *train = &data->set[DATA_TRAIN], *out = &data->set[DATA_VALIDATION];
    uint32_t n = train->n / 10 < DATA_HELD_OUT ? train->n / 10 : DATA_HELD_OUT;
    uint32_t *order = malloc(((size_t)train->n + 1) * sizeof *order);
    uint8_t *held = calloc((size_t)train->n + 1, 1);
    out->pixel = malloc((size_t)n * data->inputs + 1);
    out->label = malloc(((size_t)n + 1) * sizeof *out->label);
    bool ok = order != NULL && held != NULL && out->pixel != NULL && out->label != NULL;
    if (ok) {
        struct rng rng;
        rng_seed(&rng, SPLIT_SEED, 0);
        for (uint32_t i = 0; i < train->n; i++)
            order[i] = i;
        rng_shuffle(&rng, order, train->n);
        for (uint32_t i = 0; i < n; i++)
            held[order[i]] = 1;
        divide(train, out, held, data->inputs);
    }
    free(order);
    free(held);
    return ok || tnm_fail_errno(err, ENOMEM, "validation set");
}

// ---- All of it ---------------------------------------------------------------------------------

// The folder's own name, with what a data set's name may not have replaced.
static void name_after(struct dataset *data, const char *dir) {
    char path[PATH_MAX];
    const char *from = realpath(dir, path) != NULL ? path : dir;
    const char *slash = strrchr(from, '/');
    snprintf(data->name, sizeof data->name, "%.63s", slash != NULL ? slash + 1 : from);
    for (char *c = data->name; *c != 0; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 127)
            *c = '_';
}

static bool read_all(struct dataset *data, const char *dir, bool train, bool test,
                     struct tnm_error *err) {
    bool idx = false;
    if (!open_idx(data, dir, train, test, &idx, err) ||
        (!idx && !open_folders(data, dir, train, test, err)))
        return false;
    if (train && data->set[DATA_TRAIN].n == 0)
        return tnm_fail(err, TNM_EIO, "%s: no training images", dir);
    if (!train && data->set[DATA_TEST].n == 0)
        return tnm_fail(err, TNM_EIO, "%s: no test images", dir);
    const struct tnm_recipe *r = &data->recipe;
    data->inputs = r->width * r->height * r->channels;
    return (!idx || count_classes(data, err)) && (!train || hold_out(data, err));
}

bool dataset_open(struct dataset *data, const char *dir, const struct tnm_recipe *recipe,
                  bool train, bool test, struct tnm_error *err) {
    *data = (struct dataset){.recipe.fit = TNM_FIT_INK};
    if (recipe != NULL)
        data->recipe = *recipe;
    name_after(data, dir);
    if (read_all(data, dir, train, test, err))
        return true;
    dataset_close(data);
    return false;
}

void dataset_close(struct dataset *data) {
    for (enum data_split s = DATA_TRAIN; s <= DATA_TEST; s++) {
        free(data->set[s].pixel);
        free(data->set[s].label);
    }
    for (uint32_t i = 0; data->class_name != NULL && i < data->n_classes; i++)
        free(data->class_name[i]);
    free(data->class_name);
    *data = (struct dataset){0};
}

// ---- Matching classes --------------------------------------------------------------------------

static bool class_used(const struct dataset *data, uint32_t class) {
    for (enum data_split s = DATA_TRAIN; s <= DATA_TEST; s++)
        for (uint32_t i = 0; i < data->set[s].n; i++)
            if (data->set[s].label[i] == class)
                return true;
    return false;
}

// The index of class among label (n); UINT32_MAX where it is none of them.
static uint32_t find_label(const char *class, char *const *label, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(class, label[i]) == 0)
            return i;
    return UINT32_MAX;
}

// Whether the labels name classes that the data only counts.
static bool names_numbers(const struct dataset *data, char *const *label, uint32_t n) {
    for (uint32_t c = 0; data->numbered && c < data->n_classes; c++)
        if (find_label(data->class_name[c], label, n) != UINT32_MAX)
            return false;
    return data->numbered && data->n_classes <= n;
}

static bool renumber(struct dataset *data, char *const *label, uint32_t n, uint16_t *to,
                     struct tnm_error *err) {
    for (uint32_t c = 0; c < data->n_classes; c++) {
        uint32_t found = find_label(data->class_name[c], label, n);
        if (found == UINT32_MAX && class_used(data, c))
            return tnm_fail(err, TNM_EINPUT,
                            "class \"%s\" of %s is none of the network's %u labels",
                            data->class_name[c], data->name, n);
        to[c] = (uint16_t)found;
    }
    for (enum data_split s = DATA_TRAIN; s <= DATA_TEST; s++)
        for (uint32_t i = 0; i < data->set[s].n; i++)
            data->set[s].label[i] = to[data->set[s].label[i]];
    return true;
}

// The network's labels as the names of the classes.
static bool take_names(struct dataset *data, char *const *label, uint32_t n,
                       struct tnm_error *err) {
    char **name = calloc(n, sizeof *name);
    if (name == NULL)
        return tnm_fail_errno(err, ENOMEM, "labels");
    bool ok = true;
    for (uint32_t i = 0; i < n; i++)
        ok = (name[i] = strdup(label[i])) != NULL && ok;
    for (uint32_t i = 0; i < data->n_classes; i++)
        free(data->class_name[i]);
    free(data->class_name);
    data->class_name = name;
    data->n_classes = n;
    data->numbered = false;
    return ok || tnm_fail_errno(err, ENOMEM, "labels");
}

bool dataset_match(struct dataset *data, char *const *label, uint32_t n, uint32_t outputs,
                   struct tnm_error *err) {
    if (n == 0) {
        if (data->n_classes <= outputs)
            return true;
        return tnm_fail(err, TNM_EINPUT, "%s has %u classes, the network %u outputs", data->name,
                        data->n_classes, outputs);
    }
    uint16_t *to = calloc((size_t)data->n_classes + 1, sizeof *to);
    if (to == NULL)
        return tnm_fail_errno(err, ENOMEM, "labels");
    bool ok = names_numbers(data, label, n) || renumber(data, label, n, to, err);
    free(to);
    return ok && take_names(data, label, n, err);
}

// ---- Naming classes ----------------------------------------------------------------------------

static bool check_names(const struct dataset *data, char *const *name, uint32_t n,
                        struct tnm_error *err) {
    if (n != data->n_classes)
        return tnm_fail(err, TNM_EINPUT, "%u labels, %s has %u classes", n, data->name,
                        data->n_classes);
    for (uint32_t i = 0; i < n; i++)
        if (find_label(name[i], name, n) != i)
            return tnm_fail(err, TNM_EINPUT, "label \"%s\" is there twice", name[i]);
    return true;
}

bool dataset_name(struct dataset *data, const char *names, struct tnm_error *err) {
    char **name = calloc((size_t)data->n_classes + 1, sizeof *name); // one too many is seen
    char *copy = strdup(names), *rest = copy;
    bool ok = (name != NULL && copy != NULL) || tnm_fail_errno(err, ENOMEM, "labels");
    uint32_t n = 0;
    while (ok && rest != NULL && n <= data->n_classes)
        name[n++] = strsep(&rest, ",");
    ok = ok && check_names(data, name, n, err) && take_names(data, name, n, err);
    free(copy);
    free(name);
    return ok;
}
