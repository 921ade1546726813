/* SPDX-License-Identifier: MIT */
// The head of a request, without a server: targets, header lines, framing, queries, tokens.
#include "daemon/access.h"
#include "daemon/budget.h"
#include "daemon/origin.h"
#include "daemon/request.h"
#include "tests/scratch.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

// ---- Targets -----------------------------------------------------------------------------------

static const struct {
    const char *target, *path, *query; // path NULL: refused with 400
} targets[] = {
    {"/", "/", ""},
    {"/classify?top=3&model=a", "/classify", "top=3&model=a"},
    {"/models/mnist-mlp-5bit", "/models/mnist-mlp-5bit", ""},
    {"/a%2Db%7e", "/a-b~", ""},
    {"/%2e%2e/etc", "/../etc", ""}, // a name like any other: no path is built of it
    {"/x?a=%00", "/x", "a=%00"},    // the query is decoded where it is used
    {"/x?y?z", "/x", "y?z"},
    {"/?", "/", ""},
    {"http://host:80/models?x", "/models", "x"},
    {"HTTP://host", "/", ""},
    {"", NULL, NULL},
    {"models", NULL, NULL},
    {"*", NULL, NULL},
    {"http://host?x", NULL, NULL},
    {"https://host/", NULL, NULL},
    {"/a%00b", NULL, NULL},
    {"/a%0", NULL, NULL},
    {"/a%", NULL, NULL},
    {"/a%zz", NULL, NULL},
    {"/a%2Fb", NULL, NULL},
    {"/a%5cb", NULL, NULL},
    {"/a%0d%0ab", NULL, NULL},
    {"/a%7f", NULL, NULL},
    {"/a%c3%a9", NULL, NULL},
    {"/a b", NULL, NULL},
    {"/a\tb", NULL, NULL},
    {"/\xc3\xa9", NULL, NULL},
    {"/a\\b", NULL, NULL},
    {"/<script>", NULL, NULL},
    {"/a#b", NULL, NULL},
    {"/x?a=\"", NULL, NULL},
};

START_TEST(targets_are_decoded_or_refused) {
    struct request request = {0};
    request_reset(&request);
    request_set_target(&request, targets[_i].target);
    bool ok = request.fault.status == 0;
    ck_assert_msg(ok == (targets[_i].path != NULL), "%s: %u %s", targets[_i].target,
                  request.fault.status, request.path);
    ck_assert_str_eq(request.path, ok ? targets[_i].path : "");
    ck_assert_str_eq(request.query, ok ? targets[_i].query : "");
    if (!ok)
        ck_assert_uint_eq(request.fault.status, 400);
}
END_TEST

START_TEST(a_target_has_a_longest_length) {
    char target[REQUEST_MAX_TARGET + 2];
    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[REQUEST_MAX_TARGET] = 0;
    struct request request = {0};
    request_reset(&request);
    request_set_target(&request, target);
    ck_assert_uint_eq(request.fault.status, 0);
    ck_assert_uint_eq(strlen(request.path), REQUEST_MAX_TARGET);
    target[REQUEST_MAX_TARGET] = 'a';
    target[REQUEST_MAX_TARGET + 1] = 0;
    request_reset(&request);
    request_set_target(&request, target);
    ck_assert_uint_eq(request.fault.status, 414);
}
END_TEST

// ---- Header lines ------------------------------------------------------------------------------

struct field {
    const char *name, *value;
};

