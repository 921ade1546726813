/* SPDX-License-Identifier: MIT */
// The body of an inference request of the Open Inference Protocol v2, with Triton's extensions for
// binary tensors and classification. A pure function of the body, which takes no memory.
#ifndef OIP_REQUEST_H
#define OIP_REQUEST_H

#include "daemon/tensors.h"

// What a model offers: the names in its metadata.
#define OIP_IMAGE "image" // values, 0..1
#define OIP_JPEG "jpeg"   // whole pictures, of any format that /classify takes
enum oip_output { OIP_PROBABILITIES, OIP_LOGITS, OIP_LABEL, N_OIP_OUTPUTS };
extern const char *const oip_output_name[N_OIP_OUTPUTS];

enum { OIP_MAX_ID = 1024 };

// How an output shall come.
struct oip_wanted {
    enum oip_output output;
    bool binary;
    unsigned classes; // this many of the best as "value:index:label"; 0: the tensor itself
};

struct oip_request {
    struct bytes id; // the inside of a JSON string; at is NULL if none was sent
    struct tensor input;
    bool pictures; // the input is of TENSOR_BYTES: a picture an element
    unsigned n_wanted;
    struct oip_wanted wanted[N_OIP_OUTPUTS];
};

// json: what the header Inference-Header-Content-Length says is JSON, or all of the body; tail: the
// bytes behind it, at is NULL where the header was not sent. Both are borrowed.
// TNM_EINPUT; TNM_EUNSUPPORTED for shared memory.
bool oip_request_parse(struct bytes json, struct bytes tail, struct oip_request *out,
                       struct tnm_error *err) TNM_MUST_CHECK;

#endif
