/* SPDX-License-Identifier: MIT */
// Who may call what: the page that a browser sends a request for, the name it asked for, the token.
#ifndef GATE_H
#define GATE_H

#include "daemon/routes.h"

// Whether the request may go on to a route of that scope. If not, reply holds 401 or 403.
bool gate_admits(struct api *api, const struct request *request, enum scope scope,
                 struct reply *reply);

// Whether a page of another site, which is not in cors-origins, sent this.
bool gate_is_foreign(const struct api *api, const struct request *request);

// The Origin that may read the reply (Access-Control-Allow-Origin); NULL: no other than our own.
const char *gate_shares_with(const struct api *api, const struct request *request,
                             enum scope scope);

// A browser asks, with OPTIONS, whether a page may send a request to a route of that scope. False
// where it may not; else reply is the answer.
bool gate_answers_preflight(const struct api *api, const struct request *request, enum scope scope,
                            struct reply *reply);

#endif
