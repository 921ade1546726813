/* SPDX-License-Identifier: MIT */
// Origin, Host and token, in this order: a page from elsewhere learns nothing about the token.
#include "daemon/gate.h"

#include "daemon/origin.h"

#include <strings.h>

bool gate_is_foreign(const struct api *api, const struct request *request) {
    return origin_is_foreign(request->origin, request->host) &&
           !origin_is_listed(api->options->cors_origins, request->origin);
}

// Newer browsers say it in one word, also where they send no Origin: only the daemon's own page,
// and the person at the browser, may change something.
static bool comes_from_another_site(const struct request *request) {
    const char *site = request->fetch_site;
    return site != NULL && strcasecmp(site, "same-origin") != 0 && strcasecmp(site, "none") != 0;
}

static bool admits_page(const struct api *api, const struct request *request, struct reply *reply) {
    if (origin_is_foreign(request->origin, request->host) || comes_from_another_site(request)) {
        reply_error(reply, request, 403, "foreign_origin",
                    "a page of %.200s may not change this server",
                    request->origin != NULL ? request->origin : "another site");
        return false;
    }
    if (request->host != NULL && !host_is_ours(api->options->allowed_hosts, request->host)) {
        reply_error(reply, request, 403, "unknown_host",
                    "\"%.200s\" is not a name under which this server may be changed "
                    "(allowed-hosts)",
                    request->host);
        return false;
    }
    return true;
}

static void refuse_token(const struct request *request, enum scope scope, enum access_result why,
                         struct reply *reply) {
    const char *name = scope == SCOPE_ADMIN ? "an admin" : "a";
    if (why == ACCESS_LESS) {
        reply_error(reply, request, 403, "insufficient_scope",
                    "this needs an admin token, and the token is one for inference");
        reply_header(reply, "WWW-Authenticate",
                     "Bearer realm=\"tnmd\", error=\"insufficient_scope\", scope=\"admin\"");
    } else if (why == ACCESS_MISSING) {
        reply_error(reply, request, 401, "unauthorized",
                    "this needs %s token: Authorization: Bearer ...", name);
        reply_header(reply, "WWW-Authenticate", "Bearer realm=\"tnmd\"");
    } else {
        reply_error(reply, request, 401, "unauthorized", "the token is not one of this server's");
        reply_header(reply, "WWW-Authenticate", "Bearer realm=\"tnmd\", error=\"invalid_token\"");
    }
}

bool gate_admits(struct api *api, const struct request *request, enum scope scope,
                 struct reply *reply) {
    if (scope == SCOPE_ADMIN && !admits_page(api, request, reply))
        return false;
    enum access_result result = access_check(api->access, scope, request->authorization);
    if (result == ACCESS_GRANTED)
        return true;
    refuse_token(request, scope, result, reply);
    return false;
}

const char *gate_shares_with(const struct api *api, const struct request *request,
                             enum scope scope) {
    bool shares = scope != SCOPE_ADMIN && request->origin != NULL &&
                  origin_is_listed(api->options->cors_origins, request->origin);
    return shares ? request->origin : NULL;
}

bool gate_answers_preflight(const struct api *api, const struct request *request, enum scope scope,
                            struct reply *reply) {
    if (gate_shares_with(api, request, scope) == NULL)
        return false;
    reply->status = 204;
    reply_header(reply, "Access-Control-Allow-Methods", "GET, HEAD, POST");
    reply_header(reply, "Access-Control-Allow-Headers",
                 "Authorization, Content-Type, X-Request-Id, Inference-Header-Content-Length");
    reply_header(reply, "Access-Control-Max-Age", "600");
    return true;
}
