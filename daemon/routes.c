/* SPDX-License-Identifier: MIT */
// The table of endpoints, and finding one in it.
#include "daemon/routes.h"

#include "daemon/embedded.h"
#include "daemon/gate.h"
#include "daemon/handlers.h"
#include "daemon/input.h"

#include <stdio.h>
#include <stdlib.h>

static bool always_slow(const struct api *api, const struct request *request) {
    (void)api, (void)request;
    return true;
}

static const struct route routes[] = {
    {"GET", "/", handle_page, embedded_is_slow, SCOPE_OPEN, INTAKE_QUEUED},
    {"GET", "/openapi.json", handle_openapi, embedded_is_slow, SCOPE_OPEN, INTAKE_QUEUED},
    {"POST", "/classify", handle_classify, classify_is_slow, SCOPE_INFER, INTAKE_QUEUED},
    {"POST", "/compare", handle_compare, compare_is_slow, SCOPE_INFER, INTAKE_QUEUED},
    {"POST", "/ensemble", handle_ensemble, compare_is_slow, SCOPE_INFER, INTAKE_QUEUED},
    {"GET", "/shadow", handle_shadow, always_slow, SCOPE_INFER, INTAKE_QUEUED},
    {"PUT", "/shadow", handle_put_shadow, always_slow, SCOPE_ADMIN, INTAKE_QUEUED},
    {"POST", "/replay", handle_replay, always_slow, SCOPE_ADMIN, INTAKE_QUEUED},
    {"GET", "/feedback", handle_feedback, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"POST", "/feedback", handle_post_feedback, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"POST", "/evaluate", handle_evaluate, always_slow, SCOPE_ADMIN, INTAKE_QUEUED},
    {"GET", "/models", handle_models, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"GET", "/models/{name}", handle_model, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"PUT", "/models/{name}", handle_put_model, always_slow, SCOPE_ADMIN, INTAKE_SPOOLED},
    {"DELETE", "/models/{name}", handle_delete_model, always_slow, SCOPE_ADMIN, INTAKE_QUEUED},
    {"GET", "/models/{name}/weights", handle_weights, always_slow, SCOPE_INFER, INTAKE_QUEUED},
    {"POST", "/models/{name}/activate", handle_activate, always_slow, SCOPE_ADMIN, INTAKE_QUEUED},
    {"GET", "/metrics", handle_metrics, NULL, SCOPE_OPEN, INTAKE_ALWAYS},
    {"POST", "/rollback", handle_rollback, always_slow, SCOPE_ADMIN, INTAKE_QUEUED},
    {"GET", "/aliases", handle_aliases, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"PUT", "/aliases/{name}", handle_put_alias, always_slow, SCOPE_ADMIN, INTAKE_QUEUED},
    {"DELETE", "/aliases/{name}", handle_delete_alias, always_slow, SCOPE_ADMIN, INTAKE_QUEUED},
    {"GET", "/healthz", handle_healthz, NULL, SCOPE_OPEN, INTAKE_ALWAYS},
    {"GET", "/readyz", handle_readyz, NULL, SCOPE_OPEN, INTAKE_ALWAYS},
    {"GET", "/v2", handle_oip_server, NULL, SCOPE_OPEN, INTAKE_QUEUED},
    {"GET", "/v2/", handle_oip_server, NULL, SCOPE_OPEN, INTAKE_QUEUED},
    {"GET", "/v2/health/live", handle_healthz, NULL, SCOPE_OPEN, INTAKE_ALWAYS},
    {"GET", "/v2/health/ready", handle_readyz, NULL, SCOPE_OPEN, INTAKE_ALWAYS},
    {"GET", "/v2/models/stats", handle_oip_stats, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"GET", "/v2/models/{name}", handle_oip_model, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"GET", "/v2/models/{name}/versions/{version}", handle_oip_model, NULL, SCOPE_INFER,
     INTAKE_QUEUED},
    {"GET", "/v2/models/{name}/ready", handle_oip_model_ready, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"GET", "/v2/models/{name}/versions/{version}/ready", handle_oip_model_ready, NULL, SCOPE_INFER,
     INTAKE_QUEUED},
    {"GET", "/v2/models/{name}/config", handle_oip_config, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"GET", "/v2/models/{name}/versions/{version}/config", handle_oip_config, NULL, SCOPE_INFER,
     INTAKE_QUEUED},
    {"GET", "/v2/models/{name}/stats", handle_oip_model_stats, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"GET", "/v2/models/{name}/versions/{version}/stats", handle_oip_model_stats, NULL, SCOPE_INFER,
     INTAKE_QUEUED},
    {"POST", "/v2/models/{name}/infer", handle_oip_infer, oip_infer_is_slow, SCOPE_INFER,
     INTAKE_QUEUED},
    {"POST", "/v2/models/{name}/versions/{version}/infer", handle_oip_infer, oip_infer_is_slow,
     SCOPE_INFER, INTAKE_QUEUED},
    {"POST", "/v2/repository/index", handle_oip_index, NULL, SCOPE_INFER, INTAKE_QUEUED},
    {"POST", "/v2/repository/models/{name}/load", handle_oip_load, always_slow, SCOPE_ADMIN,
     INTAKE_QUEUED},
    {"POST", "/v2/repository/models/{name}/unload", handle_oip_unload, always_slow, SCOPE_ADMIN,
     INTAKE_QUEUED},
    // Open, for the token may be in the form: the handlers look there.
    {"GET", "/v1/vision/custom/list", handle_vision_list, NULL, SCOPE_OPEN, INTAKE_QUEUED},
    {"POST", "/v1/vision/custom/list", handle_vision_list, NULL, SCOPE_OPEN, INTAKE_QUEUED},
    {"POST", "/v1/vision/custom/{name}", handle_vision_custom, input_is_slow, SCOPE_OPEN,
     INTAKE_QUEUED},
    {"POST", "/v1/vision/detection", handle_vision_detection, input_is_slow, SCOPE_OPEN,
     INTAKE_QUEUED},
    {"POST", "/v1/vision/scene", handle_vision_scene, input_is_slow, SCOPE_OPEN, INTAKE_QUEUED},
    {"POST", "/api/image", handle_ei_image, input_is_slow, SCOPE_INFER, INTAKE_QUEUED},
    {"POST", "/api/features", handle_ei_features, input_is_slow, SCOPE_INFER, INTAKE_QUEUED},
    {"GET", "/api/info", handle_ei_info, NULL, SCOPE_INFER, INTAKE_QUEUED},
};
enum { N_ROUTES = sizeof routes / sizeof routes[0] };
_Static_assert((int)N_ROUTES < STATS_MAX_ROUTES, "each row has its counters");

