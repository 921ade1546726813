/* SPDX-License-Identifier: MIT */
// The handlers that routes.c puts in its table, a file per family.
#ifndef HANDLERS_H
#define HANDLERS_H

#include "daemon/routes.h"

// classify.c
bool classify_is_slow(const struct api *api, const struct request *request);
void handle_classify(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);

// compare.c
void handle_compare(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);
void handle_ensemble(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);
bool compare_is_slow(const struct api *api, const struct request *request);

// shadow_api.c
void handle_shadow(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply);
void handle_put_shadow(struct api *api, const struct request *request, struct scratch *scratch,
                       struct reply *reply);

// replay_api.c
void handle_replay(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply);

// feedback_api.c
void handle_feedback(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);
void handle_post_feedback(struct api *api, const struct request *request, struct scratch *scratch,
                          struct reply *reply);

// evaluate.c
void handle_evaluate(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);

// models_api.c
void handle_models(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply);
void handle_model(struct api *api, const struct request *request, struct scratch *scratch,
                  struct reply *reply);

// models_change.c
void handle_put_model(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply);
void handle_delete_model(struct api *api, const struct request *request, struct scratch *scratch,
                         struct reply *reply);
void handle_rollback(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);
void handle_activate(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);

// aliases_api.c
void handle_aliases(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);
void handle_put_alias(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply);
void handle_delete_alias(struct api *api, const struct request *request, struct scratch *scratch,
                         struct reply *reply);

// weights_api.c
void handle_weights(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);

// openapi.c
void handle_openapi(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);

// page.c
void handle_page(struct api *api, const struct request *request, struct scratch *scratch,
                 struct reply *reply);

// metrics.c
void handle_metrics(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);

// oip_infer.c
void handle_oip_infer(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply);
bool oip_infer_is_slow(const struct api *api, const struct request *request);

// oip_repository.c
void handle_oip_index(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply);
void handle_oip_load(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);
void handle_oip_unload(struct api *api, const struct request *request, struct scratch *scratch,
                       struct reply *reply);

// oip_stats.c
void handle_oip_model_stats(struct api *api, const struct request *request, struct scratch *scratch,
                            struct reply *reply);
void handle_oip_stats(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply);

// oip_meta.c
void handle_oip_server(struct api *api, const struct request *request, struct scratch *scratch,
                       struct reply *reply);
void handle_oip_model(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply);
void handle_oip_config(struct api *api, const struct request *request, struct scratch *scratch,
                       struct reply *reply);
void handle_oip_model_ready(struct api *api, const struct request *request, struct scratch *scratch,
                            struct reply *reply);

// deepstack.c
void handle_vision_custom(struct api *api, const struct request *request, struct scratch *scratch,
                          struct reply *reply);
void handle_vision_detection(struct api *api, const struct request *request,
                             struct scratch *scratch, struct reply *reply);
void handle_vision_scene(struct api *api, const struct request *request, struct scratch *scratch,
                         struct reply *reply);
void handle_vision_list(struct api *api, const struct request *request, struct scratch *scratch,
                        struct reply *reply);

// edge_impulse.c
void handle_ei_image(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply);
void handle_ei_features(struct api *api, const struct request *request, struct scratch *scratch,
                        struct reply *reply);
void handle_ei_info(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);

// health.c
// Why no request should come here now, as the code of an error; NULL if it may.
const char *health_reason(struct api *api);
void handle_healthz(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply);
void handle_readyz(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply);

#endif
