/* SPDX-License-Identifier: MIT */
// Keys of JSON, and refusals.
#include "daemon/models_json.h"

void write_key(struct json_out *out, const char *key) {
    json_out_text(out, ",\"");
    json_out_text(out, key);
    json_out_text(out, "\":");
}

void write_uint(struct json_out *out, const char *key, uint64_t value) {
    write_key(out, key);
    json_out_uint(out, value);
}

void write_decimal(struct json_out *out, const char *key, double value) {
    write_key(out, key);
    json_out_decimal(out, value, 6);
}

void write_bool(struct json_out *out, const char *key, bool value) {
    write_key(out, key);
    json_out_bool(out, value);
}

void write_string(struct json_out *out, const char *key, const char *value) {
    write_key(out, key);
    if (*value != '\0')
        json_out_string(out, value);
    else
        json_out_text(out, "null");
}

struct refusal {
    unsigned status;
    const char *code;
};

static struct refusal refusal_of(enum shelf_result result, int code) {
    static const struct refusal of_result[] = {[SHELF_UNKNOWN] = {404, "model_not_found"},
                                               [SHELF_BAD_NAME] = {400, "bad_name"},
                                               [SHELF_MOVED] = {412, "generation_moved"},
                                               [SHELF_EXISTS] = {412, "model_exists"},
                                               [SHELF_IN_USE] = {409, "in_use"},
                                               [SHELF_NOT_LOADED] = {409, "not_loaded"},
                                               [SHELF_READ_ONLY] = {409, "read_only"},
                                               [SHELF_FULL] = {507, "storage_full"},
                                               [SHELF_NOTHING_BEFORE] = {409, "nothing_before"}};
    if (result != SHELF_REFUSED)
        return of_result[result];
    return code == TNM_ENOMEM      ? (struct refusal){503, "overloaded"}
           : code == TNM_ELIMIT    ? (struct refusal){409, "limit_reached"}
           : code == TNM_ESELFTEST ? (struct refusal){422, "selftest_failed"}
                                   : (struct refusal){422, "model_invalid"};
}

void reply_refused(struct reply *reply, const struct request *request, enum shelf_result result,
                   const struct tnm_error *err) {
    struct refusal refusal = refusal_of(result, err->code);
    reply_error(reply, request, refusal.status, refusal.code, "%s", err->text);
}
