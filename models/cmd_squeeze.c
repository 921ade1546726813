/* SPDX-License-Identifier: MIT */
// tnm squeeze: from data to the most accurate file under a byte budget.
#include "models/commands.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/checksum.h"
#include "core/error.h"
#include "core/save.h"
#include "models/learn.h"
#include "models/share.h"
#include "models/squeeze.h"
#include "models/step.h"

struct settings {
    struct learn_settings learn; // first, where its options look for it
    const char *from, *folder;
    uint64_t budget;
    uint32_t bits;
    double effort;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    {"arch", 0, CLI_TEXT, LEARN_AT(arch), "A", NULL, 0, 0, "the network's shape (tnm train)"},
    {"from", 0, CLI_PATH, AT(from), "M.tnm", NULL, 0, 0, "begin with this trained network instead"},
    {"budget", 0, CLI_BIG, AT(budget), "BYTES", CLI_MUST, 1, 1e12, "the file's largest size"},
    {"bits", 0, CLI_COUNT, AT(bits), "B", NULL, 1, SHARE_MAX_BITS,
     "at most 2^B different weights in every layer, not what each is found to need"},
    {"effort", 0, CLI_REAL, AT(effort), "X", NULL, 0.001, 100,
     "factor of all epochs; 1 trains for 150 to 250 of them [1]"},
    {"batch", 0, CLI_COUNT, LEARN_AT(batch), "N", NULL, 1, 65536, "images in a step [128]"},
    LEARN_INPUT_OPTIONS,
    LEARN_TEACHER_OPTIONS,
    {"work", 0, CLI_PATH, AT(folder), "DIR", NULL, 0, 0,
     "keep each stage's network there; stages that are there are not run again"},
    CLI_DATA(LEARN_AT(data), CLI_MUST),
    CLI_OUTPUT(LEARN_AT(output)),
    CLI_THREADS(LEARN_AT(threads)),
    CLI_SEED(LEARN_AT(seed)),
    CLI_LOG(LEARN_AT(log)),
    CLI_JSON(LEARN_AT(json)),
};

static const struct cli_command command = {
    "squeeze",
    "(--arch A | --from M.tnm) --data DIR --budget BYTES -o T.tnm",
    "Makes the most accurate file of at most so many bytes, from data, in one go.\n\n"
    "Trains; then prunes in levels, bit by bit while training, by |w| v^(1/4); shares the weights "
    "of\n"
    "each layer and trains the shared values; rounds them and the biases; and removes what does "
    "not\n"
    "fit. How many weights there is room for is found by trial before each level. Images come "
    "from\n"
    "a pool of copies (--weak 11 --strong 12 unless told), and from teachers if there are any.\n"
    "Run again with the same --work after an interruption, it goes on where it was.",
    options,
    sizeof options / sizeof *options,
    0,
    0};

enum {
    LEAST_BYTES = 48, // header and directory alone
    SPARE_BYTES = 3   // scores that are not known yet code in so many more at most
};

static bool open_net(const struct settings *s, struct step *step, struct net *net,
                     struct dataset *data, struct tnm_error *err) {
    if (s->from != NULL)
        return step_open(step, net, s->from, err) &&
               step_data(data, s->learn.data, net, true, true, err);
    const struct tnm_recipe own = {0};
    step->started = cli_seconds();
    return step_name(step, NULL, err) && learn_data(&s->learn, &own, data, err) &&
           learn_new(&s->learn, net, data, 0, err) && step_name(step, net, err);
}

// ---- The folder of stages ----------------------------------------------------------------------

// What the stages depend on, as text: all but budget and bits, which stages are named after.
static char *tell_run(const struct settings *s, const struct step *step, const struct learn *learn,
                      const struct dataset *data) {
    struct settings shared = *s;
    char told[TNM_MAX_TEXT + 1], from[2 * TNM_DIGEST_BYTES + 1] = "nothing";
    char teachers[DISTILL_MAX_TEACHERS * (2 * TNM_DIGEST_BYTES + 1) + 1] = "";
    char *text = NULL;
    shared.budget = UINT64_MAX; // as if not given
    shared.bits = UINT32_MAX;
    cli_tell(&command, &shared, told, sizeof told);
    if (step->has_parent)
        tnm_digest_text(step->parent, from);
    for (uint32_t t = 0; t < learn->distill.n_teachers; t++)
        snprintf(teachers + strlen(teachers), sizeof teachers - strlen(teachers), " %s",
                 tnm_model_digest(learn->distill.teacher[t]));
    if (asprintf(&text, "tnm squeeze %s\nseed %llu\ndata %08x\nfrom %s\ntaught by%s\n", told,
                 (unsigned long long)s->learn.seed, learn_checksum(data), from, teachers) < 0)
        return NULL;
    return text;
}

