/* SPDX-License-Identifier: MIT */
// Encoding a model, and putting a file in its place.
#include "core/save.h"

#include "core/checksum.h"
#include "core/error.h"
#include "core/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BEHIND = 64 // zero bytes that tnm_model_parse wants behind the last
};

// ---- Encoding ----------------------------------------------------------------------------------

static void put_entry(struct tnm_sink *file, unsigned kind) {
    uint8_t entry[TNM_ENTRY_BYTES] = {0};
    store_u16(entry, (uint16_t)kind);
    tnm_sink_bytes(file, entry, sizeof entry);
}

// Whether an array stands in DATA.
static bool has_arrays(const struct tnm_graph *graph) {
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        for (uint32_t k = 0; k < graph->node[i].n_weights; k++)
            if (!graph->node[i].w[k].packed)
                return true;
    return false;
}

// Which sections there are, in their order.
static unsigned choose_sections(const struct tnm_graph *graph, const struct tnm_meta *meta,
                                unsigned kind[TNM_SECTIONS]) {
    unsigned n = 0;
    if (!graph->coded) {
        kind[n++] = TNM_META;
        kind[n++] = TNM_GRAPH;
        if (meta->self_test.n_cases > 0)
            kind[n++] = TNM_SELF_TEST;
    }
    if (!graph->coded || has_arrays(graph))
        kind[n++] = TNM_DATA;
    if (graph->coded)
        kind[n++] = TNM_CODED;
    return n;
}

static void put_header(struct tnm_sink *file, const unsigned *kind, unsigned n) {
    uint8_t header[TNM_HEADER_BYTES] = TNM_MAGIC;
    store_u16(header + TNM_AT_VERSION, TNM_FORMAT_VERSION);
    store_u16(header + TNM_AT_SECTIONS, (uint16_t)n);
    tnm_sink_bytes(file, header, sizeof header);
    for (unsigned i = 0; i < n; i++)
        put_entry(file, kind[i]);
}

static bool put_section(struct tnm_sink *file, unsigned kind, const struct tnm_graph *graph,
                        const struct tnm_meta *meta, struct tnm_error *err) {
    if (kind == TNM_META)
        tnm_write_meta(file, meta);
    else if (kind == TNM_GRAPH)
        tnm_write_graph(file, graph);
    else if (kind == TNM_SELF_TEST)
        tnm_write_self_test(file, &meta->self_test);
    else if (kind == TNM_DATA)
        tnm_write_data(file, graph);
    return kind != TNM_CODED || tnm_write_coded(file, graph, meta, err);
}

// Writes the length of the section that begins at start and ends here into its entry.
static bool close_section(struct tnm_sink *file, unsigned entry, size_t start,
                          struct tnm_error *err) {
    size_t len = file->len - start;
    if (file->failed)
        return tnm_fail_errno(err, ENOMEM, "file of %zu bytes", file->len);
    if (len > UINT32_MAX)
        return tnm_fail(err, TNM_ELIMIT, "a section of %zu bytes, at most %u", len, UINT32_MAX);
    store_u32(file->at + TNM_HEADER_BYTES + entry * TNM_ENTRY_BYTES + TNM_AT_LENGTH, (uint32_t)len);
    return true;
}

static bool put_sections(struct tnm_sink *file, const struct tnm_graph *graph,
                         const struct tnm_meta *meta, struct tnm_error *err) {
    unsigned kind[TNM_SECTIONS], n = choose_sections(graph, meta, kind);
    put_header(file, kind, n);
    for (unsigned i = 0; i < n; i++) {
        size_t start = file->len;
        if (!put_section(file, kind[i], graph, meta, err) || !close_section(file, i, start, err))
            return false;
    }
    return true;
}

// What was written is read back: the reader's rules are the writer's.
static bool read_back(struct tnm_sink *file, struct tnm_error *err) {
    size_t len = file->len;
    tnm_sink_bytes(file, NULL, BEHIND);
    if (file->failed)
        return tnm_fail_errno(err, ENOMEM, "file of %zu bytes", len);
    file->len = len;
    struct tnm_model model = {.bytes = file->at, .len = len, .limits = {SIZE_MAX, SIZE_MAX}};
    bool ok = tnm_model_parse(&model, err);
    tnm_model_clear(&model);
    return ok;
}

