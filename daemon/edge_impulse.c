/* SPDX-License-Identifier: MIT */
// POST /api/image, POST /api/features, GET /api/info: what the Linux runner of Edge Impulse offers
// with --run-http-server.
#include "daemon/handlers.h"

#include "daemon/json_in.h"
#include "daemon/models_json.h"
#include "daemon/observe.h"
#include "daemon/panel.h"
#include "daemon/query.h"

#include <math.h>

static bool read_name(const struct request *request, char name[REQUEST_MAX_NAME + 1],
                      struct reply *reply) {
    name[0] = 0;
    return request->query[0] == 0 ||
           query_text(request, "model", name, REQUEST_MAX_NAME + 1, reply);
}

static bool is_camera(const struct tnm_model *model) {
    return tnm_model_recipe(model)->fit != TNM_FIT_NONE;
}

// A pixel is one feature, whatever its channels.
static size_t count_features(const struct tnm_model *model) {
    const struct tnm_recipe *recipe = tnm_model_recipe(model);
    return is_camera(model) ? (size_t)recipe->width * recipe->height : tnm_model_inputs(model);
}

// A mark that is looked for is scaled to fit, too.
static const char *resize_mode(const struct tnm_recipe *recipe) {
    return recipe->fit == TNM_FIT_NONE    ? "none"
           : recipe->fit == TNM_FIT_COVER ? "fit-shortest"
                                          : "fit-longest";
}

// ---- Replies -----------------------------------------------------------------------------------

static void add_headers(struct reply *reply, const struct served *served) {
    char version[24];
    version[format_uint(version, served->generation)] = 0;
    reply_header(reply, "x-ei-owner", "tnm");
    reply_header(reply, "x-ei-project-name", served->name);
    reply_header(reply, "x-ei-project-version", version);
}

static void write_classes(struct json_out *out, const struct tnm_model *model,
                          const struct answer *answer) {
    json_out_text(out, "{\"result\":{\"classification\":{");
    for (size_t i = 0; i < answer->n; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        json_out_string(out, tnm_model_label(model, i));
        json_out_raw(out, ":", 1);
        json_out_decimal(out, (double)answer->probability[i], 6);
    }
    json_out_raw(out, "}", 1);
}

static void write_resized(struct json_out *out, const struct tnm_recipe *recipe,
                          const struct input *input) {
    const struct picture *picture = &input->picture;
    const bool lies = picture->orientation >= 5;
    write_string(out, "resizeMode", resize_mode(recipe));
    json_out_text(out, ",\"resized\":{\"originalWidth\":");
    json_out_uint(out, lies ? picture->file_height : picture->file_width);
    write_uint(out, "originalHeight", lies ? picture->file_width : picture->file_height);
    write_uint(out, "newWidth", recipe->width);
    write_uint(out, "newHeight", recipe->height);
    json_out_raw(out, "}", 1);
}

// Times in milliseconds; "dsp" is what comes before the network.
static void write_timing(struct reply *reply, const struct answer_times *times) {
    struct json_out *out = &reply->body;
    json_out_text(out, "},\"timing\":{\"dsp\":");
    json_out_decimal(out, (double)(times->decoded_ns - times->start_ns) / 1e6, 3);
    write_decimal(out, "classification",
                  round((double)(times->inferred_ns - times->decoded_ns) / 1e3) / 1e3);
    json_out_text(out, ",\"anomaly\":0}}\n");
    answer_add_timing(reply, times);
}

// ---- POST /api/image ---------------------------------------------------------------------------

static void write_image(const struct panel *panel) {
    const struct member *member = &panel->member[0];
    const struct tnm_model *model = member->served->model;
    const uint64_t read = panel->start_ns + panel->read_ns;
    observe(panel->api, panel->request, member->served, member->input, &member->answer);
    answer_headers(panel->reply, member->served);
    add_headers(panel->reply, member->served);
    write_classes(&panel->reply->body, model, &member->answer);
    if (member->input->picture.format != PICTURE_UNKNOWN)
        write_resized(&panel->reply->body, tnm_model_recipe(model), member->input);
    write_timing(panel->reply,
                 &(struct answer_times){panel->start_ns, read, read + panel->infer_ns});
}

void handle_ei_image(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    char name[REQUEST_MAX_NAME + 1];
    struct panel panel;
    struct served *served;
    if (!read_name(request, name, reply))
        return;
    panel_begin(&panel, api, request, reply);
    if (panel_add(&panel, name, &served) && panel_read(&panel, served, scratch, 1) &&
        panel_run(&panel, 0))
        write_image(&panel);
    panel_end(&panel);
}

// ---- POST /api/features ------------------------------------------------------------------------

// Features of a picture are 0xRRGGBB. A grey network gets their luma (ITU-R BT.601), one of three
// channels its planes.
static bool put_pixel(const struct tnm_recipe *recipe, double feature, size_t i, float *x) {
    if (!(feature >= 0 && feature <= 0xffffff && feature == floor(feature)))
        return false;
    const uint32_t rgb = (uint32_t)feature;
    const uint8_t colour[3] = {(uint8_t)(rgb >> 16), (uint8_t)(rgb >> 8), (uint8_t)rgb};
    const uint8_t luma =
        (uint8_t)((299U * colour[0] + 587U * colour[1] + 114U * colour[2] + 500) / 1000);
    const size_t plane = (size_t)recipe->width * recipe->height;
    for (size_t c = 0; c < recipe->channels; c++)
        tnm_prepare_scale(recipe->channels == 3 ? &colour[c] : &luma, 1, &x[c * plane + i]);
    return true;
}

