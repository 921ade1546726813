/* SPDX-License-Identifier: MIT */
// daemon/openapi.json: it and the table of routes name the same operations, it is sound in itself,
// and the real daemon's replies to each operation are as it says.
#include "core/tnm.h"
#include "daemon/routes.h"
#include "tests/made.h"
#include "tests/schema.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static json_t *document;

static void load(void) {
    json_error_t fault;
    document = json_load_file("daemon/openapi.json", JSON_REJECT_DUPLICATES, &fault);
    ck_assert_msg(document != NULL, "line %d: %s", fault.line, fault.text);
}

static void unload(void) {
    json_decref(document);
}

static json_t *part(const json_t *of, const char *name) {
    return json_object_get(of, name);
}

// The text in a member, "" where there is none.
static const char *text_in(const json_t *of, const char *name) {
    const char *text = json_string_value(part(of, name));
    return text != NULL ? text : "";
}

// What a "$ref" stands for, or the thing itself.
static const json_t *resolve(const json_t *thing) {
    const json_t *ref = part(thing, "$ref");
    const json_t *found = ref != NULL ? schema_find(document, json_string_value(ref)) : thing;
    ck_assert_msg(found != NULL, "nothing at %s", json_string_value(ref));
    return found;
}

static json_t *operation(const char *method, const char *path) {
    char lower[16] = "";
    for (size_t i = 0; method[i] != '\0' && i < sizeof lower - 1; i++)
        lower[i] = (char)tolower((unsigned char)method[i]);
    return part(part(part(document, "paths"), path), lower);
}

// Calls each for all operations.
static unsigned each_operation(void (*each)(const char *path, const char *method, json_t *op)) {
    unsigned n = 0;
    const char *path, *method;
    json_t *item, *op;
    json_object_foreach(part(document, "paths"), path, item) {
        json_object_foreach(item, method, op) {
            each(path, method, op);
            n++;
        }
    }
    return n;
}

// ---- The table of routes -----------------------------------------------------------------------

static void ignore(const char *path, const char *method, json_t *op) {
    (void)path, (void)method, (void)op;
}

START_TEST(both_know_the_same_operations) {
    unsigned n = 0;
    for (const struct route *route; (route = routes_row(n + 1)) != NULL; n++) {
        const json_t *op = operation(route->method, route->path);
        ck_assert_msg(op != NULL, "%s %s is in no document", route->method, route->path);
        char *security = json_dumps(part(op, "security"), JSON_COMPACT);
        const char *want = route->scope == SCOPE_OPEN    ? "[]"
                           : route->scope == SCOPE_INFER ? "[{\"token\":[\"infer\"]}]"
                                                         : "[{\"token\":[\"admin\"]}]";
        ck_assert_msg(strcmp(security, want) == 0, "%s %s: %s instead of %s", route->method,
                      route->path, security, want);
        free(security);
    }
    ck_assert_uint_gt(n, 40);
    ck_assert_uint_eq(each_operation(ignore), n);
}
END_TEST

// ---- By itself ---------------------------------------------------------------------------------

static void expect_refs(const json_t *thing) {
    const char *name;
    json_t *member;
    size_t i;
    if (json_is_object(thing))
        resolve(thing);
    json_object_foreach((json_t *)(uintptr_t)thing, name, member) expect_refs(member);
    json_array_foreach(thing, i, member) expect_refs(member);
}

static void expect_parameters(const char *path, const json_t *op) {
    size_t i, n_in_path = 0, n_braces = 0;
    json_t *one;
    json_array_foreach(part(op, "parameters"), i, one) {
        const json_t *parameter = resolve(one);
        char braces[80];
        snprintf(braces, sizeof braces, "{%s}", text_in(parameter, "name"));
        ck_assert_ptr_nonnull(part(parameter, "schema"));
        if (strcmp(text_in(parameter, "in"), "path") != 0)
            continue;
        ck_assert(json_is_true(part(parameter, "required")));
        ck_assert_msg(strstr(path, braces) != NULL, "%s has no %s", path, braces);
        n_in_path++;
    }
    for (const char *at = path; (at = strchr(at, '{')) != NULL; at++)
        n_braces++;
    ck_assert_msg(n_braces == n_in_path, "%s: %zu parameters", path, n_in_path);
}

