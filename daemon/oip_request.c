/* SPDX-License-Identifier: MIT */
// The body of an inference request.
#include "daemon/oip_request.h"

#include <math.h>

const char *const oip_output_name[N_OIP_OUTPUTS] = {"probabilities", "logits", "label"};

enum { MAX_KEY = 32 };

// What is known of a request while its JSON is read.
struct reader {
    struct json_in in;
    struct oip_request *out;
    struct tnm_error *err;
    bool all_binary;      // binary_data_output
    bool is_picture_name; // the input is called jpeg
    bool has_raw;         // the input has binary_data_size
    double raw_size;
    unsigned seen; // of enum key, in the object that is read
};

enum key {
    KEY_ID = 1,
    KEY_PARAMETERS = 2,
    KEY_INPUTS = 4,
    KEY_OUTPUTS = 8,
    KEY_NAME = 16,
    KEY_SHAPE = 32,
    KEY_DATATYPE = 64,
    KEY_DATA = 128
};

// Twice the same key is how two readers come to read two things.
static bool is_key(struct reader *reader, const char *key, const char *wanted, enum key bit) {
    if (strcmp(key, wanted) != 0)
        return false;
    if (reader->seen & bit)
        json_in_fail(&reader->in, "\"%s\" twice", wanted);
    reader->seen |= bit;
    return true;
}

// A short string without escapes; "" for any other.
static bool read_word(struct reader *reader, char word[MAX_KEY]) {
    struct bytes text;
    if (!json_in_string(&reader->in, &text))
        return false;
    size_t len = text.len < MAX_KEY ? text.len : 0;
    memcpy(word, text.at, len);
    word[len] = 0;
    return true;
}

static bool read_whole(struct reader *reader, double most, double *value) {
    if (!json_in_number(&reader->in, value))
        return false;
    return (*value >= 0 && *value <= most && *value == floor(*value)) ||
           json_in_fail(&reader->in, "not a whole number from 0 to %.0f", most);
}

static bool refuse_shared_memory(struct reader *reader) {
    reader->in.failed = true;
    return tnm_fail(reader->err, TNM_EUNSUPPORTED, "shared memory is not offered here");
}

// ---- Inputs ------------------------------------------------------------------------------------

static bool read_input_parameters(struct reader *reader) {
    char key[MAX_KEY];
    if (!json_in_enter(&reader->in, '{'))
        return false;
    while (json_in_member(&reader->in, key, sizeof key)) {
        if (strncmp(key, "shared_memory", 13) == 0)
            return refuse_shared_memory(reader);
        if (strcmp(key, "binary_data_size") == 0)
            reader->has_raw = read_whole(reader, 0x1p53, &reader->raw_size);
        else
            json_in_skip(&reader->in, NULL);
    }
    return !reader->in.failed;
}

static bool read_shape(struct reader *reader) {
    struct tensor *input = &reader->out->input;
    double dim;
    if (!json_in_enter(&reader->in, '['))
        return false;
    while (json_in_element(&reader->in)) {
        if (input->n_dims == TENSOR_MAX_DIMS)
            return json_in_fail(&reader->in, "more than %d dimensions", TENSOR_MAX_DIMS);
        if (!read_whole(reader, 0x1p32, &dim))
            return false;
        input->dim[input->n_dims++] = (uint64_t)dim;
    }
    return !reader->in.failed;
}

static bool read_input_name(struct reader *reader) {
    char name[MAX_KEY];
    if (!read_word(reader, name))
        return false;
    reader->is_picture_name = strcmp(name, OIP_JPEG) == 0;
    return reader->is_picture_name || strcmp(name, OIP_IMAGE) == 0 ||
           json_in_fail(&reader->in, "no such input; there are \"%s\" and \"%s\"", OIP_IMAGE,
                        OIP_JPEG);
}

static bool read_datatype(struct reader *reader) {
    char name[MAX_KEY];
    return read_word(reader, name) &&
           (tensor_type_find(name, &reader->out->input.type) ||
            json_in_fail(&reader->in, "no such datatype as \"%s\"", name));
}

