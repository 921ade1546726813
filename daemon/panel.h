/* SPDX-License-Identifier: MIT */
// Several models that answer one input: the body is read once, a picture becomes an input once for
// each way of preparing it, and each model is held from the first step to the last, so that what a
// reply says of it belongs together whatever is swapped meanwhile.
//
//     panel_begin(&panel, api, request, reply);
//     ok = panel_add(&panel, "a") && panel_read(&panel, scratch, 3) && panel_run(&panel, 0);
//     panel_end(&panel); // in any case; what is in scratch stays
//
// Functions that return false have put the refusal into reply.
#ifndef PANEL_H
#define PANEL_H

#include "daemon/answer.h"
#include "daemon/input.h"

enum { PANEL_MAX = 1024 };

struct member {
    struct served *served;
    struct input *input; // shared by members that prepare pictures alike; made when one is run
    struct answer answer;
};

struct panel {
    struct api *api;
    const struct request *request;
    struct reply *reply;
    bool by_size; // members are in the order of their files' sizes, largest first; else as added
    size_t n;
    struct member *member; // (n,) from panel_read on
    struct answer spare;   // room for one more answer, of as many classes as that of `first`
    uint64_t start_ns, read_ns, infer_ns; // when it began; spent on inputs, and on running

    // For panel.c.
    struct seat {
        struct served *served;
        size_t bytes;  // of its file, if by_size
        bool optional; // may leave in panel_read
    } seat[PANEL_MAX];
    struct sent sent;
    struct input *input; // (n_inputs,)
    size_t n_inputs, charged;
};

void panel_begin(struct panel *panel, struct api *api, const struct request *request,
                 struct reply *reply);

// Adds a model by name, or for "" the active one. One that is there already stays as it is.
// *served, unless NULL: the model, held by the panel.
bool panel_add(struct panel *panel, const char *name, struct served **served);

// Adds the models of a list, commas between.
bool panel_add_list(struct panel *panel, const char *list);

// Adds a model if it is in service and answers the same question as `like` (NULL: any). NULL if
// not; nothing is in reply then. If it cannot take what is sent, it leaves again in panel_read.
struct served *panel_add_like(struct panel *panel, const char *name, const struct tnm_model *like);

// Adds every model in service that answers the same question. Those of them that cannot take what
// is sent (not a picture, say) leave again in panel_read.
void panel_add_peers(struct panel *panel, const struct tnm_model *of);

// The same number of inputs, and the same classes in the same order.
bool models_ask_alike(const struct tnm_model *a, const struct tnm_model *b);
bool models_answer_alike(const struct tnm_model *a, const struct tnm_model *b);

// Reads the body, for the model `first`, and makes room for the answers in scratch. n_best: as in
// answer.h. 422 `input_mismatch`, which names the model, where one cannot take it.
bool panel_read(struct panel *panel, const struct served *first, struct scratch *scratch,
                size_t n_best);

// Lets one member answer.
bool panel_run(struct panel *panel, size_t i);
bool panel_run_all(struct panel *panel);

// "timing_us", from panel_begin up to now.
void panel_write_timing(const struct panel *panel);

void panel_end(struct panel *panel);

#endif
