/* SPDX-License-Identifier: MIT */
// Fuzzes what reads an inference request: the first byte chooses, and says where the JSON ends.
#include "daemon/inflate.h"
#include "daemon/oip_request.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_values(const struct oip_request *request) {
    struct tensor_walk walk;
    struct tnm_error err;
    struct bytes value;
    float x[7];
    bool escaped;
    size_t batch;
    (void)!tensor_batch(&request->input, 784, &batch, &err);
    tensor_start(&walk, &request->input, &err);
    uint64_t n = tensor_count(&request->input);
    if (n > 4096)
        n = 4096;
    if (request->pictures) {
        for (; n > 0 && tensor_next_bytes(&walk, &value, &escaped); n--)
            if (escaped) {
                char *out = malloc(value.len);
                assert(out != NULL && json_unescape(value, out) <= value.len);
                free(out);
            }
    } else {
        for (; n >= 7 && tensor_next(&walk, 7, x); n -= 7)
            for (int i = 0; i < 7; i++)
                assert(isfinite(x[i]));
        if (n < 7 && !tensor_next(&walk, n, x))
            return;
    }
    if (n < 7)
        (void)!tensor_finish(&walk);
}

static void read_request(struct bytes all, size_t json_len) {
    struct oip_request request;
    struct tnm_error err;
    struct bytes tail = {0};
    if (json_len <= all.len)
        tail = (struct bytes){all.at + json_len, all.len - json_len};
    else
        json_len = all.len;
    if (oip_request_parse((struct bytes){all.at, json_len}, tail, &request, &err))
        read_values(&request);
}

// What is JSON walked over once must be JSON walked over twice.
static void walk_over(struct bytes text) {
    struct json_in in;
    struct tnm_error err;
    struct bytes value, again;
    json_in_start(&in, text, &err);
    if (!json_in_skip(&in, &value) || !json_in_end(&in))
        return;
    json_in_start(&in, value, &err);
    assert(json_in_skip(&in, &again) && json_in_end(&in) && again.len == value.len);
}

static void unpack(const char *encoding, struct bytes packed) {
    struct tnm_error err;
    size_t size = inflate_bound(packed.len, 100000), n;
    uint8_t *out = malloc(size + 1);
    assert(out != NULL);
    (void)!inflate_body(encoding, packed, out, size, &n, &err);
    assert(n <= size);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < 3)
        return 0;
    size_t n = len - 3;
    uint8_t *copy = malloc(n + 1); // its own block, so that the sanitizer sees each byte beyond
    assert(copy != NULL);
    uint8_t *at = realloc(copy, n > 0 ? n : 1);
    assert(at != NULL);
    memcpy(at, data + 3, n);
    struct bytes text = {at, n};
    switch (data[0] % 4) {
    case 0:
        walk_over(text);
        break;
    case 1:
        unpack(data[1] % 2 ? "gzip" : "deflate", text);
        break;
    default:
        read_request(text, load_u16(data + 1));
    }
    free(at);
    return 0;
}