static json_t *ids;

static void expect_operation(const char *path, const char *method, json_t *op) {
    const char *id = text_in(op, "operationId");
    ck_assert_msg(*id != '\0' && part(ids, id) == NULL, "%s %s: \"%s\"", method, path, id);
    json_object_set_new(ids, id, json_true());
    ck_assert_uint_gt(strlen(text_in(op, "summary")), 5);
    ck_assert_uint_eq(json_array_size(part(op, "tags")), 1);
    expect_parameters(path, op);
    ck_assert_ptr_nonnull(part(part(op, "responses"), "default"));
    ck_assert_uint_ge(json_object_size(part(op, "responses")), 2);
    if (part(op, "requestBody") != NULL)
        ck_assert_ptr_nonnull(part(resolve(part(op, "requestBody")), "content"));
    const char *status;
    json_t *response;
    json_object_foreach(part(op, "responses"), status, response)
        ck_assert_uint_gt(strlen(text_in(resolve(response), "description")), 3);
}

START_TEST(it_is_sound_in_itself) {
    ids = json_object();
    ck_assert_str_eq(text_in(document, "openapi"), "3.1.0");
    ck_assert_str_eq(text_in(part(document, "info"), "version"), TNM_VERSION);
    expect_refs(document);
    each_operation(expect_operation);
    json_decref(ids);
}
END_TEST

// Each schema is used, and uses nothing that our checker would not understand.
START_TEST(each_schema_is_used) {
    char *all = json_dumps(document, JSON_COMPACT), why[SCHEMA_WHY], ref[128];
    const char *name;
    json_t *schema, *nothing = json_object();
    json_object_foreach((json_t *)(uintptr_t)schema_find(document, "#/components/schemas"), name,
                        schema) {
        snprintf(ref, sizeof ref, "\"#/components/schemas/%s\"", name);
        ck_assert_msg(strstr(all, ref) != NULL, "%s is not used", name);
        schema_fits(document, schema, nothing, why);
        ck_assert_msg(strstr(why, "nobody") == NULL, "%s: %s", name, why);
    }
    json_decref(nothing);
    free(all);
}
END_TEST

// ---- The checker -------------------------------------------------------------------------------

static const struct {
    const char *schema, *value;
    bool fits;
} tried[] = {
    {"{}", "1", true},
    {"{'type':'integer'}", "1", true},
    {"{'type':'integer'}", "1.5", false},
    {"{'type':'number'}", "1", true},
    {"{'type':['string','null']}", "null", true},
    {"{'type':['string','null']}", "true", false},
    {"{'type':'boolean'}", "false", true},
    {"{'enum':['a',1]}", "1", true},
    {"{'enum':['a',1]}", "'b'", false},
    {"{'const':true}", "false", false},
    {"{'minimum':0,'maximum':1}", "1", true},
    {"{'minimum':0,'maximum':1}", "1.1", false},
    {"{'minimum':0}", "-1", false},
    {"{'minimum':0}", "'a'", true},
    {"{'minLength':2}", "'a'", false},
    {"{'maxLength':2}", "'abc'", false},
    {"{'items':{'type':'string'},'minItems':1,'maxItems':2}", "['a','b']", true},
    {"{'items':{'type':'string'}}", "['a',1]", false},
    {"{'minItems':1}", "[]", false},
    {"{'maxItems':1}", "[1,2]", false},
    {"{'required':['a'],'properties':{'a':{},'b':{'type':'null'}}}", "{'a':1}", true},
    {"{'required':['a'],'properties':{'a':{}}}", "{}", false},
    {"{'properties':{'b':{'type':'null'}}}", "{'b':1}", false},
    {"{'properties':{'a':{}}}", "{'c':1}", false},
    {"{'properties':{'a':{}},'additionalProperties':{'type':'null'}}", "{'c':null}", true},
    {"{'additionalProperties':{'type':'null'}}", "{'c':1}", false},
    {"{'$ref':'#/d/n'}", "null", true},
    {"{'$ref':'#/d/n'}", "1", false},
    {"{'$ref':'#/d/m'}", "null", false},
    {"{'oneOf':[{'$ref':'#/d/n'},{'type':'string'}]}", "'a'", true},
    {"{'oneOf':[{'$ref':'#/d/n'},{'type':'string'}]}", "1", false},
    {"{'oneOf':[{'type':'number'},{'type':'integer'}]}", "1", false},
    {"{'pattern':'a'}", "'a'", false},
};

