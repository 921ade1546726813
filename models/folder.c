/* SPDX-License-Identifier: MIT */
// Reading a folder of pictures per class.
#include "models/data.h"

#include "core/error.h"
#include "daemon/picture.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE_BYTES = 64 << 20 };

static const struct picture_wish limits = {.max_pixels = 100000000, .max_bytes = 1u << 30};

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void free_names(struct dirent **name, int n) {
    for (int i = 0; i < n; i++)
        free(name[i]);
    free(name);
}

static bool join(char *path, const char *dir, const char *name, struct tnm_error *err) {
    if (snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
        return true;
    return tnm_fail(err, TNM_EINPUT, "%s: path too long", dir);
}

// ---- One picture -------------------------------------------------------------------------------

static bool read_file(const char *path, uint8_t **out, size_t *len, struct tnm_error *err) {
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        tnm_fail_errno(err, errno, "%s", path);
        if (f != NULL)
            fclose(f);
        return false;
    }
    bool ok = true;
    if (!S_ISREG(st.st_mode) || st.st_size < 1 || st.st_size > MAX_FILE_BYTES)
        ok = tnm_fail(err, TNM_ELIMIT, "%s: %lld bytes, a picture may have 1 to %d", path,
                      (long long)st.st_size, MAX_FILE_BYTES);
    else if ((*out = malloc((size_t)st.st_size)) == NULL)
        ok = tnm_fail_errno(err, ENOMEM, "%s", path);
    else
        *len = fread(*out, 1, (size_t)st.st_size, f);
    fclose(f);
    return ok;
}

// Room for one more, by doubling.
static bool make_room(struct data_set *set, size_t inputs, const char *path,
                      struct tnm_error *err) {
    if ((set->n & (set->n - 1)) != 0)
        return true;
    size_t room = set->n > 0 ? 2 * (size_t)set->n : 1;
    if (room * inputs > 2 * DATA_MAX_BYTES)
        return tnm_fail(err, TNM_ELIMIT, "%s: %u pictures are more than %llu bytes of input", path,
                        set->n, (unsigned long long)DATA_MAX_BYTES);
    uint8_t *pixel = realloc(set->pixel, room * inputs);
    if (pixel == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", path);
    set->pixel = pixel;
    uint16_t *label = realloc(set->label, room * sizeof *label);
    if (label == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", path);
    set->label = label;
    return true;
}

static bool add_picture(struct data_set *set, const struct tnm_recipe *recipe, uint32_t class,
                        const char *path, struct tnm_error *err) {
    size_t inputs = (size_t)recipe->width * recipe->height * recipe->channels, len = 0;
    if (!make_room(set, inputs, path, err))
        return false;
    uint8_t *file = NULL;
    struct tnm_prepared did;
    bool ok = read_file(path, &file, &len, err);
    if (ok && !picture_to_input((struct bytes){file, len}, recipe, &limits,
                                set->pixel + set->n * inputs, NULL, &did, err))
        ok = tnm_fail_in(err, "%s", path);
    free(file);
    if (ok)
        set->label[set->n++] = (uint16_t) class;
    return ok;
}

// ---- One class, and all of them ----------------------------------------------------------------

static bool read_class(struct data_set *set, const struct tnm_recipe *recipe, uint32_t class,
                       const char *dir, struct tnm_error *err) {
    struct dirent **name = NULL;
    int n = scandir(dir, &name, visible, alphasort);
    if (n < 0)
        return tnm_fail_errno(err, errno, "%s", dir);
    bool ok = true;
    for (int i = 0; ok && i < n; i++) {
        char path[PATH_MAX];
        ok = join(path, dir, name[i]->d_name, err) && add_picture(set, recipe, class, path, err);
    }
    free_names(name, n);
    return ok;
}

// Keeps of the n names those of folders; returns how many.
static int only_folders(const char *dir, struct dirent **name, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        struct stat st;
        if (join(path, dir, name[i]->d_name, NULL) && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            name[kept++] = name[i];
        else
            free(name[i]);
    }
    return kept;
}

static bool set_classes(struct dataset *data, const char *dir, struct dirent **name, int n,
                        struct tnm_error *err) {
    if (n < 1 || n > DATA_MAX_CLASSES)
        return tnm_fail(err, TNM_EINPUT,
                        "%s: %d class folders, 1 to %d are needed (and no ...-images-idx3-ubyte is "
                        "there)",
                        dir, n, DATA_MAX_CLASSES);
    data->class_name = calloc((size_t)n, sizeof *data->class_name);
    if (data->class_name == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", dir);
    data->n_classes = (uint32_t)n;
    for (int i = 0; i < n; i++)
        if ((data->class_name[i] = strdup(name[i]->d_name)) == NULL)
            return tnm_fail_errno(err, ENOMEM, "%s", dir);
    return true;
}

static bool find_class(const struct dataset *data, const char *dir, const char *name,
                       uint32_t *class, struct tnm_error *err) {
    for (uint32_t c = 0; c < data->n_classes; c++)
        if (strcmp(data->class_name[c], name) == 0) {
            *class = c;
            return true;
        }
    return tnm_fail(err, TNM_EINPUT, "%s/%s: a class that is not in the training folder", dir,
                    name);
}

bool folder_read(struct data_set *set, struct dataset *data, const char *dir,
                 struct tnm_error *err) {
    struct dirent **name = NULL;
    int n = scandir(dir, &name, visible, alphasort);
    if (n < 0)
        return tnm_fail_errno(err, errno, "%s", dir);
    n = only_folders(dir, name, n);
    bool ok = data->n_classes > 0 || set_classes(data, dir, name, n, err);
    for (int i = 0; ok && set != NULL && i < n; i++) {
        char path[PATH_MAX];
        uint32_t class = 0;
        ok = find_class(data, dir, name[i]->d_name, &class, err) &&
             join(path, dir, name[i]->d_name, err) &&
             read_class(set, &data->recipe, class, path, err);
    }
    free_names(name, n);
    return ok;
}