// Whether path fits pattern; what {name} and {version} matched goes to name and version. A segment
// that is too long fits nothing.
static bool path_fits(const char *pattern, const char *path, char name[REQUEST_MAX_NAME + 1],
                      char version[REQUEST_MAX_VERSION + 1]) {
    version[0] = 0;
    while (*pattern != 0) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t len = strcspn(path, "/");
        bool is_name = pattern[1] != 'v';
        if (len == 0 || len > (is_name ? REQUEST_MAX_NAME : REQUEST_MAX_VERSION))
            return false;
        memcpy(is_name ? name : version, path, len);
        (is_name ? name : version)[len] = 0;
        path += len;
        pattern = strchr(pattern, '}') + 1;
    }
    return *path == 0;
}

static bool method_fits(const struct route *route, const char *method) {
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

// The methods of the routes that fit the path: "GET, HEAD".
static void refuse_method(struct request *request, struct reply *reply) {
    char allow[REPLY_MAX_VALUE + 1] = "", name[REQUEST_MAX_NAME + 1];
    char version[REQUEST_MAX_VERSION + 1];
    // A name that is a path of its own, like /v1/vision/custom/list, has the methods of both.
    for (size_t i = 0, len = 0; i < N_ROUTES; i++)
        if (path_fits(routes[i].path, request->path, name, version) &&
            strstr(allow, routes[i].method) == NULL)
            len += (size_t)snprintf(allow + len, sizeof allow - len, "%s%s%s", len > 0 ? ", " : "",
                                    routes[i].method,
                                    strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
    if (allow[0] == 0) {
        reply_error(reply, request, 404, "not_found", "no such path: %s", request->path);
        return;
    }
    reply_error(reply, request, 405, "method_not_allowed", "%s does not take %.32s, but %s",
                request->path, request->method, allow);
    reply_header(reply, "Allow", allow);
}

// The first row of route's path, counted from 1; 0 behind the end. Rows of one path are neighbors.
static unsigned row_of(const struct route *route) {
    size_t row = (size_t)(route - routes);
    while (row > 0 && row < N_ROUTES && strcmp(routes[row - 1].path, routes[row].path) == 0)
        row--;
    return row < N_ROUTES ? (unsigned)row + 1 : 0;
}

// N_ROUTES rows behind routes where there is none.
static const struct route *find(struct request *request, const char *method) {
    const struct route *route = routes;
    const struct route *const end = routes + N_ROUTES;
    while (route < end && !(method_fits(route, method) &&
                            path_fits(route->path, request->path, request->name, request->version)))
        route++;
    return route;
}

// OPTIONS is no method of ours; it is answered where a browser asks for a page that may.
static bool answers_preflight(struct api *api, struct request *request, struct reply *reply) {
    if (request->preflight == NULL || strcmp(request->method, "OPTIONS") != 0)
        return false;
    const struct route *asked = find(request, request->preflight);
    return asked < routes + N_ROUTES && gate_answers_preflight(api, request, asked->scope, reply);
}

const struct route *routes_find(struct api *api, struct request *request, struct reply *reply) {
    const struct route *route = find(request, request->method);
    request->row = row_of(route);
    if (route < routes + N_ROUTES)
        return route;
    if (!answers_preflight(api, request, reply))
        refuse_method(request, reply);
    return NULL;
}

const struct route *routes_row(unsigned row) {
    return row >= 1 && row <= N_ROUTES ? &routes[row - 1] : NULL;
}

const char *routes_path(unsigned row) {
    const struct route *route = routes_row(row);
    return route != NULL ? route->path : NULL;
}

void *scratch_take(struct scratch *scratch, size_t bytes) {
    if (bytes > scratch->size) {
        scratch_free(scratch);
        scratch->at = malloc(bytes);
        scratch->size = scratch->at != NULL ? bytes : 0;
    }
    return scratch->at;
}

void scratch_free(struct scratch *scratch) {
    free(scratch->at);
    *scratch = (struct scratch){0};
}