static bool put_feature(const struct tnm_model *model, double feature, size_t i, float *x) {
    if (is_camera(model))
        return put_pixel(tnm_model_recipe(model), feature, i, x);
    x[i] = (float)feature;
    return isfinite(x[i]);
}

static bool read_features(struct json_in *in, const struct tnm_model *model, float *x) {
    const size_t n = count_features(model);
    size_t i = 0;
    double feature;
    if (!json_in_enter(in, '['))
        return false;
    for (; json_in_element(in); i++) {
        if (i == n)
            return json_in_fail(in, "more than %zu features", n);
        if (!json_in_number(in, &feature))
            return false;
        if (!put_feature(model, feature, i, x))
            return json_in_fail(in, "feature %zu is not %s", i,
                                is_camera(model) ? "a pixel, 0xRRGGBB as a whole number"
                                                 : "finite");
    }
    return !in->failed && (i == n || json_in_fail(in, "%zu features, the model takes %zu", i, n));
}

static bool read_body(struct bytes body, const struct tnm_model *model, float *x,
                      struct tnm_error *err) {
    char key[16];
    bool found = false;
    struct json_in in;
    json_in_start(&in, body, err);
    if (!json_in_enter(&in, '{'))
        return false;
    while (json_in_member(&in, key, sizeof key))
        if (!found && strcmp(key, "features") == 0)
            found = read_features(&in, model, x);
        else
            json_in_skip(&in, NULL);
    return json_in_end(&in) && (found || json_in_fail(&in, "no \"features\""));
}

static void classify(struct api *api, const struct request *request, struct served *served,
                     struct scratch *scratch, struct reply *reply) {
    const size_t n = tnm_model_inputs(served->model), m = tnm_model_outputs(served->model);
    struct answer_times times = {.start_ns = clock_ns()};
    struct tnm_error err = {0};
    struct answer answer;
    uint8_t *room = scratch_take(scratch, input_bytes(n) + answer_bytes(m, 1));
    if (room == NULL) {
        reply_error(reply, request, 503, "overloaded", "no memory for an input now");
        return;
    }
    struct input input;
    input_init(&input, room, n);
    answer_init(&answer, room + input_bytes(n), m, 1);
    if (!read_body(request->body, served->model, input.x, &err)) {
        reply_error(reply, request, 400, "malformed", "%s", err.text);
        return;
    }
    times.decoded_ns = clock_ns();
    if (!answer_run(served, input.x, &answer, request, reply))
        return;
    times.inferred_ns = times.decoded_ns + answer.infer_ns;
    observe(api, request, served, &input, &answer);
    answer_headers(reply, served);
    add_headers(reply, served);
    write_classes(&reply->body, served->model, &answer);
    write_timing(reply, &times);
}

void handle_ei_features(struct api *api, const struct request *request, struct scratch *scratch,
                        struct reply *reply) {
    char name[REQUEST_MAX_NAME + 1];
    if (!read_name(request, name, reply))
        return;
    struct served *served = answer_hold(api, request, name, reply);
    if (served == NULL)
        return;
    classify(api, request, served, scratch, reply);
    shelf_release(served);
}

// ---- GET /api/info -----------------------------------------------------------------------------

static void write_parameters(struct json_out *out, const struct tnm_model *model) {
    const struct tnm_recipe *recipe = tnm_model_recipe(model);
    const size_t m = tnm_model_outputs(model);
    const bool camera = is_camera(model);
    json_out_text(out, "{\"has_visual_anomaly_detection\":false,\"axis_count\":1,\"frequency\":0,"
                       "\"has_anomaly\":0,\"has_object_tracking\":false");
    write_uint(out, "input_features_count", count_features(model));
    write_uint(out, "image_input_height", camera ? recipe->height : 0);
    write_uint(out, "image_input_width", camera ? recipe->width : 0);
    write_uint(out, "image_input_frames", camera);
    write_uint(out, "image_channel_count", camera ? recipe->channels : 0);
    write_string(out, "image_resize_mode", resize_mode(recipe));
    write_uint(out, "interval_ms", 1);
    write_uint(out, "label_count", m);
    json_out_text(out, camera ? ",\"sensor\":3" : ",\"sensor\":-1");
    json_out_text(out, ",\"labels\":[");
    for (size_t i = 0; i < m; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        json_out_string(out, tnm_model_label(model, i));
    }
    json_out_text(out, "],\"model_type\":\"classification\",\"slice_size\":0,"
                       "\"use_continuous_mode\":false,\"has_performance_calibration\":false,"
                       "\"thresholds\":[]");
    write_string(out, "sensorType", camera ? "camera" : "unknown");
    json_out_raw(out, "}", 1);
}

void handle_ei_info(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply) {
    (void)scratch;
    char name[REQUEST_MAX_NAME + 1];
    struct json_out *out = &reply->body;
    if (!read_name(request, name, reply))
        return;
    struct served *served = answer_hold(api, request, name, reply);
    if (served == NULL)
        return;
    answer_headers(reply, served);
    add_headers(reply, served);
    json_out_text(out, "{\"project\":{\"deploy_version\":");
    json_out_uint(out, served->generation);
    json_out_text(out, ",\"id\":0,\"name\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"owner\":\"tnm\"},\"modelParameters\":");
    write_parameters(out, served->model);
    json_out_text(out, "}\n");
    shelf_release(served);
}