static bool read_input(struct reader *reader) {
    char key[MAX_KEY];
    struct json_in *in = &reader->in;
    if (!json_in_enter(in, '{'))
        return false;
    while (json_in_member(in, key, sizeof key))
        if (is_key(reader, key, "name", KEY_NAME))
            read_input_name(reader);
        else if (is_key(reader, key, "shape", KEY_SHAPE))
            read_shape(reader);
        else if (is_key(reader, key, "datatype", KEY_DATATYPE))
            read_datatype(reader);
        else if (is_key(reader, key, "data", KEY_DATA))
            json_in_skip(in, &reader->out->input.text);
        else if (is_key(reader, key, "parameters", KEY_PARAMETERS))
            read_input_parameters(reader);
        else
            json_in_skip(in, NULL);
    const unsigned needed = KEY_NAME | KEY_SHAPE | KEY_DATATYPE;
    return !in->failed && ((reader->seen & needed) == needed ||
                           json_in_fail(in, "an input has a name, a shape, and a datatype"));
}

// Exactly one: the same network cannot be asked twice in one request but by a batch.
static bool read_inputs(struct reader *reader) {
    struct json_in *in = &reader->in;
    const unsigned outer = reader->seen;
    if (!json_in_enter(in, '['))
        return false;
    for (unsigned n = 0; json_in_element(in); n++) {
        reader->seen = 0;
        if (n > 0)
            return json_in_fail(in, "more than one input; several pictures are a batch of one");
        if (!read_input(reader))
            return false;
    }
    if (!in->failed && !(reader->seen & KEY_NAME))
        return json_in_fail(in, "no input");
    reader->seen = outer;
    return !in->failed;
}

// ---- Outputs -----------------------------------------------------------------------------------

static bool read_output_name(struct reader *reader, struct oip_wanted *wanted) {
    char name[MAX_KEY];
    const struct oip_request *out = reader->out;
    if (!read_word(reader, name))
        return false;
    for (unsigned i = 0; i < N_OIP_OUTPUTS; i++)
        if (strcmp(name, oip_output_name[i]) == 0) {
            wanted->output = (enum oip_output)i;
            for (unsigned k = 0; k < out->n_wanted; k++)
                if (out->wanted[k].output == wanted->output)
                    return json_in_fail(&reader->in, "output \"%s\" twice", name);
            return true;
        }
    return json_in_fail(&reader->in, "no such output; there are probabilities, logits, label");
}

static bool read_output_parameters(struct reader *reader, struct oip_wanted *wanted) {
    char key[MAX_KEY];
    double classes;
    if (!json_in_enter(&reader->in, '{'))
        return false;
    while (json_in_member(&reader->in, key, sizeof key)) {
        if (strncmp(key, "shared_memory", 13) == 0)
            return refuse_shared_memory(reader);
        if (strcmp(key, "binary_data") == 0)
            json_in_bool(&reader->in, &wanted->binary);
        else if (strcmp(key, "classification") == 0 && read_whole(reader, 0x1p31, &classes))
            wanted->classes = (unsigned)classes;
        else
            json_in_skip(&reader->in, NULL);
    }
    return !reader->in.failed;
}

static bool read_output(struct reader *reader, struct oip_wanted *wanted) {
    char key[MAX_KEY];
    struct json_in *in = &reader->in;
    reader->seen = 0;
    if (!json_in_enter(in, '{'))
        return false;
    while (json_in_member(in, key, sizeof key))
        if (is_key(reader, key, "name", KEY_NAME))
            read_output_name(reader, wanted);
        else if (is_key(reader, key, "parameters", KEY_PARAMETERS))
            read_output_parameters(reader, wanted);
        else
            json_in_skip(in, NULL);
    if (!in->failed && !(reader->seen & KEY_NAME))
        return json_in_fail(in, "an output has a name");
    if (!in->failed && wanted->classes > 0 && wanted->output == OIP_LABEL)
        return json_in_fail(in, "classification is of probabilities or logits");
    return !in->failed;
}