static const struct {
    const char *what;
    struct field field[4];
    const char *version;
    unsigned status; // 0: taken
    bool closes;
} heads[] = {
    {"a length", {{"Host", "x"}, {"content-length", "7"}}, "HTTP/1.1", 0, false},
    {"chunks", {{"Host", "x"}, {"Transfer-Encoding", "Chunked"}}, "HTTP/1.1", 0, false},
    {"no Host in 1.0", {{NULL, NULL}}, "HTTP/1.0", 0, false},
    {"no Host in 1.1", {{NULL, NULL}}, "HTTP/1.1", 400, true},
    {"two Hosts", {{"Host", "x"}, {"HOST", "x"}}, "HTTP/1.1", 400, true},
    {"two Hosts in 1.0", {{"Host", "x"}, {"Host", "y"}}, "HTTP/1.0", 400, true},
    {"two lengths",
     {{"Host", "x"}, {"Content-Length", "7"}, {"Content-Length", "8"}},
     "HTTP/1.1",
     400,
     true},
    {"the same length twice",
     {{"Host", "x"}, {"Content-Length", "7"}, {"Content-Length", "7"}},
     "HTTP/1.1",
     400,
     true},
    {"a list of lengths", {{"Host", "x"}, {"Content-Length", "7, 7"}}, "HTTP/1.1", 400, true},
    {"a signed length", {{"Host", "x"}, {"Content-Length", "+7"}}, "HTTP/1.1", 400, true},
    {"an empty length", {{"Host", "x"}, {"Content-Length", ""}}, "HTTP/1.1", 400, true},
    {"a length and chunks",
     {{"Host", "x"}, {"Content-Length", "7"}, {"Transfer-Encoding", "chunked"}},
     "HTTP/1.1",
     400,
     true},
    {"gzip", {{"Host", "x"}, {"Transfer-Encoding", "gzip"}}, "HTTP/1.1", 501, true},
    {"gzip, chunked",
     {{"Host", "x"}, {"Transfer-Encoding", "gzip, chunked"}},
     "HTTP/1.1",
     501,
     true},
    {"chunked twice",
     {{"Host", "x"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
     "HTTP/1.1",
     501,
     true},
    {"a blank before the colon", {{"Host", "x"}, {"Content-Length ", "7"}}, "HTTP/1.1", 400, true},
    {"a name of other bytes", {{"Host", "x"}, {"X\x01y", "7"}}, "HTTP/1.1", 400, true},
    {"an empty name", {{"Host", "x"}, {"", "7"}}, "HTTP/1.1", 400, true},
    {"two types",
     {{"Host", "x"}, {"Content-Type", "a/b"}, {"Content-Type", "a/c"}},
     "HTTP/1.1",
     400,
     false},
    {"two tokens",
     {{"Host", "x"}, {"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}},
     "HTTP/1.1",
     400,
     false},
};

START_TEST(framing_that_can_be_read_in_two_ways_is_refused) {
    struct request request = {0};
    request_reset(&request);
    request_set_target(&request, "/");
    for (int i = 0; i < 4 && heads[_i].field[i].name != NULL; i++)
        request_add_field(&request, heads[_i].field[i].name, heads[_i].field[i].value);
    request_finish_head(&request, "POST", heads[_i].version);
    ck_assert_msg(request.fault.status == heads[_i].status, "%s: %u %s", heads[_i].what,
                  request.fault.status, request.fault.text);
    ck_assert_msg(request.breaks_framing == heads[_i].closes, "%s", heads[_i].what);
}
END_TEST

START_TEST(too_many_header_lines_are_refused) {
    struct request request = {0};
    request_reset(&request);
    request_add_field(&request, "Host", "x");
    for (int i = 1; i < REQUEST_MAX_FIELDS; i++)
        request_add_field(&request, "X-Other", "1");
    request_finish_head(&request, "GET", "HTTP/1.1");
    ck_assert_uint_eq(request.fault.status, 0);
    request_add_field(&request, "X-Other", "1");
    request_finish_head(&request, "GET", "HTTP/1.1");
    ck_assert_uint_eq(request.fault.status, 431);
}
END_TEST

static const struct {
    const char *id;
    bool taken;
} ids[] = {
    {"abc-123", true},
    {"a", true},
    {"0123456789012345678901234567890123456789012345678901234567890123", true},
    {"01234567890123456789012345678901234567890123456789012345678901234", false},
    {"", false},
    {"a b", false},
    {"a\"b", false},
    {"a\\b", false},
    {"<a>", false},
    {"a%0d", false},
    {"\xc3\xa9", false},
};

START_TEST(an_id_is_echoed_if_it_is_safe) {
    struct request request = {0};
    request_reset(&request);
    request_add_field(&request, "X-Request-ID", ids[_i].id);
    ck_assert_str_eq(request.id, ids[_i].taken ? ids[_i].id : "");
}
END_TEST

START_TEST(lists_of_words_are_searched_whole) {
    ck_assert(header_list_has("close", "close"));
    ck_assert(header_list_has("keep-alive,  CLOSE ,x", "close"));
    ck_assert(!header_list_has("closed", "close"));
    ck_assert(!header_list_has("", "close"));
    ck_assert(!header_list_has(", ,", "close"));
}
END_TEST

// ---- Queries -----------------------------------------------------------------------------------

static const struct {
    const char *query, *value; // of "top", in 8 bytes; NULL: absent
} queries[] = {
    {"top=3", "3"},
    {"a=b&top=3&c", "3"},
    {"top=%33+%26", "3 &"},
    {"top=", ""},
    {"top", ""},
    {"top=1&top=2", "1"},
    {"top=1234567", "1234567"},
    {"top=12345678", ""},
    {"top=%3", ""},
    {"top=%", ""},
    {"top=%00", ""},
    {"topp=1", NULL},
    {"stop=1", NULL},
    {"&&=&", NULL},
    {"", NULL},
};

START_TEST(query_values_are_found_and_decoded) {
    struct request request = {0};
    request_reset(&request);
    request.query = queries[_i].query;
    char value[8] = "x";
    bool found = request_parameter(&request, "top", value, sizeof value);
    ck_assert_msg(found == (queries[_i].value != NULL), "%s", queries[_i].query);
    ck_assert_str_eq(value, found ? queries[_i].value : "");
}
END_TEST

// ---- Access ------------------------------------------------------------------------------------

START_TEST(tokens_are_read_and_checked) {
    const char *folder = scratch_make(), *path = scratch_path(folder, "tokens");
    static const char text[] = "# who may swap\n\n admin:secret-one \r\nsecret-two\n";
    scratch_write(path, text, sizeof text - 1);
    struct tnm_error err = {0};
    struct access *access = access_open(path, &err);
    ck_assert_msg(access != NULL, "%s", err.text);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, "Bearer secret-one"), ACCESS_GRANTED);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, "bearer  secret-two"), ACCESS_GRANTED);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, "Bearer secret-three"), ACCESS_WRONG);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, "Bearer secret-on"), ACCESS_WRONG);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, "Bearer secret-one1"), ACCESS_WRONG);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, "Bearer "), ACCESS_WRONG);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, "Basic secret-one"), ACCESS_MISSING);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, NULL), ACCESS_MISSING);
    access_close(access);
    scratch_remove(folder);
}
END_TEST

