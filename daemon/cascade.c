/* SPDX-License-Identifier: MIT */
// Cascades, and degrading before refusing.
#include "daemon/cascade.h"

bool cascade_is_meant(const struct api *api, const char *name) {
    return api->options->cascade[0] != 0 && strcmp(name, "cascade") == 0;
}

bool cascade_add(struct panel *panel, struct served **last) {
    char list[sizeof panel->api->options->cascade];
    memcpy(list, panel->api->options->cascade, sizeof list);
    *last = NULL;
    for (char *name = list; name != NULL;) {
        char *comma = strrchr(list, ',');
        name = comma != NULL ? comma + 1 : list;
        const struct tnm_model *like = *last != NULL ? (*last)->model : NULL;
        struct served *served = panel_add_like(panel, name, like);
        if (*last == NULL)
            *last = served;
        name = comma;
        if (comma != NULL)
            *comma = 0;
    }
    if (*last == NULL)
        reply_error(panel->reply, panel->request, 503, "no_model",
                    "no model of the cascade is in service");
    return *last != NULL;
}

bool cascade_run(struct panel *panel, size_t *at) {
    const double margin = panel->api->options->cascade_margin;
    for (*at = panel->n - 1; panel_run(panel, *at); (*at)--) {
        const struct member *member = &panel->member[*at];
        bool goes_on = *at > 0 && answer_margin(&member->answer) < margin;
        stats_cascade(served_stats(member->served), goes_on);
        if (!goes_on)
            return true;
    }
    return false;
}

static bool is_pressed(const struct api *api) {
    const struct options *options = api->options;
    return options->degrade[0] != 0 && atomic_load_explicit(&api->in_work, memory_order_relaxed) >
                                           options->degrade_at * options->queue;
}

bool degrade_add(struct panel *panel, struct served **active) {
    if (!panel_add(panel, "", active))
        return false;
    if (is_pressed(panel->api))
        panel_add_like(panel, panel->api->options->degrade, (*active)->model);
    return true;
}
