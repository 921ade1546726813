/* SPDX-License-Identifier: MIT */
// Reading and writing byte streams.
#include "core/stream.h"

#include "core/error.h"
#include "core/meta.h"

#include <math.h>
#include <stdlib.h>

// ---- Reading -----------------------------------------------------------------------------------

size_t tnm_stream_left(const struct tnm_stream *s) {
    return s->in.len - s->at;
}

const uint8_t *tnm_stream_bytes(struct tnm_stream *s, const char *name, uint64_t len) {
    struct bytes part;
    if (s->failed)
        return NULL;
    if (!bytes_slice(s->in, s->at, len, &part)) {
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "ends within %s", name);
        return NULL;
    }
    s->at += part.len;
    return part.at;
}

// Seven bits a byte, lowest first; a set top bit says that more follow.
static uint64_t leb128(struct tnm_stream *s, const char *name) {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        const uint8_t *byte = tnm_stream_bytes(s, name, 1);
        if (byte == NULL)
            return 0;
        if (shift == 63 && *byte > 1) {
            s->failed = !tnm_fail(s->err, TNM_EFORMAT, "%s has more than 64 bits", name);
            return 0;
        }
        value |= (uint64_t)(*byte & 0x7f) << shift;
        if (*byte == 0 && shift > 0) {
            s->failed = !tnm_fail(s->err, TNM_EFORMAT, "%s is not in its shortest form", name);
            return 0;
        }
        if (*byte < 0x80)
            return value;
    }
}

uint64_t tnm_stream_number(struct tnm_stream *s, const char *name, uint64_t least, uint64_t most) {
    uint64_t value = leb128(s, name);
    if (s->failed || (value >= least && value <= most))
        return value;
    s->failed =
        !tnm_fail(s->err, TNM_EFORMAT, "%s is %llu, not %llu to %llu", name,
                  (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
    return 0;
}

uint32_t tnm_stream_u32(struct tnm_stream *s, const char *name, uint32_t least, uint32_t most) {
    return (uint32_t)tnm_stream_number(s, name, least, most);
}

float tnm_stream_f32(struct tnm_stream *s, const char *name, float least) {
    const uint8_t *at = tnm_stream_bytes(s, name, 4);
    if (at == NULL)
        return 0;
    float value = load_f32(at);
    if (isfinite(value) && value >= least)
        return value;
    s->failed =
        !(isfinite(value) ? tnm_fail(s->err, TNM_EFORMAT, "%s is %g, below %g", name, value, least)
                          : tnm_fail(s->err, TNM_EFORMAT, "%s is not finite", name));
    return 0;
}

static void copy_text(struct tnm_stream *s, const char *name, char *out, uint64_t len, size_t least,
                      size_t most) {
    *out = 0;
    if (!s->failed && (len < least || len > most))
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "%s has %llu bytes, not %zu to %zu", name,
                              (unsigned long long)len, least, most);
    const uint8_t *text = tnm_stream_bytes(s, name, len);
    if (text == NULL)
        return;
    if (!tnm_text_valid((const char *)text, (size_t)len)) {
        s->failed =
            !tnm_fail(s->err, TNM_EFORMAT, "%s is not UTF-8 text without control characters", name);
        return;
    }
    memcpy(out, text, (size_t)len);
    out[len] = 0;
}

void tnm_stream_text(struct tnm_stream *s, const char *name, char *out, size_t least, size_t most) {
    uint64_t len = leb128(s, name);
    copy_text(s, name, out, len, least, most);
}

void tnm_stream_rest(struct tnm_stream *s, const char *name, char *out, size_t least, size_t most) {
    copy_text(s, name, out, tnm_stream_left(s), least, most);
}

bool tnm_stream_end(struct tnm_stream *s) {
    if (!s->failed && tnm_stream_left(s) > 0)
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "left over at its end: %zu", tnm_stream_left(s));
    return !s->failed;
}

// ---- Writing -----------------------------------------------------------------------------------

static bool grow(struct tnm_sink *s, size_t more) {
    if (s->failed || more <= s->room - s->len)
        return !s->failed;
    size_t room = s->room < 256 ? 256 : s->room;
    while (more > room - s->len && room <= SIZE_MAX / 2)
        room *= 2;
    uint8_t *grown = more > room - s->len ? NULL : realloc(s->at, room);
    s->failed = grown == NULL;
    if (grown != NULL) {
        s->at = grown;
        s->room = room;
    }
    return grown != NULL;
}

void tnm_sink_bytes(struct tnm_sink *s, const void *bytes, size_t len) {
    if (len == 0 || !grow(s, len))
        return;
    if (bytes != NULL)
        memcpy(s->at + s->len, bytes, len);
    else
        memset(s->at + s->len, 0, len);
    s->len += len;
}

void tnm_sink_number(struct tnm_sink *s, uint64_t value) {
    uint8_t byte[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        byte[n++] = (uint8_t)(value | 0x80);
    byte[n++] = (uint8_t)value;
    tnm_sink_bytes(s, byte, n);
}

void tnm_sink_f32(struct tnm_sink *s, float value) {
    uint8_t byte[4];
    store_f32(byte, value);
    tnm_sink_bytes(s, byte, sizeof byte);
}

void tnm_sink_text(struct tnm_sink *s, const char *text) {
    size_t len = strlen(text);
    tnm_sink_number(s, len);
    tnm_sink_bytes(s, text, len);
}

void tnm_sink_align(struct tnm_sink *s, size_t multiple) {
    tnm_sink_bytes(s, NULL, (multiple - s->len % multiple) % multiple);
}

void tnm_sink_free(struct tnm_sink *s) {
    free(s->at);
    *s = (struct tnm_sink){0};
}
