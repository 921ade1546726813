/* SPDX-License-Identifier: MIT */
// Holding several models, laying out their inputs and answers, running them.
#include "daemon/panel.h"

enum { SMALL_ROOM = 65536 }; // that a connection may take without being charged for it

void panel_begin(struct panel *panel, struct api *api, const struct request *request,
                 struct reply *reply) {
    memset(panel, 0, offsetof(struct panel, seat));
    panel->api = api;
    panel->request = request;
    panel->reply = reply;
    panel->start_ns = clock_ns();
    panel->sent = (struct sent){0};
    panel->input = NULL;
    panel->n_inputs = panel->charged = 0;
}

void panel_end(struct panel *panel) {
    sent_free(panel->api, &panel->sent);
    if (panel->charged > 0)
        budget_give(&panel->api->decoding, panel->charged);
    for (size_t i = 0; i < panel->n; i++)
        shelf_release(panel->seat[i].served);
    panel->n = panel->charged = 0;
}

// ---- Who is asked ------------------------------------------------------------------------------

static bool is_seated(const struct panel *panel, const char *name, struct served **served) {
    for (size_t i = 0; i < panel->n; i++)
        if (strcmp(panel->seat[i].served->name, name) == 0) {
            *served = panel->seat[i].served;
            return true;
        }
    return false;
}

static bool goes_before(const struct seat *a, const struct seat *b) {
    return a->bytes > b->bytes ||
           (a->bytes == b->bytes && strcmp(a->served->name, b->served->name) < 0);
}

// Takes over the caller's hold.
static void take_seat(struct panel *panel, struct served *served, bool optional) {
    struct seat seat = {served, 0, optional};
    size_t at = panel->n++;
    if (panel->by_size) {
        struct tnm_summary summary;
        tnm_model_summary(served->model, &summary);
        seat.bytes = summary.bytes;
        for (; at > 0 && goes_before(&seat, &panel->seat[at - 1]); at--)
            panel->seat[at] = panel->seat[at - 1];
    }
    panel->seat[at] = seat;
}

bool panel_add(struct panel *panel, const char *name, struct served **served) {
    struct served *unused = NULL, **out = served != NULL ? served : &unused;
    if (name[0] != 0 && is_seated(panel, name, out))
        return true;
    *out = answer_hold(panel->api, panel->request, name, panel->reply);
    if (*out == NULL)
        return false;
    struct served *held = *out;
    if (is_seated(panel, held->name, out)) { // it was named in another way
        shelf_release(held);
        return true;
    }
    if (panel->n == PANEL_MAX) {
        shelf_release(held);
        reply_error(panel->reply, panel->request, 400, "bad_query", "more than %d models",
                    PANEL_MAX);
        return false;
    }
    take_seat(panel, held, false);
    return true;
}

struct served *panel_add_like(struct panel *panel, const char *name, const struct tnm_model *like) {
    struct served *served = shelf_hold(panel->api->shelf, name), *twin;
    if (served == NULL)
        return NULL;
    if (is_seated(panel, served->name, &twin)) {
        shelf_release(served);
        return twin;
    }
    if (panel->n < PANEL_MAX && (like == NULL || models_ask_alike(served->model, like))) {
        take_seat(panel, served, true);
        return served;
    }
    shelf_release(served);
    return NULL;
}

bool panel_add_list(struct panel *panel, const char *list) {
    char name[REQUEST_MAX_NAME + 1];
    for (bool more = true; more;) {
        size_t len = strcspn(list, ",");
        if (len == 0 || len > REQUEST_MAX_NAME) {
            reply_error(panel->reply, panel->request, len == 0 ? 400 : 404,
                        len == 0 ? "bad_query" : "model_not_found",
                        len == 0 ? "an empty name in a list of models" : "no model \"%.*s\"",
                        (int)len, list);
            return false;
        }
        memcpy(name, list, len);
        name[len] = 0;
        if (!panel_add(panel, name, NULL))
            return false;
        more = list[len] == ',';
        list += len + more;
    }
    return true;
}

bool models_ask_alike(const struct tnm_model *a, const struct tnm_model *b) {
    return tnm_model_inputs(a) == tnm_model_inputs(b) && models_answer_alike(a, b);
}

bool models_answer_alike(const struct tnm_model *a, const struct tnm_model *b) {
    size_t n = tnm_model_outputs(a);
    if (a == b || tnm_model_outputs(b) != n)
        return a == b;
    for (size_t i = 0; i < n; i++)
        if (strcmp(tnm_model_label(a, i), tnm_model_label(b, i)) != 0)
            return false;
    return true;
}

void panel_add_peers(struct panel *panel, const struct tnm_model *of) {
    struct served *held[PANEL_MAX], *twin;
    size_t n = shelf_hold_all(panel->api->shelf, held, PANEL_MAX);
    for (size_t i = 0; i < n; i++)
        if (panel->n < PANEL_MAX && !is_seated(panel, held[i]->name, &twin) &&
            models_ask_alike(held[i]->model, of))
            take_seat(panel, held[i], true);
        else
            shelf_release(held[i]);
}

// ---- What they are asked -----------------------------------------------------------------------

static bool same_recipe(const struct tnm_model *a, const struct tnm_model *b) {
    const struct tnm_recipe *p = tnm_model_recipe(a), *q = tnm_model_recipe(b);
    return tnm_model_inputs(a) == tnm_model_inputs(b) && p->width == q->width &&
           p->height == q->height && p->channels == q->channels && p->fit == q->fit &&
           p->box == q->box;
}

// The first seat whose model prepares pictures as that of seat i does.
static size_t first_like(const struct panel *panel, size_t i) {
    size_t first = 0;
    while (!same_recipe(panel->seat[first].served->model, panel->seat[i].served->model))
        first++;
    return first;
}

