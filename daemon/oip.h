/* SPDX-License-Identifier: MIT */
// The Open Inference Protocol v2: what its files share.
//
// A model of the protocol is a model of ours. Its version is the first 12 digits of its digest,
// which is the same on every machine and after every restart; as some clients insist on a number,
// "1" stands for whatever serves.
#ifndef OIP_H
#define OIP_H

#include "daemon/answer.h"
#include "daemon/oip_request.h"

enum { OIP_VERSION_DIGITS = 12 };

// Holds the model that the path names, in the version that it names, if it does; to be given to
// shelf_release. NULL with 404 or 503 in reply.
struct served *oip_hold(struct api *api, const struct request *request, struct reply *reply);

// Writes `"a5f41952195f"` with the quotes.
void oip_write_version(struct json_out *out, const struct served *served);

// Writes the answers to n_rows inputs as asked for: JSON, and behind it the tensors that are to be
// binary. *json_len: where these begin; 0 if there are none.
void oip_write_answers(struct json_out *out, const struct served *served,
                       const struct request *request, const struct oip_request *asked,
                       const struct answer *rows, size_t n_rows, size_t *json_len);

#endif
