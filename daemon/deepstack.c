/* SPDX-License-Identifier: MIT */
// POST /v1/vision/custom/{name}, /v1/vision/detection, /v1/vision/scene, /v1/vision/custom/list:
// what DeepStack and CodeProject.AI offer, and Frigate, Blue Iris and Home Assistant ask.
//
// A form with the picture, and perhaps `min_confidence` and `api_key`, which is the token. A
// classifier finds one thing in a picture: its box is where the mark was, or all of the picture.
#include "daemon/handlers.h"

#include "daemon/gate.h"
#include "daemon/json_in.h"
#include "daemon/models_json.h"
#include "daemon/observe.h"
#include "daemon/panel.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_CLASSES = 1000, MAX_KEY = 255 };

// What the form asks for beside the picture.
struct form {
    double min_confidence;
    char bearer[MAX_KEY + 8]; // "Bearer KEY", as a header would say it; empty: no key
};

// ---- The form ----------------------------------------------------------------------------------

static bool is_named(const struct body_part *part, const char *name) {
    return part->name.len == strlen(name) && memcmp(part->name.at, name, part->name.len) == 0;
}

static bool read_confidence(struct bytes text, double *value, struct tnm_error *err) {
    struct json_in in;
    json_in_start(&in, text, err);
    return json_in_number(&in, value) && json_in_end(&in) && *value >= 0 && *value <= 1;
}

static bool read_part(const struct body_part *part, struct form *form, struct tnm_error *err) {
    if (is_named(part, "min_confidence") && part->data.len > 0 &&
        !read_confidence(part->data, &form->min_confidence, NULL))
        return tnm_fail(err, TNM_EINPUT, "min_confidence is not a number from 0 to 1");
    if (is_named(part, "api_key") && part->data.len > 0 && part->data.len <= MAX_KEY)
        snprintf(form->bearer, sizeof form->bearer, "Bearer %.*s", (int)part->data.len,
                 (const char *)part->data.at);
    return true;
}

// A body that is no form has no fields; what it is then, sent_read finds out.
static bool read_form(const struct request *request, struct form *form, struct tnm_error *err) {
    struct media_type type = {0};
    struct body_parts parts;
    struct body_part part;
    *form = (struct form){.min_confidence = 0.4};
    *err = (struct tnm_error){0};
    if (request->content_type == NULL || !media_type_parse(request->content_type, &type, NULL) ||
        strcmp(type.name, "multipart/form-data") != 0)
        return true;
    if (!body_parts_start(&parts, request->body, type.boundary, err))
        return false;
    while (body_parts_next(&parts, &part, err))
        if (!read_part(&part, form, err))
            return false;
    return err->code == TNM_OK;
}

// The token may be in the form, where these clients put it, or in the header.
static bool may_ask(struct api *api, const struct request *request, const struct form *form,
                    struct reply *reply) {
    struct request with_key = *request;
    if (with_key.authorization == NULL && form->bearer[0] != 0)
        with_key.authorization = form->bearer;
    return gate_admits(api, &with_key, SCOPE_INFER, reply);
}

static bool begin(struct api *api, const struct request *request, struct form *form,
                  struct reply *reply) {
    struct tnm_error err;
    bool ok = read_form(request, form, &err);
    if (!may_ask(api, request, form, reply)) // first, so that nothing else is learnt
        return false;
    if (!ok)
        reply_error(reply, request, 400, "malformed", "%s", err.text);
    return ok;
}

// ---- Answers -----------------------------------------------------------------------------------

// Where in the upright picture the mark is, in its own pixels.
struct box {
    uint32_t x_min, y_min, x_max, y_max;
};

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static struct box box_of(const struct input *input, const struct tnm_recipe *recipe) {
    const struct picture *picture = &input->picture;
    const struct tnm_prepared *did = &input->did;
    if (picture->format == PICTURE_UNKNOWN) // the input itself was sent
        return (struct box){0, 0, recipe->width, recipe->height};
    const bool lies = picture->orientation >= 5;
    const uint32_t width = lies ? picture->file_height : picture->file_width;
    const uint32_t height = lies ? picture->file_width : picture->file_height;
    return (struct box){least(did->crop_x * picture->scale, width),
                        least(did->crop_y * picture->scale, height),
                        least((did->crop_x + did->crop_width) * picture->scale, width),
                        least((did->crop_y + did->crop_height) * picture->scale, height)};
}

static void write_prediction(struct json_out *out, const char *label, double confidence,
                             const struct box *box) {
    json_out_text(out, "{\"label\":");
    json_out_string(out, label);
    write_decimal(out, "confidence", confidence);
    write_uint(out, "x_min", box->x_min);
    write_uint(out, "y_min", box->y_min);
    write_uint(out, "x_max", box->x_max);
    write_uint(out, "y_max", box->y_max);
    json_out_raw(out, "}", 1);
}

