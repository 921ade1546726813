/* SPDX-License-Identifier: MIT */
// Fuzz target: opens bytes as a model, and runs it. The checksum and the length of the last section
// are made right first, or nothing behind them would ever be reached.
#include "core/bytes.h"
#include "core/checksum.h"
#include "core/model.h"
#include "core/save.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair(uint8_t *bytes, size_t len) {
    size_t n = load_u16(bytes + 10), end = 16 + 8 * n;
    if (n < 1 || n > 4 || end > len)
        return;
    for (size_t i = 0; i + 1 < n; i++)
        end += load_u32(bytes + 20 + 8 * i);
    if (end <= len)
        store_u32(bytes + 12 + 8 * n, (uint32_t)(len - end));
    store_u32(bytes + 12, 0);
    store_u32(bytes + 12, tnm_crc32(0, bytes, len));
}

// One input alone and two side by side.
static void run(const struct tnm_model *model) {
    size_t inputs = tnm_model_inputs(model), outputs = tnm_model_outputs(model);
    float *x = calloc(2 * inputs, sizeof *x), *y = malloc(2 * outputs * sizeof *y);
    struct tnm_session *session = tnm_session_open(model, 2, NULL);
    for (size_t i = 0; i < 2 * inputs; i += 3)
        x[i] = (float)(i % 5) / 4;
    if (session != NULL) {
        tnm_session_run(session, x, 1, y);
        tnm_session_run(session, x, 2, y);
    }
    tnm_session_close(session);
    free(x);
    free(y);
}

// What opens is written again, and is then a file that opens.
static void write_again(const struct tnm_model *model) {
    uint8_t *bytes;
    size_t len;
    if (!tnm_encode(&model->graph, &model->meta, &bytes, &len, NULL))
        abort();
    struct tnm_model *again = tnm_model_from_bytes(bytes, len, &model->limits, NULL);
    if (again == NULL && len <= model->len)
        abort();
    tnm_model_close(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct tnm_limits limits = {1 << 20, 4 << 20};
    uint8_t *bytes = malloc(size + 1);
    memcpy(bytes, data, size);
    if (size >= 24)
        repair(bytes, size);
    struct tnm_model *model = tnm_model_from_bytes(bytes, size, &limits, NULL);
    free(bytes);
    if (model == NULL)
        return 0;
    if (tnm_model_inputs(model) + tnm_model_outputs(model) <= 1 << 18)
        run(model);
    write_again(model);
    (void)!tnm_model_self_test(model, NULL);
    tnm_model_close(model);
    return 0;
}
