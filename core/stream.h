/* SPDX-License-Identifier: MIT */
// Reading and writing the byte streams of a .tnm file: LEB128 whole numbers, floats, text.
#ifndef TNM_STREAM_H
#define TNM_STREAM_H

#include "core/bytes.h"
#include "core/tnm.h"

// ---- Reading -----------------------------------------------------------------------------------

// A place in some bytes. The first failure is written to err and sticks: what is read after it is 0
// or NULL, so that a record can be read in one go and asked once.
struct tnm_stream {
    struct bytes in;
    size_t at;
    struct tnm_error *err;
    bool failed;
};

// A whole number of least..most. name says in errors what it is.
uint64_t tnm_stream_number(struct tnm_stream *s, const char *name, uint64_t least, uint64_t most);

// The same, where most is below 2^32.
uint32_t tnm_stream_u32(struct tnm_stream *s, const char *name, uint32_t least, uint32_t most);

// A float that is finite and at least least.
float tnm_stream_f32(struct tnm_stream *s, const char *name, float least);

// len bytes, borrowed from the stream.
const uint8_t *tnm_stream_bytes(struct tnm_stream *s, const char *name, uint64_t len);

// A length and as much text, of least..most bytes, into out[most + 1].
void tnm_stream_text(struct tnm_stream *s, const char *name, char *out, size_t least, size_t most);

// The same without a length in front: all that is left.
void tnm_stream_rest(struct tnm_stream *s, const char *name, char *out, size_t least, size_t most);

size_t tnm_stream_left(const struct tnm_stream *s);

// Fails where bytes are left over. Returns whether all went well.
bool tnm_stream_end(struct tnm_stream *s);

// ---- Writing -----------------------------------------------------------------------------------

// Bytes that grow. Running out of memory sticks in failed; nothing is written after it.
struct tnm_sink {
    uint8_t *at; // owned
    size_t len, room;
    bool failed;
};

void tnm_sink_bytes(struct tnm_sink *s, const void *bytes, size_t len); // NULL: zeros
void tnm_sink_number(struct tnm_sink *s, uint64_t value);
void tnm_sink_f32(struct tnm_sink *s, float value);
void tnm_sink_text(struct tnm_sink *s, const char *text); // length, then text
void tnm_sink_align(struct tnm_sink *s, size_t multiple); // zeros up to it
void tnm_sink_free(struct tnm_sink *s);

#endif
