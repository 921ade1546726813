/* SPDX-License-Identifier: MIT */
// The JSON that carries a picture: {"image": base64} or {"pixels": [...]}.
#include "daemon/body.h"

#include <jansson.h>
#include <stdlib.h>

// How many values a JSON text can hold at most, counted without parsing: each value but the first
// has one of these in front. Bytes inside strings count too, which only makes it stricter; base64
// has none of them.
static size_t most_values(struct bytes body) {
    size_t n = 1;
    for (size_t i = 0; i < body.len; i++)
        n += body.at[i] == ',' || body.at[i] == '[' || body.at[i] == '{';
    return n;
}

static bool read_image(const json_t *text, struct body_json *out, struct tnm_error *err) {
    struct bytes base64 = {(const uint8_t *)json_string_value(text), json_string_length(text)};
    out->image = malloc(base64.len / 4 * 3 + 3);
    if (out->image == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory for a picture");
    return base64_decode(base64, out->image, &out->image_len, err);
}

static bool read_pixels(const json_t *array, size_t n, struct body_json *out,
                        struct tnm_error *err) {
    if (json_array_size(array) != n)
        return tnm_fail(err, TNM_EINPUT, "\"pixels\" has %zu numbers, the model takes %zu",
                        json_array_size(array), n);
    out->pixels = calloc(n, sizeof *out->pixels);
    if (out->pixels == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory for %zu pixels", n);
    out->n_pixels = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        double number = json_is_number(value) ? json_number_value(value) : -1;
        if (!(number >= 0 && number <= 255))
            return tnm_fail(err, TNM_EINPUT, "\"pixels\"[%zu] is not a number from 0 to 255", i);
        out->pixels[i] = (float)number;
    }
    return true;
}

bool body_json_parse(struct bytes body, size_t n_pixels, struct body_json *out,
                     struct tnm_error *err) {
    *out = (struct body_json){0};
    if (most_values(body) > n_pixels + 1000)
        return tnm_fail(err, TNM_EINPUT, "JSON of more values than the model's %zu pixels need",
                        n_pixels);
    json_error_t fault;
    json_t *root = json_loadb((const char *)body.at, body.len, JSON_REJECT_DUPLICATES, &fault);
    if (root == NULL)
        return tnm_fail(err, TNM_EINPUT, "JSON, line %d, column %d: %s", fault.line, fault.column,
                        fault.text);
    const json_t *image = json_object_get(root, "image"), *pixels = json_object_get(root, "pixels");
    bool ok = false;
    if (json_is_string(image) && pixels == NULL)
        ok = read_image(image, out, err);
    else if (json_is_array(pixels) && image == NULL)
        ok = read_pixels(pixels, n_pixels, out, err);
    else
        tnm_fail(err, TNM_EINPUT,
                 "JSON is not an object with \"image\" (base64) or \"pixels\" (an array)");
    json_decref(root);
    if (!ok)
        body_json_free(out);
    return ok;
}

void body_json_free(struct body_json *json) {
    free(json->image);
    free(json->pixels);
    *json = (struct body_json){0};
}
