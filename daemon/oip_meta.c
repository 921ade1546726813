/* SPDX-License-Identifier: MIT */
// The Open Inference Protocol v2: what the server and a model say of themselves.
#include "daemon/oip.h"

#include "daemon/handlers.h"

static const char platform[] = "tnm_csr"; // project and format, as the protocol wants it

// ---- Versions ----------------------------------------------------------------------------------

static bool is_version(const char *version, const struct served *served) {
    size_t len = strlen(version);
    return len == 0 || strcmp(version, "1") == 0 ||
           (len >= OIP_VERSION_DIGITS && strncmp(version, served->digest, len) == 0);
}

struct served *oip_hold(struct api *api, const struct request *request, struct reply *reply) {
    struct served *served = answer_hold(api, request, request->name, reply);
    if (served == NULL || is_version(request->version, served))
        return served;
    reply_error(reply, request, 404, "model_not_found",
                "model \"%s\" has version %.12s (or 1, whatever serves), not \"%s\"", served->name,
                served->digest, request->version);
    shelf_release(served);
    return NULL;
}

void oip_write_version(struct json_out *out, const struct served *served) {
    json_out_raw(out, "\"", 1);
    json_out_raw(out, served->digest, OIP_VERSION_DIGITS);
    json_out_raw(out, "\"", 1);
}

// ---- The server --------------------------------------------------------------------------------

void handle_oip_server(struct api *api, const struct request *request, struct scratch *scratch,
                       struct reply *reply) {
    (void)request, (void)scratch;
    struct json_out *out = &reply->body;
    json_out_text(out, "{\"name\":\"tnmd\",\"version\":\"" TNM_VERSION "\",\"extensions\":["
                       "\"binary_tensor_data\",\"classification\",\"model_configuration\","
                       "\"model_repository\",\"statistics\"],\"limits\":{\"max_body\":");
    json_out_uint(out, api->options->max_body);
    json_out_text(out, ",\"max_batch\":");
    json_out_uint(out, api->options->max_batch);
    json_out_text(out, "}}\n");
}

// ---- A model -----------------------------------------------------------------------------------

// A tensor's last dimension; the first is the batch, of any size.
struct described {
    const char *name;
    enum tensor_type type;
    size_t n; // 0: there is none
};

enum { MAX_INPUTS = 2 };

// How many inputs there are: pictures only where the model knows what to do with one.
static unsigned describe_inputs(const struct tnm_model *model,
                                struct described tensor[MAX_INPUTS]) {
    tensor[0] = (struct described){OIP_IMAGE, TENSOR_FP32, tnm_model_inputs(model)};
    tensor[1] = (struct described){OIP_JPEG, TENSOR_BYTES, 0};
    return tnm_model_recipe(model)->fit == TNM_FIT_NONE ? 1 : 2;
}

static void describe_outputs(const struct tnm_model *model,
                             struct described tensor[N_OIP_OUTPUTS]) {
    for (unsigned i = 0; i < N_OIP_OUTPUTS; i++)
        tensor[i] = i == OIP_LABEL ? (struct described){oip_output_name[i], TENSOR_BYTES, 0}
                                   : (struct described){oip_output_name[i], TENSOR_FP32,
                                                        tnm_model_outputs(model)};
}

static void write_shape(struct json_out *out, const struct described *tensor) {
    json_out_text(out, "[-1");
    if (tensor->n > 0) {
        json_out_raw(out, ",", 1);
        json_out_uint(out, tensor->n);
    }
    json_out_raw(out, "]", 1);
}

static void write_metadata(struct json_out *out, const struct described *tensor, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        json_out_text(out, i > 0 ? ",{\"name\":\"" : "{\"name\":\"");
        json_out_text(out, tensor[i].name);
        json_out_text(out, "\",\"datatype\":\"");
        json_out_text(out, tensor_type_name(tensor[i].type));
        json_out_text(out, "\",\"shape\":");
        write_shape(out, &tensor[i]);
        json_out_raw(out, "}", 1);
    }
}

void handle_oip_model(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply) {
    (void)scratch;
    struct described input[MAX_INPUTS], output[N_OIP_OUTPUTS];
    struct json_out *out = &reply->body;
    struct served *served = oip_hold(api, request, reply);
    if (served == NULL)
        return;
    unsigned n_inputs = describe_inputs(served->model, input);
    describe_outputs(served->model, output);
    answer_headers(reply, served);
    json_out_text(out, "{\"name\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"versions\":[");
    oip_write_version(out, served);
    json_out_text(out, "],\"platform\":\"");
    json_out_text(out, platform);
    json_out_text(out, "\",\"inputs\":[");
    write_metadata(out, input, n_inputs);
    json_out_text(out, "],\"outputs\":[");
    write_metadata(out, output, N_OIP_OUTPUTS);
    json_out_text(out, "]}\n");
    shelf_release(served);
}

// Triton's own names: BYTES is TYPE_STRING.
static void write_config(struct json_out *out, const struct described *tensor, unsigned n,
                         bool optional) {
    for (unsigned i = 0; i < n; i++) {
        json_out_text(out, i > 0 ? ",{\"name\":\"" : "{\"name\":\"");
        json_out_text(out, tensor[i].name);
        json_out_text(out, "\",\"data_type\":\"TYPE_");
        json_out_text(out,
                      tensor[i].type == TENSOR_BYTES ? "STRING" : tensor_type_name(tensor[i].type));
        json_out_text(out, "\",\"dims\":");
        write_shape(out, &tensor[i]);
        json_out_text(out, optional ? ",\"optional\":true}" : "}");
    }
}

// max_batch_size 0 says that shapes hold the batch, as those of the metadata do.
void handle_oip_config(struct api *api, const struct request *request, struct scratch *scratch,
                       struct reply *reply) {
    (void)scratch;
    struct described input[MAX_INPUTS], output[N_OIP_OUTPUTS];
    struct json_out *out = &reply->body;
    struct served *served = oip_hold(api, request, reply);
    if (served == NULL)
        return;
    unsigned n_inputs = describe_inputs(served->model, input);
    describe_outputs(served->model, output);
    json_out_text(out, "{\"name\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"platform\":\"");
    json_out_text(out, platform);
    json_out_text(out, "\",\"backend\":\"tnm\",\"max_batch_size\":0,\"input\":[");
    write_config(out, input, n_inputs, n_inputs > 1);
    json_out_text(out, "],\"output\":[");
    write_config(out, output, N_OIP_OUTPUTS, false);
    json_out_text(out, "]}\n");
    shelf_release(served);
}

void handle_oip_model_ready(struct api *api, const struct request *request, struct scratch *scratch,
                            struct reply *reply) {
    (void)scratch;
    struct served *served = oip_hold(api, request, reply);
    if (served == NULL)
        return;
    json_out_text(&reply->body, "{\"name\":");
    json_out_string(&reply->body, served->name);
    json_out_text(&reply->body, ",\"ready\":true}\n");
    shelf_release(served);
}