static bool check_matrices(const struct tnm_graph *graph, struct tnm_error *err) {
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        for (uint32_t k = 0; k < graph->node[i].n_weights; k++) {
            const struct tnm_matrix *m = &graph->node[i].w[k];
            if (!tnm_matrix_check_sizes(m, err) || !tnm_matrix_check_arrays(m, err))
                return tnm_fail_in(err, "node %u \"%s\"", i, graph->node[i].name);
        }
    return true;
}

bool tnm_encode(const struct tnm_graph *graph, const struct tnm_meta *meta, uint8_t **bytes,
                size_t *len, struct tnm_error *err) {
    struct tnm_sink file = {0};
    *bytes = NULL;
    *len = 0;
    if (!tnm_graph_check(graph, err) || !check_matrices(graph, err))
        return false;
    if (put_sections(&file, graph, meta, err)) {
        store_u32(file.at + TNM_AT_CRC, tnm_crc32(0, file.at, file.len));
        if (read_back(&file, err)) {
            *bytes = file.at;
            *len = file.len;
            return true;
        }
    }
    tnm_sink_free(&file);
    return false;
}

// ---- Putting a file in its place ---------------------------------------------------------------

static bool write_all(int fd, const uint8_t *at, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return true;
}

// Creates path.N, N being the first number that is free.
static int create(char *name, size_t room, const char *path) {
    int fd = -1;
    for (unsigned i = 0; fd < 0 && i < 1000; i++) {
        snprintf(name, room, "%s.%ld-%u", path, (long)getpid(), i);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

// A file that is replaced keeps its mode.
static bool keep_mode(int fd, const char *path) {
    struct stat st;
    return stat(path, &st) != 0 || fchmod(fd, st.st_mode & 0777) == 0;
}

static bool write_temporary(const char *name, int fd, const char *path, const void *bytes,
                            size_t len, struct tnm_error *err) {
    bool ok = write_all(fd, bytes, len) && keep_mode(fd, path) && fsync(fd) == 0;
    int number = errno;
    if (close(fd) != 0 && ok) {
        number = errno;
        ok = false;
    }
    if (!ok)
        return tnm_fail_errno(err, number, "%s: cannot be written", name);
    return true;
}

static int open_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *name = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int fd = name == NULL ? -1 : open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(name);
    return fd;
}

static bool put_in_place(char *name, size_t room, const char *path, int folder, const void *bytes,
                         size_t len, struct tnm_error *err) {
    int fd = create(name, room, path);
    if (fd < 0)
        return tnm_fail_errno(err, errno, "%s: cannot be created", name);
    if (write_temporary(name, fd, path, bytes, len, err)) {
        if (rename(name, path) != 0)
            tnm_fail_errno(err, errno, "%s: cannot be replaced", path);
        else // some file systems cannot sync a folder, and say EINVAL
            return fsync(folder) == 0 || errno == EINVAL ||
                   tnm_fail_errno(err, errno, "%s: its folder cannot be synced", path);
    }
    unlink(name);
    return false;
}

bool tnm_write_file(const char *path, const void *bytes, size_t len, struct tnm_error *err) {
    size_t room = strlen(path) + 40;
    int folder = open_folder(path);
    if (folder < 0)
        return tnm_fail_errno(err, errno, "%s: its folder cannot be opened", path);
    char *name = malloc(room);
    bool ok = name != NULL ? put_in_place(name, room, path, folder, bytes, len, err)
                           : tnm_fail_errno(err, ENOMEM, "%s", path);
    free(name);
    close(folder);
    return ok;
}

bool tnm_save(const char *path, const struct tnm_graph *graph, const struct tnm_meta *meta,
              struct tnm_error *err) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (!tnm_encode(graph, meta, &bytes, &len, err))
        return tnm_fail_in(err, "%s", path);
    bool ok = tnm_write_file(path, bytes, len, err);
    free(bytes);
    return ok;
}