static size_t round_up(size_t bytes) {
    return (bytes + 15) / 16 * 16;
}

static size_t room_for(const struct panel *panel, size_t n_spare, size_t n_best) {
    size_t bytes = round_up(panel->n * (sizeof(struct member) + sizeof(struct input))) +
                   answer_bytes(n_spare, n_best);
    for (size_t i = 0; i < panel->n; i++) {
        const struct tnm_model *model = panel->seat[i].served->model;
        bytes += answer_bytes(tnm_model_outputs(model), n_best);
        if (first_like(panel, i) == i)
            bytes += input_bytes(tnm_model_inputs(model));
    }
    return bytes;
}

static struct input *lay_input(struct panel *panel, size_t i, uint8_t **room) {
    size_t first = first_like(panel, i), n = tnm_model_inputs(panel->seat[i].served->model);
    if (first < i)
        return panel->member[first].input;
    struct input *input = &panel->input[panel->n_inputs++];
    input_init(input, *room, n);
    *room += input_bytes(n);
    return input;
}

// Room for all of it. NULL with 503 in reply.
static uint8_t *take_room(struct panel *panel, struct scratch *scratch, size_t bytes) {
    size_t charge = bytes > SMALL_ROOM ? bytes : 0;
    uint8_t *room = NULL;
    if (charge == 0 || budget_take(&panel->api->decoding, charge)) {
        panel->charged = charge;
        room = scratch_take(scratch, bytes);
    }
    if (room == NULL)
        reply_error(panel->reply, panel->request, 503, "overloaded",
                    "no memory for the answers of %zu models now", panel->n);
    return room;
}

static bool lay_out(struct panel *panel, const struct served *first, struct scratch *scratch,
                    size_t n_best) {
    size_t n_spare = tnm_model_outputs(first->model);
    uint8_t *room = take_room(panel, scratch, room_for(panel, n_spare, n_best));
    if (room == NULL)
        return false;
    panel->member = (struct member *)(void *)room;
    panel->input = (struct input *)(void *)(panel->member + panel->n);
    room += round_up(panel->n * (sizeof(struct member) + sizeof(struct input)));
    for (size_t i = 0; i < panel->n; i++) {
        struct member *member = &panel->member[i];
        member->served = panel->seat[i].served;
        member->input = lay_input(panel, i, &room);
        size_t n_classes = tnm_model_outputs(member->served->model);
        answer_init(&member->answer, room, n_classes, n_best);
        room += answer_bytes(n_classes, n_best);
    }
    answer_init(&panel->spare, room, n_spare, n_best);
    return true;
}

static void refuse_misfit(struct panel *panel, const struct served *served) {
    if (panel->sent.kind == SENT_PICTURE)
        reply_error(panel->reply, panel->request, 422, "not_a_picture_model",
                    "model \"%s\" takes %zu values that are not a picture", served->name,
                    tnm_model_inputs(served->model));
    else
        reply_error(panel->reply, panel->request, 422, "input_mismatch",
                    "model \"%s\" takes %zu values, which is not what was sent", served->name,
                    tnm_model_inputs(served->model));
}

// Peers that cannot take what was sent leave; with one that was named, that is an error.
static bool fit(struct panel *panel, const struct served *first) {
    size_t n = 0;
    for (size_t i = 0; i < panel->n; i++) {
        struct served *served = panel->seat[i].served;
        // What the first cannot take, making the input says in more words.
        if (served == first || input_fits(&panel->sent, served->model)) {
            panel->seat[n] = panel->seat[i];
            panel->member[n++] = panel->member[i];
        } else if (panel->seat[i].optional) {
            shelf_release(served);
        } else {
            refuse_misfit(panel, served);
            while (i < panel->n)
                panel->seat[n++] = panel->seat[i++];
            break;
        }
    }
    bool ok = panel->reply->status == 200;
    panel->n = n;
    return ok;
}

bool panel_read(struct panel *panel, const struct served *first, struct scratch *scratch,
                size_t n_best) {
    uint64_t start = clock_ns();
    bool ok = lay_out(panel, first, scratch, n_best) &&
              sent_read(panel->api, panel->request, tnm_model_inputs(first->model), &panel->sent,
                        panel->reply) &&
              fit(panel, first);
    panel->read_ns += clock_ns() - start;
    return ok;
}

// ---- Running -----------------------------------------------------------------------------------

static bool make_input(struct panel *panel, const struct member *member) {
    uint64_t start = clock_ns();
    bool ok = input_make(panel->api, panel->request, &panel->sent, member->served->model,
                         member->input, panel->reply);
    panel->read_ns += clock_ns() - start;
    return ok;
}

bool panel_run(struct panel *panel, size_t i) {
    struct member *member = &panel->member[i];
    if (member->input->kind == NULL && !make_input(panel, member))
        return false;
    bool ok =
        answer_run(member->served, member->input->x, &member->answer, panel->request, panel->reply);
    if (ok)
        panel->infer_ns += member->answer.infer_ns;
    else if (panel->reply->status == 422)
        reply_error(panel->reply, panel->request, 422, "out_of_range",
                    "model \"%s\": the input's values are too large", member->served->name);
    return ok;
}

bool panel_run_all(struct panel *panel) {
    for (size_t i = 0; i < panel->n; i++)
        if (!panel_run(panel, i))
            return false;
    return true;
}

void panel_write_timing(const struct panel *panel) {
    uint64_t start = panel->start_ns, read = start + panel->read_ns;
    const struct answer_times times = {start, read, read + panel->infer_ns};
    answer_write_timing(panel->reply, &times);
}
