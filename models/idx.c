/* SPDX-License-Identifier: MIT */
// Reading the idx files of MNIST and its many relatives, gzip'd or not.
#include "models/data.h"

#include "core/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { DEFLATE_BEST = 1032 }; // bytes that one byte of a deflate stream can become at most

struct idx_file {
    const char *path;
    gzFile gz; // reads plain files as they are
    uint64_t bytes_on_disk;
};

static bool idx_open(struct idx_file *file, const char *path, struct tnm_error *err) {
    *file = (struct idx_file){.path = path};
    struct stat st;
    if (stat(path, &st) != 0 || (file->gz = gzopen(path, "rb")) == NULL)
        return tnm_fail_errno(err, errno, "%s", path);
    file->bytes_on_disk = (uint64_t)st.st_size;
    gzbuffer(file->gz, 1 << 17);
    return true;
}

// zlib's complaint, or "" where there is none; it begins with the path, which is said already.
static const char *complaint(const struct idx_file *file) {
    int code;
    const char *text = gzerror(file->gz, &code);
    const char *behind = code < 0 ? strstr(text, ": ") : NULL;
    return code >= 0 ? "" : behind != NULL ? behind : text;
}

// Reads exactly len bytes; at is where they begin, for the text.
static bool idx_bytes(struct idx_file *file, void *out, uint64_t len, uint64_t at,
                      struct tnm_error *err) {
    for (uint64_t done = 0; done < len;) {
        unsigned wish = len - done < 1u << 30 ? (unsigned)(len - done) : 1u << 30;
        int got = gzread(file->gz, (uint8_t *)out + done, wish);
        if (got <= 0) {
            return tnm_fail(err, TNM_EFORMAT, "%s: truncated: ends after %llu of %llu bytes%s",
                            file->path, (unsigned long long)(at + done),
                            (unsigned long long)(at + len), complaint(file));
        }
        done += (uint64_t)got;
    }
    return true;
}

// The magic number and the dimensions behind it.
static bool idx_header(struct idx_file *file, uint32_t magic, uint32_t dim[],
                       struct tnm_error *err) {
    uint8_t words[4 * IDX_WORD];
    if (!idx_bytes(file, words, IDX_WORD, 0, err))
        return false;
    if (!tnm_idx_check(words, magic, err))
        return tnm_fail_in(err, "%s", file->path);
    if (!idx_bytes(file, words, idx_head_bytes(magic) - IDX_WORD, IDX_WORD, err))
        return false;
    return tnm_idx_read_dims(words, magic, dim, err) || tnm_fail_in(err, "%s", file->path);
}

// All that follows the header: len bytes and not one more.
static bool idx_body(struct idx_file *file, uint8_t **out, uint64_t len, uint64_t header,
                     struct tnm_error *err) {
    if (len > DATA_MAX_BYTES)
        return tnm_fail(err, TNM_ELIMIT, "%s: %llu bytes of content, at most %llu", file->path,
                        (unsigned long long)len, (unsigned long long)DATA_MAX_BYTES);
    // So that a header alone cannot make us take gigabytes.
    if (len / DEFLATE_BEST > file->bytes_on_disk)
        return tnm_fail(err, TNM_EFORMAT,
                        "%s: its header says %llu bytes, too many for a file of %llu", file->path,
                        (unsigned long long)len, (unsigned long long)file->bytes_on_disk);
    if ((*out = malloc(len > 0 ? len : 1)) == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", file->path);
    if (!idx_bytes(file, *out, len, header, err))
        return false;
    uint8_t more;
    int got = gzread(file->gz, &more, 1); // also lets zlib compare its checksum
    if (got > 0)
        return tnm_fail(err, TNM_EFORMAT, "%s: longer than the %llu bytes its header says",
                        file->path, (unsigned long long)(header + len));
    if (*complaint(file) != 0)
        return tnm_fail(err, TNM_EFORMAT, "%s%s", file->path, complaint(file));
    return true;
}

static bool read_images(struct data_set *set, const char *path, uint32_t *width, uint32_t *height,
                        struct tnm_error *err) {
    struct idx_file file;
    if (!idx_open(&file, path, err))
        return false;
    uint32_t dim[3] = {0};
    bool ok = idx_header(&file, IDX_IMAGES, dim, err);
    ok = ok && idx_body(&file, &set->pixel, (uint64_t)dim[0] * dim[1] * dim[2], 16, err);
    gzclose(file.gz);
    if (!ok)
        return false;
    set->n = dim[0];
    *height = dim[1];
    *width = dim[2];
    return true;
}

static bool read_labels(struct data_set *set, const char *path, const char *images,
                        uint32_t *n_classes, struct tnm_error *err) {
    struct idx_file file;
    if (!idx_open(&file, path, err))
        return false;
    uint32_t n = 0;
    uint8_t *byte = NULL;
    bool ok = idx_header(&file, IDX_LABELS, &n, err);
    if (ok && n != set->n)
        ok = tnm_fail(err, TNM_EFORMAT, "%s: %u labels for the %u images of %s", path, n, set->n,
                      images);
    ok = ok && idx_body(&file, &byte, n, 8, err);
    gzclose(file.gz);
    if (ok && (set->label = malloc((n > 0 ? n : 1) * sizeof *set->label)) == NULL)
        ok = tnm_fail_errno(err, ENOMEM, "%s", path);
    for (uint32_t i = 0; ok && i < n; i++) {
        set->label[i] = byte[i];
        if (byte[i] >= *n_classes)
            *n_classes = byte[i] + 1u;
    }
    free(byte);
    return ok;
}

bool idx_read(struct data_set *set, const char *images, const char *labels, uint32_t *width,
              uint32_t *height, uint32_t *n_classes, struct tnm_error *err) {
    *set = (struct data_set){0};
    if (read_images(set, images, width, height, err) &&
        read_labels(set, labels, images, n_classes, err))
        return true;
    free(set->pixel);
    free(set->label);
    *set = (struct data_set){0};
    return false;
}
