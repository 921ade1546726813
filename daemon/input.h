/* SPDX-License-Identifier: MIT */
// From the body of a request to the input of a model: the one way that all endpoints share.
//
//     body -> struct sent (a picture file, octets, or numbers) -> struct input (x, for one model)
//
// The second step may be taken several times, for models of different recipes. Functions that
// return false have put the refusal into reply. Each returns within the limits of the settings, and
// takes what it needs for decoding from the budget that all requests share.
#ifndef INPUT_H
#define INPUT_H

#include "daemon/body.h"
#include "daemon/picture.h"
#include "daemon/routes.h"

enum sent_kind {
    SENT_PICTURE, // bytes of a picture file
    SENT_OCTETS,  // a byte or a little-endian f32 a value, by their number; or a picture after all
    SENT_NUMBERS  // 0..255 a value
};

// What a body holds. bytes are borrowed from the request, or from json.
struct sent {
    enum sent_kind kind;
    struct bytes bytes;
    struct body_json json;
    size_t charged; // to api->decoding, until sent_free
};

// By Content-Type, else by looking. n_inputs: of the model that is asked first; it tells octets of
// no declared type from others, and JSON has to hold as many pixels.
bool sent_read(struct api *api, const struct request *request, size_t n_inputs, struct sent *sent,
               struct reply *reply);
void sent_free(struct api *api, struct sent *sent);

// The input of one model, and how it was made.
struct input {
    size_t n;
    float *x;               // (n,) 0..1
    uint8_t *pixel;         // (n,) of a picture or bytes: x * 255; else not set
    bool has_pixels;        // it is set
    const char *kind;       // "jpeg", "png", "pnm", "pixels", "u8" or "f32"
    struct picture picture; // sizes, without pixels; format PICTURE_UNKNOWN where there was none
    struct tnm_prepared did;
};

// Whether a model can take what was sent at all: a picture, or as many values as it has inputs.
bool input_fits(const struct sent *sent, const struct tnm_model *model);

// How many bytes an input of n values takes, a multiple of 16; and laying it out in so many,
// aligned to 16.
size_t input_bytes(size_t n);
void input_init(struct input *input, void *room, size_t n);

// Fills an input that input_init has made for the model's number of inputs.
bool input_make(struct api *api, const struct request *request, const struct sent *sent,
                const struct tnm_model *model, struct input *input, struct reply *reply);

// Writes `"input":{...}`, what was done. with_pixels: and what the network saw, 0..255 each.
void input_write(struct json_out *out, const struct input *input, bool with_pixels);
// `,"pixels":[...]`, 0..255 each.
void input_write_pixels(struct json_out *out, const float *x, size_t n);

// A share of the memory for decoding, to be given back with budget_give. False with 413 or 503.
bool input_take_memory(struct api *api, const struct request *request, size_t bytes,
                       struct reply *reply);

// Whether reading the body takes longer than an HTTP thread may be busy (SLOW_NS), by looking at it
// briefly: such requests belong on a worker.
bool input_is_slow(const struct api *api, const struct request *request);

#endif
