// SPDX-License-Identifier: MIT
// The public interface from C++: compiles without warnings, links, and opens the file it is given.
#include "core/tnm.h"

#include <cstdio>
#include <vector>

int main(int, char **argv) {
    tnm_error err;
    tnm_model *model = tnm_model_open(argv[1], &err);
    tnm_session *session = model != nullptr ? tnm_session_open(model, 1, &err) : nullptr;
    if (session == nullptr) {
        std::fprintf(stderr, "cxx: %s\n", err.text);
        return 1;
    }
    std::vector<float> x(tnm_model_inputs(model)), logits(tnm_model_outputs(model));
    tnm_session_run(session, x.data(), 1, logits.data());
    tnm_session_close(session);
    tnm_model_close(model);
    return logits[0] == 0.25f ? 0 : 1; // tiny.tnm: the bias
}
