/* SPDX-License-Identifier: MIT */
// Writes tests/data/good and tests/data/bad: make test-data. A test finds files that are stale.
#include "core/save.h"
#include "tests/bad.h"

#include <stdio.h>
#include <stdlib.h>

static void write(const char *folder, const char *name, uint8_t *bytes, size_t len) {
    struct tnm_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!tnm_write_file(path, bytes, len, &err)) {
        fprintf(stderr, "make_samples: %s\n", err.text);
        exit(1);
    }
    free(bytes);
}

int main(void) {
    char name[64];
    size_t len;
    for (enum sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
        uint8_t *bytes = sample_bytes(kind, &len);
        snprintf(name, sizeof name, "%s.tnm", sample_name(kind));
        write("tests/data/good", name, bytes, len);
    }
    for (size_t i = 0; i < n_bad_files; i++) {
        uint8_t *bytes = bad_bytes(&bad_file[i], &len);
        bad_name(&bad_file[i], name);
        write("tests/data/bad", name, bytes, len);
    }
    return 0;
}