// A black input means nothing, so that nothing was seen in it.
static bool saw_something(const struct input *input) {
    return input->picture.format == PICTURE_UNKNOWN || input->did.as_is || input->did.found;
}

// The most probable first, as some clients stop at the first that is below their threshold.
static void write_predictions(struct json_out *out, const struct member *member,
                              double min_confidence) {
    const struct answer *answer = &member->answer;
    const struct tnm_model *model = member->served->model;
    const struct box box = box_of(member->input, tnm_model_recipe(model));
    size_t n = 0;
    json_out_text(out, ",\"predictions\":[");
    for (; n < answer->n_best && saw_something(member->input); n++) {
        const size_t index = answer->best[n];
        if ((double)answer->probability[index] < min_confidence)
            break;
        if (n > 0)
            json_out_raw(out, ",", 1);
        write_prediction(out, tnm_model_label(model, index), (double)answer->probability[index],
                         &box);
    }
    json_out_raw(out, "]", 1);
    write_uint(out, "count", n);
}

static void write_scene(struct json_out *out, const struct member *member, double min_confidence) {
    (void)min_confidence; // a scene has a label, however faint
    const struct answer *answer = &member->answer;
    const size_t index = answer->best[0];
    const bool saw = saw_something(member->input);
    json_out_text(out, ",\"label\":");
    json_out_string(out, saw ? tnm_model_label(member->served->model, index) : "");
    write_decimal(out, "confidence", saw ? (double)answer->probability[index] : 0);
}

static uint64_t ms_of(uint64_t ns) {
    return (ns + 500000) / 1000000;
}

static void write_reply(const struct panel *panel, const char *command, const struct form *form,
                        void (*write)(struct json_out *, const struct member *, double)) {
    struct reply *reply = panel->reply;
    struct json_out *out = &reply->body;
    const struct member *member = &panel->member[0];
    const uint64_t read = panel->start_ns + panel->read_ns;
    observe(panel->api, panel->request, member->served, member->input, &member->answer);
    answer_headers(reply, member->served);
    json_out_text(out, "{\"success\":true");
    write(out, member, form->min_confidence);
    write_uint(out, "inferenceMs", ms_of(panel->infer_ns));
    write_uint(out, "processMs", ms_of(clock_ns() - panel->start_ns));
    write_string(out, "moduleId", "tnmd");
    write_string(out, "command", command);
    write_string(out, "model", member->served->name);
    write_string(out, "digest", member->served->digest);
    write_uint(out, "generation", member->served->generation);
    json_out_text(out, "}\n");
    answer_add_timing(reply, &(struct answer_times){panel->start_ns, read, read + panel->infer_ns});
}

static void look(struct api *api, const struct request *request, struct scratch *scratch,
                 struct reply *reply, const char *name, const char *command,
                 void (*write)(struct json_out *, const struct member *, double)) {
    struct form form;
    struct panel panel;
    struct served *served;
    if (!begin(api, request, &form, reply))
        return;
    panel_begin(&panel, api, request, reply);
    if (panel_add(&panel, name, &served) && panel_read(&panel, served, scratch, MOST_CLASSES) &&
        panel_run(&panel, 0))
        write_reply(&panel, command, &form, write);
    panel_end(&panel);
}

void handle_vision_custom(struct api *api, const struct request *request, struct scratch *scratch,
                          struct reply *reply) {
    look(api, request, scratch, reply, request->name, "custom", write_predictions);
}

void handle_vision_detection(struct api *api, const struct request *request,
                             struct scratch *scratch, struct reply *reply) {
    look(api, request, scratch, reply, "", "detect", write_predictions);
}

void handle_vision_scene(struct api *api, const struct request *request, struct scratch *scratch,
                         struct reply *reply) {
    look(api, request, scratch, reply, "", "scene", write_scene);
}

// ---- The list ----------------------------------------------------------------------------------

void handle_vision_list(struct api *api, const struct request *request, struct scratch *scratch,
                        struct reply *reply) {
    (void)scratch;
    enum { MOST = 1024 }; // of max-models
    struct form form;
    struct served *held[MOST];
    bool any = false;
    if (!begin(api, request, &form, reply))
        return;
    size_t n = shelf_hold_all(api->shelf, held, MOST);
    json_out_text(&reply->body, "{\"success\":true,\"models\":[");
    for (size_t i = 0; i < n; i++) {
        if (tnm_model_recipe(held[i]->model)->fit != TNM_FIT_NONE) {
            json_out_text(&reply->body, any ? "," : "");
            json_out_string(&reply->body, held[i]->name);
            any = true;
        }
        shelf_release(held[i]);
    }
    json_out_text(&reply->body, "]}\n");
}