// `parameters` may come before or behind: binary_data_output counts for those that say nothing.
static bool read_outputs(struct reader *reader) {
    struct oip_request *out = reader->out;
    const unsigned outer = reader->seen;
    if (!json_in_enter(&reader->in, '['))
        return false;
    while (json_in_element(&reader->in)) {
        struct oip_wanted wanted = {.binary = reader->all_binary};
        if (!read_output(reader, &wanted))
            return false;
        out->wanted[out->n_wanted++] = wanted; // names differ, so that there is room
    }
    reader->seen = outer;
    return !reader->in.failed;
}

// ---- The whole ---------------------------------------------------------------------------------

static bool read_parameters(struct reader *reader) {
    char key[MAX_KEY];
    if (!json_in_enter(&reader->in, '{'))
        return false;
    while (json_in_member(&reader->in, key, sizeof key))
        if (strcmp(key, "binary_data_output") == 0)
            json_in_bool(&reader->in, &reader->all_binary);
        else
            json_in_skip(&reader->in, NULL);
    return !reader->in.failed;
}

static bool read_id(struct reader *reader) {
    struct bytes *id = &reader->out->id;
    return json_in_string(&reader->in, id) &&
           (id->len <= OIP_MAX_ID ||
            json_in_fail(&reader->in, "an id of more than %d bytes", OIP_MAX_ID));
}

static bool read_request(struct reader *reader, struct bytes json) {
    char key[MAX_KEY];
    struct json_in *in = &reader->in, outputs = {0};
    struct bytes text = {0};
    json_in_start(in, json, reader->err);
    if (!json_in_enter(in, '{'))
        return false;
    while (json_in_member(in, key, sizeof key))
        if (is_key(reader, key, "id", KEY_ID))
            read_id(reader);
        else if (is_key(reader, key, "parameters", KEY_PARAMETERS))
            read_parameters(reader);
        else if (is_key(reader, key, "inputs", KEY_INPUTS))
            read_inputs(reader);
        else if (is_key(reader, key, "outputs", KEY_OUTPUTS))
            outputs = *in, json_in_skip(in, &text);
        else
            json_in_skip(in, NULL);
    if (!json_in_end(in))
        return false;
    if (!(reader->seen & KEY_INPUTS))
        return json_in_fail(in, "no \"inputs\"");
    if (text.at == NULL)
        return true;
    reader->in = outputs;
    return read_outputs(reader);
}

static void want_all(struct oip_request *out, bool binary) {
    for (unsigned i = 0; i < N_OIP_OUTPUTS; i++)
        out->wanted[i] = (struct oip_wanted){(enum oip_output)i, binary, 0};
    out->n_wanted = N_OIP_OUTPUTS;
}

// Which bytes of the tail are the input's: all of them.
static bool take_tail(struct reader *reader, struct bytes tail) {
    struct tensor *input = &reader->out->input;
    const bool has_text = input->text.at != NULL;
    if (has_text && (reader->has_raw || tail.len > 0))
        return tnm_fail(reader->err, TNM_EINPUT, "the input has both \"data\" and bytes");
    if (has_text)
        return true;
    if (tail.at == NULL)
        return tnm_fail(reader->err, TNM_EINPUT,
                        "the input has no \"data\", and no Inference-Header-Content-Length says "
                        "where its bytes begin");
    if (reader->has_raw && reader->raw_size != (double)tail.len)
        return tnm_fail(reader->err, TNM_EINPUT,
                        "binary_data_size is %.0f, and %zu bytes follow the JSON", reader->raw_size,
                        tail.len);
    input->raw = tail;
    return true;
}

bool oip_request_parse(struct bytes json, struct bytes tail, struct oip_request *out,
                       struct tnm_error *err) {
    struct reader reader = {.out = out, .err = err};
    *out = (struct oip_request){0};
    if (!read_request(&reader, json) || !take_tail(&reader, tail))
        return false;
    out->pictures = out->input.type == TENSOR_BYTES;
    if (reader.is_picture_name && !out->pictures)
        return tnm_fail(err, TNM_EINPUT, "input \"%s\" is of datatype BYTES", OIP_JPEG);
    if (out->n_wanted == 0)
        want_all(out, reader.all_binary);
    return true;
}
