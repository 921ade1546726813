/* SPDX-License-Identifier: MIT */
// Where training stands after an epoch, in a file.
#include "models/checkpoint.h"

#include "core/checksum.h"
#include "core/error.h"
#include "core/save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A file is this, the parts, and the SHA-256 of both.
struct head {
    char magic[8];
    uint8_t key[32];
    uint32_t stage, n;
    uint64_t len; // of the parts
};

enum { SUM = 32 };

static const char magic[8] = "tnmpart";

static struct head head_of(const struct checkpoint *c, const struct checkpoint_part *part,
                           uint32_t n) {
    struct head head = {.stage = c->stage, .n = n};
    memcpy(head.magic, magic, sizeof magic);
    memcpy(head.key, c->key, sizeof head.key);
    for (uint32_t i = 0; i < n; i++)
        head.len += part[i].len;
    return head;
}

bool checkpoint_open(struct checkpoint *c, const char *output, const char *text, bool resume,
                     struct tnm_error *err) {
    size_t size = strlen(output) + sizeof ".part";
    *c = (struct checkpoint){.path = malloc(size), .resume = resume};
    if (c->path == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", output);
    snprintf(c->path, size, "%s.part", output);
    tnm_sha256(text, strlen(text), c->key);
    return true;
}

void checkpoint_close(struct checkpoint *c, bool over) {
    if (over && c->path != NULL)
        (void)unlink(c->path);
    free(c->path);
    *c = (struct checkpoint){0};
}

// ---- Saving ------------------------------------------------------------------------------------

bool checkpoint_save(const struct checkpoint *c, const struct checkpoint_part *part, uint32_t n,
                     struct tnm_error *err) {
    struct head head = head_of(c, part, n);
    size_t len = sizeof head + (size_t)head.len, at = sizeof head;
    uint8_t *bytes = malloc(len + SUM);
    if (bytes == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", c->path);
    memcpy(bytes, &head, sizeof head);
    for (uint32_t i = 0; i < n; at += part[i++].len)
        if (part[i].len > 0)
            memcpy(bytes + at, part[i].at, part[i].len);
    tnm_sha256(bytes, len, bytes + len);
    bool ok = tnm_write_file(c->path, bytes, len + SUM, err);
    free(bytes);
    return ok;
}

// ---- Loading -----------------------------------------------------------------------------------

// The whole file, to be freed by the caller; *bytes stays NULL where there is none.
static bool read_all(const char *path, uint8_t **bytes, size_t *len, struct tnm_error *err) {
    FILE *file = fopen(path, "rb");
    long size = -1;
    if (file == NULL)
        return errno == ENOENT || tnm_fail_errno(err, errno, "%s", path);
    if (fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    rewind(file);
    *bytes = malloc(size > 0 ? (size_t)size : 1);
    *len = size > 0 ? (size_t)size : 0;
    bool ok = *bytes != NULL && size >= 0 && fread(*bytes, 1, *len, file) == *len;
    if (!ok)
        tnm_fail_errno(err, *bytes == NULL ? ENOMEM : EIO, "%s", path);
    fclose(file);
    return ok;
}

static bool is_whole(const uint8_t *bytes, size_t len) {
    uint8_t sum[SUM];
    if (len < sizeof(struct head) + SUM || memcmp(bytes, magic, sizeof magic) != 0)
        return false;
    tnm_sha256(bytes, len - SUM, sum);
    return memcmp(sum, bytes + len - SUM, SUM) == 0;
}

static enum checkpoint_found take(const struct checkpoint *c, const uint8_t *bytes, size_t len,
                                  const struct checkpoint_part *part, uint32_t n,
                                  struct tnm_error *err) {
    struct head head, want = head_of(c, part, n);
    if (!is_whole(bytes, len))
        return tnm_fail(err, TNM_EINPUT, "%s is damaged", c->path), CHECKPOINT_BROKEN;
    memcpy(&head, bytes, sizeof head);
    bool same = memcmp(head.key, want.key, sizeof head.key) == 0;
    if (same && head.stage > c->stage)
        return CHECKPOINT_LATER;
    if (!same || head.stage < c->stage || head.n != n || head.len != want.len ||
        len != sizeof head + head.len + SUM)
        return tnm_fail(err, TNM_EINPUT,
                        "%s is of another run: other options, data or start; without --resume it "
                        "is written over",
                        c->path),
               CHECKPOINT_BROKEN;
    size_t at = sizeof head;
    for (uint32_t i = 0; i < n; at += part[i++].len)
        if (part[i].len > 0)
            memcpy(part[i].at, bytes + at, part[i].len);
    return CHECKPOINT_HERE;
}

enum checkpoint_found checkpoint_load(struct checkpoint *c, const struct checkpoint_part *part,
                                      uint32_t n, struct tnm_error *err) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (!c->resume)
        return CHECKPOINT_NONE;
    enum checkpoint_found found = CHECKPOINT_NONE;
    if (!read_all(c->path, &bytes, &len, err))
        found = CHECKPOINT_BROKEN;
    else if (bytes != NULL)
        found = take(c, bytes, len, part, n, err);
    c->resume = found == CHECKPOINT_LATER;
    free(bytes);
    return found;
}
