/* SPDX-License-Identifier: MIT */
// Noise with one bright quarter.
#include "tests/quarters.h"

#include <check.h>
#include <stdlib.h>

#include "tests/random.h"

static void make_set(struct data_set *set, uint32_t side, uint32_t n, uint64_t salt) {
    struct randomness r;
    uint32_t inputs = side * side;
    random_start(&r, salt);
    *set = (struct data_set){n, malloc((size_t)n * inputs + 1), malloc((n + 1) * sizeof(uint16_t))};
    ck_assert(set->pixel != NULL && set->label != NULL);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t label = random_between(&r, 0, QUARTERS_CLASSES - 1);
        set->label[i] = (uint16_t)label;
        for (uint32_t k = 0; k < inputs; k++) {
            uint32_t quarter = k % side / (side / 2) + 2 * (k / side / (side / 2));
            set->pixel[i * inputs + k] =
                (uint8_t)random_between(&r, 0, quarter == label ? 255 : 130);
        }
    }
}

void quarters_make(struct dataset *data, uint32_t side, uint32_t train, uint32_t validation) {
    *data = (struct dataset){.name = "quarters",
                             .recipe = data_recipe(side, side, 1, TNM_FIT_CONTAIN),
                             .inputs = side * side,
                             .n_classes = QUARTERS_CLASSES};
    make_set(&data->set[DATA_TRAIN], side, train, 1);
    make_set(&data->set[DATA_VALIDATION], side, validation, 2);
}