static json_t *parse(const char *text) {
    char json[256];
    snprintf(json, sizeof json, "%s", text);
    for (char *c = json; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    ck_assert_msg(value != NULL, "%s", json);
    return value;
}

START_TEST(schemas_take_what_fits) {
    char why[SCHEMA_WHY];
    json_t *root = parse("{'d':{'n':{'type':'null'}}}"), *schema = parse(tried[_i].schema),
           *value = parse(tried[_i].value);
    ck_assert_msg(schema_fits(root, schema, value, why) == tried[_i].fits, "%s, %s: %s",
                  tried[_i].schema, tried[_i].value, why);
    json_decref(root);
    json_decref(schema);
    json_decref(value);
}
END_TEST

// ---- Real replies ------------------------------------------------------------------------------

enum body { NOTHING, TEXT, PIXELS, PHOTO, FORM, SET, MODEL, FEATURES };

static const struct call {
    const char *method, *path; // as the document has it, with {name} and {version}
    const char *name;          // in the place of {name}; {version} is 1
    const char *query;
    const char *type;
    enum body body;
    const char *text; // of TEXT
    int status;
} calls[] = {
    {"GET", "/", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/openapi.json", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/healthz", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/readyz", "", "", NULL, NOTHING, NULL, 200},
    {"POST", "/classify", "", "?logits=1&pixels=1", "application/octet-stream", PIXELS, NULL, 200},
    {"POST", "/classify", "", "?model=cascade&top=1", "image/jpeg", PHOTO, NULL, 200},
    {"POST", "/classify", "", "", "text/plain", TEXT, "hello", 415},
    {"POST", "/classify", "", "?top=x", "image/jpeg", PHOTO, NULL, 400},
    {"POST", "/compare", "", "?models=all&top=2&probabilities=1&logits=1&pixels=1", "image/jpeg",
     PHOTO, NULL, 200},
    {"POST", "/compare", "", "?reference=two", "application/octet-stream", PIXELS, NULL, 200},
    {"POST", "/ensemble", "", "?models=one,two&logits=1", "image/jpeg", PHOTO, NULL, 200},
    {"GET", "/shadow", "", "", NULL, NOTHING, NULL, 200},
    {"PUT", "/shadow", "", "", "application/json", TEXT, "{\"models\":[\"two\"],\"sample\":0.5}",
     200},
    {"POST", "/replay", "", "?model=two&pixels=1", NULL, NOTHING, NULL, 200},
    {"POST", "/feedback", "", "", "application/json", TEXT,
     "{\"request_id\":\"call.4\",\"label\":\"3\"}", 200},
    {"POST", "/feedback", "", "", "application/json", TEXT,
     "{\"request_id\":\"none\",\"label\":\"3\"}", 404},
    {"GET", "/feedback", "", "", NULL, NOTHING, NULL, 200},
    {"POST", "/evaluate", "", "?models=one,two", "multipart/form-data; boundary=B", SET, NULL, 200},
    {"GET", "/models", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/models/{name}", "one", "", NULL, NOTHING, NULL, 200},
    {"GET", "/models/{name}", "none", "", NULL, NOTHING, NULL, 404},
    {"GET", "/models/{name}", "broken", "", NULL, NOTHING, NULL, 200},
    {"GET", "/models/{name}/weights", "one", "?units=2", NULL, NOTHING, NULL, 200},
    {"PUT", "/models/{name}", "three", "", "application/octet-stream", MODEL, NULL, 201},
    {"PUT", "/models/{name}", "three", "", "application/octet-stream", MODEL, NULL, 200},
    {"PUT", "/models/{name}", "four", "", "application/octet-stream", PIXELS, NULL, 422},
    {"PUT", "/aliases/{name}", "canary", "", "application/json", TEXT, "{\"model\":\"three\"}",
     201},
    {"PUT", "/aliases/{name}", "canary", "", "application/json", TEXT, "{\"model\":\"two\"}", 200},
    {"GET", "/aliases", "", "", NULL, NOTHING, NULL, 200},
    {"DELETE", "/aliases/{name}", "canary", "", NULL, NOTHING, NULL, 200},
    {"POST", "/models/{name}/activate", "three", "", NULL, NOTHING, NULL, 200},
    {"PUT", "/models/{name}", "three", "", "application/octet-stream", MODEL, NULL, 200},
    {"GET", "/models", "", "", NULL, NOTHING, NULL, 200},
    {"POST", "/models/{name}/activate", "none", "", NULL, NOTHING, NULL, 404},
    {"POST", "/rollback", "", "", NULL, NOTHING, NULL, 200},
    {"DELETE", "/models/{name}", "three", "", NULL, NOTHING, NULL, 200},
    {"DELETE", "/models/{name}", "one", "", NULL, NOTHING, NULL, 409},
    {"GET", "/v2", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/health/live", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/health/ready", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/models/{name}", "one", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/models/{name}/versions/{version}", "one", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/models/{name}/ready", "one", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/models/{name}/versions/{version}/ready", "one", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/models/{name}/config", "one", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/models/{name}/versions/{version}/config", "one", "", NULL, NOTHING, NULL, 200},
    {"POST", "/v2/models/{name}/infer", "one", "", "application/json", TEXT,
     "{\"id\":\"a\",\"parameters\":{},\"inputs\":[{\"name\":\"jpeg\",\"datatype\":\"BYTES\","
     "\"shape\":[1],\"data\":[\"UDUKMSAxCjI1NQoA\"]}],\"outputs\":[{\"name\":\"label\"},{\"name\":"
     "\"logits\"},{\"name\":\"probabilities\",\"parameters\":{\"classification\":2}}]}",
     200},
    {"POST", "/v2/models/{name}/versions/{version}/infer", "one", "", "application/json", TEXT,
     "{\"inputs\":[{\"name\":\"jpeg\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":"
     "[\"UDUKMSAxCjI1NQoA\"]}],\"parameters\":{\"binary_data_output\":true}}",
     200},
    {"POST", "/v2/models/{name}/infer", "one", "", "application/json", TEXT, "{}", 400},
    {"GET", "/v2/models/{name}/stats", "one", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/models/{name}/versions/{version}/stats", "one", "", NULL, NOTHING, NULL, 200},
    {"GET", "/v2/models/stats", "", "", NULL, NOTHING, NULL, 200},
    {"POST", "/v2/repository/models/{name}/unload", "two", "", NULL, NOTHING, NULL, 200},
    {"POST", "/v2/repository/index", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/models", "", "", NULL, NOTHING, NULL, 200},
    {"POST", "/v2/repository/models/{name}/load", "two", "", NULL, NOTHING, NULL, 200},
    {"POST", "/v2/repository/index", "", "", "application/json", TEXT, "{\"ready\":true}", 200},
    {"GET", "/v1/vision/custom/list", "", "", NULL, NOTHING, NULL, 200},
    {"POST", "/v1/vision/custom/list", "", "", NULL, NOTHING, NULL, 200},
    {"POST", "/v1/vision/custom/{name}", "one", "", "multipart/form-data; boundary=B", FORM, NULL,
     200},
    {"POST", "/v1/vision/custom/{name}", "none", "", "multipart/form-data; boundary=B", FORM, NULL,
     404},
    {"POST", "/v1/vision/detection", "", "", "multipart/form-data; boundary=B", FORM, NULL, 200},
    {"POST", "/v1/vision/scene", "", "", "multipart/form-data; boundary=B", FORM, NULL, 200},
    {"POST", "/api/image", "", "", "multipart/form-data; boundary=B", FORM, NULL, 200},
    {"POST", "/api/features", "", "", "application/json", FEATURES, NULL, 200},
    {"GET", "/api/info", "", "", NULL, NOTHING, NULL, 200},
    {"GET", "/metrics", "", "", NULL, NOTHING, NULL, 200},
};

static struct served_run run;

// ---- Bodies ----

struct text {
    char at[1 << 18];
    size_t len;
};

static void add(struct text *text, const void *bytes, size_t len) {
    ck_assert_uint_lt(text->len + len, sizeof text->at);
    memcpy(text->at + text->len, bytes, len);
    text->len += len;
    text->at[text->len] = '\0';
}

static void add_text(struct text *text, const char *words) {
    add(text, words, strlen(words));
}

static void add_photo(struct text *text) {
    static char photo[1 << 17];
    FILE *file = fopen("tests/data/img/seven.jpg", "re");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(photo, 1, sizeof photo, file);
    fclose(file);
    ck_assert_uint_lt(len, sizeof photo);
    add(text, photo, len);
}

static void add_part(struct text *text, const char *name) {
    add_text(text, "--B\r\nContent-Disposition: form-data; name=\"");
    add_text(text, name);
    add_text(text, "\"; filename=\"f\"\r\n\r\n");
}

// Three images, one a byte each of pixels 28x28, and their labels.
static void add_set(struct text *text) {
    uint8_t pixels[MADE_INPUTS];
    add_part(text, "images");
    add(text, "\0\0\x08\x03\0\0\0\x03\0\0\0\x1c\0\0\0\x1c", 16);
    for (unsigned i = 0; i < 3; i++) {
        made_input(i, pixels);
        add(text, pixels, sizeof pixels);
    }
    add_text(text, "\r\n");
    add_part(text, "labels");
    add(text, "\0\0\x08\x01\0\0\0\x03\x01\x02\x03", 11);
    add_text(text, "\r\n--B--\r\n");
}

static void add_features(struct text *text) {
    char number[24];
    add_text(text, "{\"features\":[");
    for (unsigned i = 0; i < MADE_INPUTS; i++) {
        snprintf(number, sizeof number, "%s%u", i > 0 ? "," : "", i * 0x10101 % 0x1000000);
        add_text(text, number);
    }
    add_text(text, "]}");
}

static void make_body(const struct call *call, struct text *text) {
    uint8_t pixels[MADE_INPUTS];
    text->len = 0;
    if (call->body == TEXT) {
        add_text(text, call->text);
    } else if (call->body == PIXELS) {
        made_input(3, pixels);
        add(text, pixels, sizeof pixels);
    } else if (call->body == PHOTO) {
        add_photo(text);
    } else if (call->body == FORM) {
        add_part(text, "image");
        add_photo(text);
        add_text(text, "\r\n--B--\r\n");
    } else if (call->body == SET) {
        add_set(text);
    } else if (call->body == MODEL) {
        static unsigned seed = 4; // a new one each time
        struct made made = made_model(seed++, false);
        add(text, made.bytes, made.len);
        made_free(&made);
    } else if (call->body == FEATURES) {
        add_features(text);
    }
}

// ---- Holding it against the document ----

static void expect_fit(const json_t *media, const char *text, size_t len, const char *what) {
    char why[SCHEMA_WHY];
    const json_t *schema = part(media, "schema");
    json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(value != NULL && schema != NULL, "%s: %.200s", what, text);
    ck_assert_msg(schema_fits(document, schema, value, why), "%s: %s; %.300s", what, why, text);
    json_decref(value);
}

static void expect_request(const struct call *call, const json_t *op, const struct text *body) {
    char type[64];
    if (call->status >= 400 || call->body == NOTHING)
        return;
    snprintf(type, sizeof type, "%.*s", (int)strcspn(call->type, ";"), call->type);
    const json_t *content = part(resolve(part(op, "requestBody")), "content");
    ck_assert_msg(part(content, type) != NULL, "%s takes no %s", call->path, type);
    if (strcmp(type, "application/json") == 0)
        expect_fit(part(content, type), body->at, body->len, call->path);
}

static void expect_reply(const struct call *call, json_t *op, const struct answer *answer) {
    char status[16], what[160];
    snprintf(status, sizeof status, "%d", answer->status);
    snprintf(what, sizeof what, "%s %s %s", status, call->method, call->path);
    ck_assert_msg(answer->status == call->status, "%s, not %d: %s", what, call->status,
                  answer->body);
    const json_t *response = part(part(op, "responses"), status);
    if (response == NULL && call->status >= 400)
        response = part(part(op, "responses"), "default");
    ck_assert_msg(response != NULL, "%s is not described", what);
    const char *type = answer_header(answer, "Content-Type");
    const json_t *media = part(part(resolve(response), "content"), type);
    ck_assert_msg(media != NULL, "%s: %s is not described", what, type);
    if (strcmp(type, "application/json") == 0 && strcmp(call->path, "/openapi.json") != 0)
        expect_fit(media, answer->body, answer->body_len, what);
    if (call->status < 300)
        json_object_set_new(op, "x-called", json_true());
}

static void make(const struct call *call, unsigned number) {
    static struct text body;
    char path[512], headers[64];
    const char *brace = strstr(call->path, "{name}"), *version = strstr(call->path, "{version}");
    size_t before = brace != NULL ? (size_t)(brace - call->path) : strlen(call->path);
    const char *behind = brace != NULL ? brace + 6 : "";
    size_t between = version != NULL ? (size_t)(version - behind) : strlen(behind);
    snprintf(path, sizeof path, "%.*s%s%.*s%s%s%s", (int)before, call->path, call->name,
             (int)between, behind, version != NULL ? "1" : "", version != NULL ? version + 9 : "",
             call->query);
    snprintf(headers, sizeof headers, "X-Request-Id: call.%u\r\n", number);
    json_t *op = operation(call->method, call->path);
    ck_assert_msg(op != NULL, "%s %s is not described", call->method, call->path);
    make_body(call, &body);
    expect_request(call, op, &body);
    struct answer answer;
    ck_assert_msg(request_once(run.daemon.port, call->method, path, headers, call->type, body.at,
                               body.len, &answer),
                  "no answer to %s %s", call->method, path);
    expect_reply(call, op, &answer);
    answer_free(&answer);
}

static void expect_called(const char *path, const char *method, json_t *op) {
    ck_assert_msg(part(op, "x-called") != NULL, "%s %s was not tried", method, path);
}

static bool has_broken(void *arg) {
    (void)arg;
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "GET", "/models/broken", NULL, NULL, NULL, 0, &answer));
    int status = answer.status;
    answer_free(&answer);
    return status == 200;
}

START_TEST(the_daemon_answers_as_it_says) {
    const char *state = scratch_make();
    const char *const args[] = {"--state", state,       "--replay", "10", "--shadow",
                                "two",     "--cascade", "two,one",  NULL};
    served_start(&run, args);
    scratch_write(scratch_path(run.folder, "broken.tnm"), "none", 4);
    ck_assert(eventually(has_broken, NULL));
    for (unsigned i = 0; i < COUNT(calls); i++)
        make(&calls[i], i);
    each_operation(expect_called);
    served_stop(&run);
    scratch_remove(state);
}
END_TEST

START_TEST(it_is_served_as_it_is_in_the_tree) {
    struct answer answer;
    served_start(&run, NULL);
    ck_assert(request_once(run.daemon.port, "GET", "/openapi.json", NULL, NULL, NULL, 0, &answer));
    json_t *served = served_json(&answer);
    ck_assert(json_equal(served, document));
    json_decref(served);
    answer_free(&answer);
    ck_assert(request_once(run.daemon.port, "GET", "/openapi.json", "Accept-Encoding: gzip\r\n",
                           NULL, NULL, 0, &answer));
    ck_assert_str_eq(answer_header(&answer, "Content-Encoding"), "gzip");
    ck_assert_uint_lt(answer.body_len, 12000);
    answer_free(&answer);
    served_stop(&run);
}
END_TEST

Suite *openapi_suite(void) {
    Suite *suite = suite_create("openapi");
    TCase *tcase = tcase_create("openapi");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, load, unload);
    tcase_add_test(tcase, both_know_the_same_operations);
    tcase_add_test(tcase, it_is_sound_in_itself);
    tcase_add_test(tcase, each_schema_is_used);
    tcase_add_loop_test(tcase, schemas_take_what_fits, 0, COUNT(tried));
    tcase_add_test(tcase, the_daemon_answers_as_it_says);
    tcase_add_test(tcase, it_is_served_as_it_is_in_the_tree);
    suite_add_tcase(suite, tcase);
    return suite;
}