static bool same_text(const char *path, const char *text) {
    char kept[TNM_MAX_TEXT + 8192];
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    size_t len = fread(kept, 1, sizeof kept, f);
    fclose(f);
    return len == strlen(text) && memcmp(kept, text, len) == 0;
}

// Stages of a run with other settings must not be taken for ours.
static bool claim_folder(const char *folder, const char *text, struct tnm_error *err) {
    char path[4096];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return tnm_fail_errno(err, errno, "%s", folder);
    if (snprintf(path, sizeof path, "%s/settings", folder) >= (int)sizeof path)
        return tnm_fail(err, TNM_EINPUT, "--work: path too long");
    struct stat file;
    if (stat(path, &file) != 0)
        return tnm_write_file(path, text, strlen(text), err);
    return same_text(path, text) ||
           tnm_fail(err, TNM_EINPUT,
                    "%s: of a run with other settings, data or teachers; remove it to begin anew",
                    folder);
}

static bool open_folder(const struct settings *s, const struct step *step,
                        const struct learn *learn, const struct dataset *data,
                        struct tnm_error *err) {
    if (s->folder == NULL)
        return true;
    char *text = tell_run(s, step, learn, data);
    bool ok =
        text != NULL ? claim_folder(s->folder, text, err) : tnm_fail_errno(err, ENOMEM, "settings");
    free(text);
    return ok;
}

// ---- All of it ---------------------------------------------------------------------------------

static bool check_size(const char *path, uint64_t budget, struct tnm_error *err) {
    struct stat file;
    if (stat(path, &file) != 0)
        return tnm_fail_errno(err, errno, "%s", path);
    return (uint64_t)file.st_size <= budget ||
           tnm_fail(err, TNM_ELIMIT, "%s: %lld bytes, more than the budget", path,
                    (long long)file.st_size);
}

static bool run(const struct settings *s, struct step *step, struct net *net, struct dataset *data,
                struct tnm_error *err) {
    struct learn learn = {0};
    if (s->budget <= LEAST_BYTES)
        return tnm_fail(err, TNM_EINPUT, "a budget of %llu bytes is too small for any file",
                        (unsigned long long)s->budget);
    struct squeeze squeeze = {.net = net,
                              .data = data,
                              .learn = &learn,
                              .budget = s->budget - SPARE_BYTES,
                              .seed = step->seed,
                              .pack = *step->pack,
                              .bits = s->bits,
                              .effort = s->effort,
                              .trained = s->from != NULL,
                              .folder = s->folder,
                              .log = json_array()};
    bool ok = learn_open(&learn, &s->learn, net, data, err) &&
              open_folder(s, step, &learn, data, err) && squeeze_run(&squeeze, err);
    json_t *details = json_pack("{s:I, s:O, s:O}", "budget", (json_int_t)s->budget, "stages",
                                squeeze.log, "epochs", learn.epochs);
    ok = ok && step_finish(step, net, data, json_incref(details), err) &&
         check_size(s->learn.output, s->budget, err);
    json_decref(details);
    json_decref(squeeze.log);
    learn_close(&learn, ok);
    return ok;
}

// What was not given.
static void fill(struct settings *s) {
    struct learn_settings *l = &s->learn;
    s->bits = s->bits != UINT32_MAX ? s->bits : 0;
    s->effort = s->effort > 0 ? s->effort : 1; // not given: NaN
    l->batch = l->batch != UINT32_MAX ? l->batch : 128;
    if (l->weak == UINT32_MAX && l->strong == UINT32_MAX) {
        l->weak = 11;
        l->strong = 12;
    }
}

int cmd_squeeze(int argc, char **argv) {
    struct settings s;
    struct net net = {0};
    struct dataset data = {0};
    struct tnm_error err;
    learn_defaults(&s.learn);
    int code = cli_parse(&command, argc, argv, &s, NULL);
    if (code == CLI_GO && (s.learn.arch == NULL) == (s.from == NULL))
        code = cli_wrong(&command, "give one of --arch, --from");
    if (code == CLI_GO)
        code = learn_check(&s.learn, &command);
    if (code != CLI_GO)
        return code;
    struct step step = learn_step(&s.learn, "squeeze");
    cli_tell(&command, &s, step.parameters, sizeof step.parameters);
    fill(&s);
    const struct pack pack = pack_small(s.learn.seed);
    step.pack = &pack;
    bool ok = open_net(&s, &step, &net, &data, &err) && run(&s, &step, &net, &data, &err);
    code = ok ? CLI_OK : cli_fail(&err);
    dataset_close(&data);
    net_free(&net);
    return code;
}
