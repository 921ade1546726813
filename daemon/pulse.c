/* SPDX-License-Identifier: MIT */
// A self-inference, the status line, and telling systemd.
#include "daemon/pulse.h"

#include "daemon/log.h"
#include "daemon/service.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Blank input, twice through one session.
static bool computes(const struct tnm_model *model, struct tnm_session *session) {
    size_t inputs = tnm_model_inputs(model), outputs = tnm_model_outputs(model);
    float *room = calloc(inputs + 2 * outputs, sizeof *room);
    if (room == NULL)
        return false;
    float *first = room + inputs, *second = first + outputs;
    tnm_session_run(session, room, 1, first);
    tnm_session_run(session, room, 1, second);
    bool good = memcmp(first, second, outputs * sizeof *first) == 0;
    for (size_t i = 0; i < outputs; i++)
        good = good && isfinite(first[i]);
    free(room);
    return good;
}

bool pulse_good(struct shelf *shelf, struct http *http) {
    if (!http_alive(http))
        return false;
    struct served *served = shelf_hold(shelf, NULL);
    if (served == NULL)
        return true;
    struct tnm_session *session = served_take(served);
    bool good = session != NULL && computes(served->model, session);
    if (session != NULL)
        served_give(served, session);
    shelf_release(served);
    return good;
}

void pulse_status(struct shelf *shelf, const struct http *http, char text[PULSE_STATUS_BYTES]) {
    uint64_t answered = 0;
    unsigned in_work = 0;
    http_counts(http, &answered, &in_work);
    struct served *served = shelf_hold(shelf, NULL);
    if (served == NULL) {
        snprintf(text, PULSE_STATUS_BYTES,
                 "no model: no file in the folder can serve; %" PRIu64 " requests answered",
                 answered);
        return;
    }
    struct tnm_summary s;
    tnm_model_summary(served->model, &s);
    snprintf(text, PULSE_STATUS_BYTES,
             "%s: %zu bytes, %.2f %% pruned, generation %" PRIu64 "; %" PRIu64 " requests answered",
             served->name, s.bytes,
             s.weights > 0 ? 100.0 * (1.0 - (double)s.nonzeros / (double)s.weights) : 0.0,
             served->generation, answered);
    shelf_release(served);
}

void pulse_ready(struct shelf *shelf, const struct http *http) {
    char status[PULSE_STATUS_BYTES];
    pulse_status(shelf, http, status);
    service_ready(status);
}

struct timespec pulse_interval(void) {
    uint64_t us = service_watchdog_us() / 2;
    if (us == 0 || us > 2000000)
        us = 2000000;
    return (struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
}

void pulse_beat(struct shelf *shelf, struct http *http, bool *well) {
    char status[PULSE_STATUS_BYTES];
    bool good = pulse_good(shelf, http);
    if (good)
        service_ping();
    if (good != *well && good)
        log_info("the daemon answers itself again");
    else if (good != *well)
        log_error("the daemon does not answer itself; the watchdog gets no sign of life");
    *well = good;
    pulse_status(shelf, http, status);
    service_status(status);
}
