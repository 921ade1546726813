/* SPDX-License-Identifier: MIT */
// What made models (made.h) answer, found without the daemon; and asking the daemon the same.
#ifndef TEST_EXPECT_H
#define TEST_EXPECT_H

#include "tests/client.h"
#include "tests/made.h"

#include <jansson.h>

struct expected {
    size_t index;
    double margin;   // of the probabilities
    char digest[65]; // of the model
};

// What made_model(seed) says of made_input(input); seeds below 4, inputs below 128. From one
// thread.
struct expected expect_answer(unsigned seed, unsigned input);

// POST /classify with the input, the query and the request id (either may be NULL). Fails the test
// unless the answer is 200; *answer, if not NULL, is for the caller to free.
void expect_classified(uint16_t port, unsigned input, const char *query, const char *id,
                       struct answer *answer);

// One call with a body (NULL: none); fails the test unless it has this status. The reply as JSON,
// for json_decref.
json_t *expect_json(uint16_t port, const char *method, const char *path, const char *type,
                    const void *body, size_t len, int status);

// Fields of a JSON object that must be there.
json_int_t expect_integer(const json_t *object, const char *key);
double expect_number(const json_t *object, const char *key);
const char *expect_string(const json_t *object, const char *key);

// The value of one line of /metrics, "name{labels}"; -1 where there is none.
double expect_metric(uint16_t port, const char *series);

#endif
