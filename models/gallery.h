/* SPDX-License-Identifier: MIT */
// The models that a plot shows, with what was found out about each.
#ifndef GALLERY_H
#define GALLERY_H

#include "core/model.h"
#include "models/records.h"

enum {
    GALLERY_DATA = 64,  // bytes of the name of the data, as in a dataset
    GALLERY_NAME = 64,  // what is longer is cut
    GALLERY_FAMILY = 64 // bytes
};

struct exhibit {
    const char *file;
    char name[GALLERY_NAME]; // of the file, without folder and .tnm
    struct tnm_model *model; // owned
    struct tnm_summary summary;
    struct tnm_score test;       // as the file says, or as measured; images 0: unknown
    char data[GALLERY_DATA];     // what it was tested on: "mnist"; "" unknown
    double ns, ns_median;        // an input: least, median; NaN: not timed
    char family[GALLERY_FAMILY]; // what kind of network, by its shape
};

struct gallery {
    uint32_t n;
    struct exhibit *at;      // (n), owned
    const char *measured_on; // the folder of --data; NULL: test is what the files say
    bool timed;              //
    bool timed_on_test;      // the inputs were test images; else made ones
    struct records records;
};

struct gallery_options {
    const char *data;    // measure on its test images; may be NULL
    const char *records; // may be NULL
    bool timed;
    uint32_t threads; // to measure with; 0: one for each core
};

// Opens all files, then measures and times what is wanted. What fails names the file.
bool gallery_open(struct gallery *g, const char *const *files, uint32_t n,
                  const struct gallery_options *options, struct tnm_error *err) TNM_MUST_CHECK;

void gallery_close(struct gallery *g);

// The place of a kind of network among those of all models, in their order; UINT32_MAX of one that
// none is of.
uint32_t gallery_series(const struct gallery *g, const char *family);

// What kind of network a model is, by its shape: as --arch would call it, if that has a name for it
// ("784-300-100-10", "lenet5", "lstm-128"); else the sizes of its layers, as in
// "1x28x28-8c3x3-fc10".
void gallery_family(const struct tnm_model *model, char name[GALLERY_FAMILY]);

#endif
