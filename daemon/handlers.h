/* SPDX-License-Identifier: MIT */
// The handlers that routes.c puts in its table, a file per family.
#ifndef HANDLERS_H
#define HANDLERS_H

#include "daemon/routes.h"

// classify.c
void handle_classify(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);

// models_api.c
void handle_models(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply);
void handle_model(struct api *api, const struct request *request, struct scratch *scratch,
                  struct reply *reply);
void handle_activate(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);

// weights_api.c
void handle_weights(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);

// page.c
void handle_page(struct api *api, const struct request *request, struct scratch *scratch,
                 struct reply *reply);

// health.c
void handle_healthz(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);
void handle_readyz(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply);

#endif