START_TEST(a_file_without_tokens_is_refused) {
    const char *folder = scratch_make(), *path = scratch_path(folder, "tokens");
    scratch_write(path, "# none\n\n", 8);
    struct tnm_error err = {0};
    ck_assert_ptr_null(access_open(path, &err));
    ck_assert_msg(strstr(err.text, "holds no token") != NULL, "%s", err.text);
    ck_assert_ptr_null(access_open(scratch_path(folder, "absent"), &err));
    ck_assert_int_eq(err.code, TNM_EIO);
    scratch_remove(folder);
}
END_TEST

START_TEST(without_a_file_no_token_is_needed) {
    struct tnm_error err = {0};
    struct access *access = access_open("", &err);
    ck_assert_ptr_nonnull(access);
    ck_assert_int_eq(access_check(access, SCOPE_ADMIN, NULL), ACCESS_GRANTED);
    access_close(access);
}
END_TEST

START_TEST(origins_are_compared_with_the_host) {
    ck_assert(!origin_is_foreign(NULL, "pi.local:8080"));
    ck_assert(!origin_is_foreign("http://pi.local:8080", "pi.local:8080"));
    ck_assert(!origin_is_foreign("http://PI.local:8080", "pi.local:8080"));
    ck_assert(origin_is_foreign("http://pi.local", "pi.local:8080"));
    ck_assert(origin_is_foreign("http://evil.example", "pi.local:8080"));
    ck_assert(origin_is_foreign("null", "pi.local:8080"));
    ck_assert(origin_is_foreign("http://pi.local:8080", NULL));
}
END_TEST

START_TEST(a_budget_is_shared_until_it_is_used_up) {
    struct budget budget;
    atomic_init(&budget.left, 100);
    ck_assert(budget_take(&budget, 60));
    ck_assert(!budget_take(&budget, 41));
    ck_assert(budget_take(&budget, 40));
    ck_assert(!budget_take(&budget, 1));
    budget_give(&budget, 60);
    ck_assert(budget_take(&budget, 60));
    ck_assert(!budget_take(&budget, SIZE_MAX));
}
END_TEST

Suite *request_suite(void) {
    Suite *suite = suite_create("request");
    TCase *tc = tcase_create("request");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, targets_are_decoded_or_refused, 0, COUNT(targets));
    tcase_add_test(tc, a_target_has_a_longest_length);
    tcase_add_loop_test(tc, framing_that_can_be_read_in_two_ways_is_refused, 0, COUNT(heads));
    tcase_add_test(tc, too_many_header_lines_are_refused);
    tcase_add_loop_test(tc, an_id_is_echoed_if_it_is_safe, 0, COUNT(ids));
    tcase_add_test(tc, lists_of_words_are_searched_whole);
    tcase_add_loop_test(tc, query_values_are_found_and_decoded, 0, COUNT(queries));
    tcase_add_test(tc, tokens_are_read_and_checked);
    tcase_add_test(tc, a_file_without_tokens_is_refused);
    tcase_add_test(tc, without_a_file_no_token_is_needed);
    tcase_add_test(tc, origins_are_compared_with_the_host);
    tcase_add_test(tc, a_budget_is_shared_until_it_is_used_up);
    suite_add_tcase(suite, tc);
    return suite;
}
