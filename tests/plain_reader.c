/* SPDX-License-Identifier: MIT */
// FORMAT.md, section by section. A broken rule jumps out with its number.
#include "tests/plain_reader.h"

#include "tests/plain_coded.h"
#include "tests/plain_packed.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct in {
    const uint8_t *at;
    size_t left;
    jmp_buf *out;
};

static void need(struct in *in, bool good, int rule) {
    if (!good)
        longjmp(*in->out, rule);
}

// ---- 2. Conventions ----------------------------------------------------------------------------

static const uint8_t *take(struct in *in, uint64_t n) {
    need(in, n <= in->left, 12);
    const uint8_t *at = in->at;
    in->at += n;
    in->left -= (size_t)n;
    return at;
}

static uint64_t fixed(const uint8_t *at, int n) {
    uint64_t value = 0;
    while (n-- > 0)
        value = value * 256 + at[n];
    return value;
}

static double f32_of(const uint8_t *at) {
    uint32_t bits = (uint32_t)fixed(at, 4);
    int exponent = (int)(bits >> 23 & 255);
    double fraction = bits & 0x7fffff, sign = bits >> 31 != 0 ? -1 : 1;
    if (exponent == 255)
        return NAN;
    return sign *
           (exponent == 0 ? ldexp(fraction, -149) : ldexp(fraction + 0x800000, exponent - 150));
}

static double f16_of(const uint8_t *at) {
    uint32_t bits = (uint32_t)fixed(at, 2);
    int exponent = (int)(bits >> 10 & 31);
    double fraction = bits & 0x3ff, sign = bits >> 15 != 0 ? -1 : 1;
    if (exponent == 31)
        return NAN;
    return sign * (exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 0x400, exponent - 25));
}

static uint64_t number(struct in *in) {
    uint64_t value = 0;
    for (int i = 0;; i++) {
        uint8_t byte = *take(in, 1);
        need(in, i < 9 || (i == 9 && byte <= 1), 10);
        value |= (uint64_t)(byte % 128) << 7 * i;
        if (byte < 128) {
            need(in, i == 0 || byte != 0, 11);
            return value;
        }
    }
}

static uint64_t between(struct in *in, uint64_t least, uint64_t most, int rule) {
    uint64_t value = number(in);
    need(in, value >= least && value <= most, rule);
    return value;
}

static double finite_f32(struct in *in, int rule) {
    double value = f32_of(take(in, 4));
    need(in, !isnan(value), rule);
    return value;
}

static void check_utf8(struct in *in, const uint8_t *at, size_t n) {
    while (n > 0) {
        size_t more = at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : at[0] >= 0xc0 ? 1 : 0;
        static const uint32_t first[4] = {0, 0x80, 0x800, 0x10000};
        uint32_t point = more == 0 ? at[0] : at[0] % (64u >> more);
        need(in, more < n && at[0] < 0xf8 && (at[0] < 0x80 || more > 0), 14);
        for (size_t i = 1; i <= more; i++) {
            need(in, at[i] / 64 == 2, 14);
            point = point * 64 + at[i] % 64;
        }
        need(in, point >= first[more] && point <= 0x10ffff, 14);
        need(in, point < 0xd800 || point > 0xdfff, 14);
        need(in, point > 0x1f && (point < 0x7f || point > 0x9f), 14);
        at += more + 1;
        n -= more + 1;
    }
}

static void utf8(struct in *in, char *to, uint64_t n, uint64_t least, uint64_t most, int rule) {
    need(in, n >= least && n <= most, rule);
    const uint8_t *at = take(in, n);
    check_utf8(in, at, (size_t)n);
    memcpy(to, at, (size_t)n);
    to[n] = 0;
}

static void text(struct in *in, char *to, uint64_t least, uint64_t most, int rule) {
    uint64_t n = number(in);
    utf8(in, to, n, least, most, rule);
}

static void *room(struct in *in, uint64_t n, size_t each) {
    void *at = calloc((size_t)n + 1, each);
    need(in, at != NULL, -1);
    return at;
}

// ---- 3. The file -------------------------------------------------------------------------------

static uint32_t crc32_of(const uint8_t *at, size_t n) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= i >= 12 && i < 16 ? 0 : at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc % 2 != 0 ? crc / 2 ^ 0xedb88320 : crc / 2;
    }
    return ~crc;
}

static void read_directory(struct in *in, const uint8_t *bytes, size_t len, struct in section[6]) {
    static const uint8_t magic[8] = {0x89, 0x54, 0x4e, 0x4d, 0x0d, 0x0a, 0x1a, 0x0a};
    need(in, len >= 16 && memcmp(bytes, magic, 8) == 0, 1);
    need(in, fixed(bytes + 8, 2) == 1, 2);
    size_t n = (size_t)fixed(bytes + 10, 2), at = 16 + 8 * n, kind = 0;
    need(in, n >= 1 && n <= 4, 3);
    need(in, at <= len, 4);
    uint64_t total = at;
    for (size_t i = 0; i < n; i++)
        total += fixed(bytes + 16 + 8 * i + 4, 4);
    need(in, total == len, 4);
    need(in, fixed(bytes + 12, 4) == crc32_of(bytes, len), 5);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *entry = bytes + 16 + 8 * i;
        need(in, fixed(entry, 2) >= 1 && fixed(entry, 2) <= 5, 6);
        need(in, fixed(entry, 2) > kind, 7);
        need(in, fixed(entry + 2, 2) == 0, 8);
        kind = (size_t)fixed(entry, 2);
        section[kind] = (struct in){bytes + at, (size_t)fixed(entry + 4, 4), in->out};
        at += section[kind].left;
    }
    if (section[5].at == NULL) {
        need(in, section[1].at != NULL && section[2].at != NULL && section[4].at != NULL, 9);
        return;
    }
    need(in, section[1].at == NULL && section[2].at == NULL && section[3].at == NULL, 76);
    need(in, section[4].at == NULL || section[4].left > 0, 76);
    if (section[4].at == NULL)
        section[4] = (struct in){section[5].at, 0, in->out};
}

// ---- 4. META -----------------------------------------------------------------------------------

static size_t inputs_of(const struct plain *p) {
    return plain_elements(&p->tensor[p->input]);
}

static size_t outputs_of(const struct plain *p) {
    return plain_elements(&p->tensor[p->output]);
}

static void read_name(struct in *in, struct plain *p) {
    utf8(in, p->name, in->left, 1, 63, 19);
    for (const char *c = p->name; *c != 0; c++) {
        bool letter = (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');
        bool other = (*c >= '0' && *c <= '9') || *c == '.' || *c == '_' || *c == '-';
        need(in, letter || other, 19);
    }
    need(in, p->name[0] != '.', 19);
}

static void read_labels(struct in *in, struct plain *p) {
    uint64_t n = number(in);
    need(in, n == outputs_of(p) && n <= 65536, 21);
    p->label = room(in, n, sizeof *p->label);
    for (; p->n_labels < n; p->n_labels++)
        text(in, p->label[p->n_labels], 1, 255, 22);
}

static void read_recipe(struct in *in, struct plain *p) {
    p->has_recipe = 1;
    p->width = between(in, 1, 65536, 23);
    p->height = between(in, 1, 65536, 23);
    p->channels = number(in);
    need(in, p->channels == 1 || p->channels == 3, 23);
    need(in, p->width * p->height * p->channels == inputs_of(p), 23);
    p->fit = between(in, 0, 3, 24);
    uint64_t side = p->width < p->height ? p->width : p->height;
    p->box = between(in, p->fit == 2 ? 1 : 0, p->fit == 2 ? side : 0, 25);
    for (uint64_t i = 0; i < p->channels; i++)
        p->mean[i] = finite_f32(in, 26);
    for (uint64_t i = 0; i < p->channels; i++)
        p->deviation[i] = finite_f32(in, 26);
    for (uint64_t i = 0; i < p->channels; i++)
        need(in, p->deviation[i] >= 0, 26);
}

static void read_score(struct in *in, uint64_t least, uint64_t *images, uint64_t *correct) {
    *images = between(in, least, UINT32_MAX, 27);
    *correct = between(in, 0, *images, 27);
}

static void read_steps(struct in *in, struct plain *p) {
    uint64_t n = between(in, 1, 64, 28);
    p->step = room(in, n, sizeof *p->step);
    for (; p->n_steps < n; p->n_steps++) {
        struct plain_step *step = &p->step[p->n_steps];
        text(in, step->verb, 1, 15, 29);
        for (const char *c = step->verb; *c != 0; c++)
            need(in, (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-', 29);
        text(in, step->parameters, 0, 1023, 30);
        step->seed = number(in);
        step->nonzeros = number(in);
        read_score(in, 0, &step->images, &step->correct);
        step->has_parent = between(in, 0, 1, 15);
        if (step->has_parent != 0)
            memcpy(step->parent, take(in, 32), 32);
    }
}

static void read_value(struct in *in, uint64_t tag, struct plain *p) {
    switch (tag) {
    case 1:
        read_name(in, p);
        break;
    case 2:
        utf8(in, p->description, in->left, 1, 1023, 20);
        break;
    case 3:
        utf8(in, p->dataset, in->left, 1, 63, 20);
        break;
    case 4:
        read_labels(in, p);
        break;
    case 5:
        read_recipe(in, p);
        break;
    case 6:
        read_score(in, 1, &p->test_images, &p->test_correct);
        break;
    case 7:
        read_score(in, 1, &p->validation_images, &p->validation_correct);
        break;
    case 8:
        read_steps(in, p);
        break;
    default:
        need(in, tag >= 64, 17);
        take(in, in->left);
    }
    need(in, in->left == 0, 13);
}

static void read_meta(struct in *in, struct plain *p) {
    uint64_t last = 0;
    while (in->left > 0) {
        uint64_t tag = number(in);
        need(in, tag > last, 16);
        uint64_t len = number(in);
        struct in value = {NULL, 0, in->out};
        value.at = take(in, len);
        value.left = (size_t)len;
        read_value(&value, tag, p);
        last = tag;
    }
    need(in, p->name[0] != 0, 18);
}

// ---- 5. GRAPH ----------------------------------------------------------------------------------

size_t plain_elements(const struct plain_tensor *tensor) {
    size_t n = 1;
    for (size_t i = 0; i < tensor->rank; i++)
        n *= (size_t)tensor->dim[i];
    return n;
}

static void read_tensor(struct in *in, struct plain_tensor *tensor) {
    text(in, tensor->name, 0, 63, 33);
    tensor->rank = between(in, 1, 4, 34);
    uint64_t n = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        tensor->dim[i] = between(in, 1, 1 << 28, 35);
        n *= tensor->dim[i];
        need(in, n <= 1 << 28, 35);
    }
}

static void read_window(struct in *in, struct plain_node *node) {
    for (int i = 0; i < 2; i++)
        node->kernel[i] = between(in, 1, 65535, 43);
    for (int i = 0; i < 2; i++)
        node->stride[i] = between(in, 1, 65535, 43);
    for (int i = 0; i < 4; i++)
        node->pad[i] = between(in, 0, 65535, 43);
    for (int i = 0; i < 2; i++)
        node->dilation[i] = between(in, 1, 65535, 43);
    node->groups = node->op == 2 ? between(in, 1, 65535, 43) : 1;
}

static void read_matrix(struct in *in, struct plain_node *node, uint64_t *packed) {
    node->has_matrix = 1;
    node->encoding = between(in, 0, 3, 51);
    node->has_bias = between(in, 0, 1, 15);
    node->rows = between(in, 1, 1 << 28, 52);
    node->cols = between(in, 1, 1 << 28, 52);
    need(in, node->rows * node->cols <= 1 << 28, 52);
    if (node->encoding == 0) {
        node->bits = number(in);
        need(in, node->bits == 32 || node->bits == 16, 53);
        return;
    }
    bool shared = node->encoding == 2 || node->encoding == 3;
    if (shared)
        node->bits = between(in, 1, 8, 53);
    node->nonzeros = between(in, 0, node->rows * node->cols, 55);
    if (shared)
        node->n_centroids = between(in, 1, 1ull << node->bits, 54);
    if (node->encoding != 3)
        return;
    node->width = between(in, 0, node->cols, 71);
    *packed += node->rows * node->cols;
    need(in, *packed <= 1 << 22, 72);
}

static void read_node(struct in *in, const struct plain *p, struct plain_node *node,
                      uint64_t *packed) {
    text(in, node->name, 0, 63, 33);
    node->op = between(in, 1, 16, 38);
    node->n_inputs = between(in, 1, 8, 39);
    for (size_t i = 0; i < node->n_inputs; i++)
        node->input[i] = between(in, 0, p->n_tensors - 1, 36);
    node->output = between(in, 0, p->n_tensors - 1, 36);
    if (node->op == 2 || node->op == 3 || node->op == 4)
        read_window(in, node);
    if (node->op == 10) {
        node->low = finite_f32(in, 47);
        node->high = finite_f32(in, 47);
        need(in, node->low <= node->high, 47);
    }
    if (node->op == 16)
        node->every_step = between(in, 0, 1, 15);
    if (node->op == 1 || node->op == 2 || node->op == 16)
        read_matrix(in, node, packed);
    if (node->op == 16) {
        node->memory = room(in, 1, sizeof *node->memory);
        read_matrix(in, node->memory, packed);
    }
}

// Windows along an axis.
static uint64_t windows(struct in *in, const struct plain_node *node, int axis, uint64_t n) {
    uint64_t reach = (node->kernel[axis] - 1) * node->dilation[axis] + 1;
    uint64_t padded = n + node->pad[axis] + node->pad[axis + 2];
    need(in, reach <= padded, 44);
    return (padded - reach) / node->stride[axis] + 1;
}

static bool inside(const struct plain_node *node, int axis, uint64_t window, uint64_t k, uint64_t n,
                   uint64_t *place) {
    uint64_t padded = window * node->stride[axis] + k * node->dilation[axis];
    *place = padded - node->pad[axis];
    return padded >= node->pad[axis] && *place < n;
}

static void check_pool(struct in *in, const struct plain_node *node, int axis, uint64_t n) {
    uint64_t count = windows(in, node, axis, n);
    need(in, node->kernel[axis] == 1 || node->dilation[axis] <= n, 45);
    for (uint64_t i = 0; i < count; i++) {
        bool real = false;
        uint64_t place;
        for (uint64_t k = 0; k < node->kernel[axis] && !real; k++)
            real = inside(node, axis, i, k, n, &place);
        need(in, real, 45);
    }
}

static void shape_window(struct in *in, const struct plain_node *node, const struct plain_tensor *x,
                         uint64_t channels, struct plain_tensor *y) {
    need(in, x->rank == 3, 48);
    *y = (struct plain_tensor){.rank = 3, .dim = {channels}};
    for (int axis = 0; axis < 2; axis++)
        y->dim[axis + 1] = windows(in, node, axis, x->dim[axis + 1]);
    if (node->op != 2)
        for (int axis = 0; axis < 2; axis++)
            check_pool(in, node, axis, x->dim[axis + 1]);
}

static void shape_conv(struct in *in, const struct plain_node *node, const struct plain_tensor *x,
                       struct plain_tensor *y) {
    shape_window(in, node, x, node->rows, y);
    need(in, x->dim[0] % node->groups == 0 && node->rows % node->groups == 0, 46);
    need(in, node->cols == x->dim[0] / node->groups * node->kernel[0] * node->kernel[1], 50);
}

static void shape_lstm(struct in *in, const struct plain_node *node, const struct plain_tensor *x,
                       struct plain_tensor *y) {
    const struct plain_node *memory = node->memory;
    need(in, x->rank == 2, 48);
    need(in, node->cols == x->dim[1], 50);
    need(in, node->rows == 4 * memory->cols && memory->rows == node->rows, 50);
    need(in, memory->has_bias == 0, 50);
    *y = (struct plain_tensor){.rank = 2, .dim = {x->dim[0], memory->cols}};
    if (node->every_step == 0)
        *y = (struct plain_tensor){.rank = 1, .dim = {memory->cols}};
}

static bool same_shape(const struct plain_tensor *a, const struct plain_tensor *b, size_t from) {
    if (a->rank != b->rank)
        return false;
    for (size_t i = from; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

static void shape_node(struct in *in, const struct plain *p, const struct plain_node *node,
                       struct plain_tensor *y) {
    const struct plain_tensor *x = &p->tensor[node->input[0]], *out = &p->tensor[node->output];
    *y = *x;
    switch (node->op) {
    case 1:
        need(in, x->rank == 1, 48);
        need(in, x->dim[0] == node->cols, 50);
        y->dim[0] = node->rows;
        break;
    case 2:
        shape_conv(in, node, x, y);
        break;
    case 3:
    case 4:
        shape_window(in, node, x, x->dim[0], y);
        break;
    case 5:
        need(in, x->rank == 3, 48);
        y->rank = 1;
        break;
    case 6:
    case 7:
        need(in, same_shape(x, &p->tensor[node->input[1]], 0), 48);
        break;
    case 16:
        shape_lstm(in, node, x, y);
        break;
    case 8:
        for (size_t i = 1; i < node->n_inputs; i++) {
            need(in, same_shape(x, &p->tensor[node->input[i]], 1), 48);
            y->dim[0] += p->tensor[node->input[i]].dim[0];
        }
        break;
    case 15:
        need(in, plain_elements(x) == plain_elements(out), 49);
        *y = *out;
    }
}

static void check_nodes(struct in *in, const struct plain *p) {
    bool written[4096] = {false};
    need(in, p->input != p->output, 37);
    written[p->input] = true;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct plain_node *node = &p->node[i];
        struct plain_tensor y;
        bool pair = node->op == 6 || node->op == 7, many = node->op == 8;
        need(in, node->n_inputs >= (pair || many ? 2 : 1), 39);
        need(in, many || node->n_inputs <= (pair ? 2 : 1), 39);
        for (size_t k = 0; k < node->n_inputs; k++)
            need(in, written[node->input[k]], 40);
        need(in, !written[node->output], 41);
        written[node->output] = true;
        shape_node(in, p, node, &y);
        need(in, same_shape(&y, &p->tensor[node->output], 0), 49);
    }
    for (size_t i = 0; i < p->n_tensors; i++)
        need(in, written[i], 42);
}

static void read_graph(struct in *in, struct plain *p) {
    uint64_t n_tensors = between(in, 1, 4096, 31), n_nodes = between(in, 1, 4096, 32);
    p->tensor = room(in, n_tensors, sizeof *p->tensor);
    p->node = room(in, n_nodes, sizeof *p->node);
    p->n_tensors = n_tensors;
    p->n_nodes = n_nodes;
    p->input = between(in, 0, n_tensors - 1, 36);
    p->output = between(in, 0, n_tensors - 1, 36);
    for (size_t i = 0; i < n_tensors; i++)
        read_tensor(in, &p->tensor[i]);
    uint64_t packed = 0;
    for (size_t i = 0; i < n_nodes; i++)
        read_node(in, p, &p->node[i], &packed);
    need(in, in->left == 0, 13);
    check_nodes(in, p);
}

// ---- 6. DATA -----------------------------------------------------------------------------------

static const uint8_t *array(struct in *in, const uint8_t *file, uint64_t n) {
    while ((in->at - file) % 64 != 0) {
        need(in, in->left > 0, 56);
        need(in, *take(in, 1) == 0, 58);
    }
    need(in, n <= in->left, 56);
    return take(in, n);
}

static void dense(struct in *in, const uint8_t *file, struct plain_node *node) {
    uint64_t n = node->rows * node->cols, bytes = node->bits / 8;
    const uint8_t *at = array(in, file, n * bytes);
    node->entry = room(in, n, sizeof *node->entry);
    for (uint64_t i = 0; i < n; i++) {
        double value = bytes == 4 ? f32_of(at + 4 * i) : f16_of(at + 2 * i);
        need(in, !isnan(value), 59);
        node->entry[node->n_entries++] =
            (struct plain_entry){(uint32_t)(i / node->cols), (uint32_t)(i % node->cols), value};
    }
}

static uint64_t code_of(const uint8_t *codes, uint64_t k, uint64_t bits) {
    uint64_t code = 0;
    for (uint64_t b = 0; b < bits; b++) {
        uint64_t bit = k * bits + b;
        code += (uint64_t)(codes[bit / 8] >> bit % 8 & 1) << b;
    }
    return code;
}

static void places(struct in *in, const uint8_t *file, struct plain_node *node) {
    const uint8_t *start = array(in, file, 4 * (node->rows + 1));
    uint64_t wide = node->cols > 65536 ? 4 : 2, end = 0;
    const uint8_t *col = array(in, file, wide * node->nonzeros);
    need(in, fixed(start, 4) == 0, 60);
    for (uint64_t r = 0; r < node->rows; r++)
        need(in, fixed(start + 4 * r, 4) <= fixed(start + 4 * r + 4, 4), 60);
    need(in, fixed(start + 4 * node->rows, 4) == node->nonzeros, 61);
    node->entry = room(in, node->nonzeros, sizeof *node->entry);
    for (uint64_t r = 0, k = 0; r < node->rows; r++) {
        end = fixed(start + 4 * r + 4, 4);
        for (uint64_t first = k; k < end; k++) {
            uint64_t c = fixed(col + wide * k, (int)wide);
            need(in, c < node->cols, 62);
            need(in, k == first || c > node->entry[k - 1].col, 63);
            node->entry[node->n_entries++] = (struct plain_entry){(uint32_t)r, (uint32_t)c, 0};
        }
    }
}

static void sparse(struct in *in, const uint8_t *file, struct plain_node *node) {
    places(in, file, node);
    const uint8_t *value =
        array(in, file, 4 * (node->encoding == 1 ? node->nonzeros : node->n_centroids));
    for (uint64_t i = 0; i < (node->encoding == 1 ? node->nonzeros : node->n_centroids); i++)
        need(in, !isnan(f32_of(value + 4 * i)), 59);
    uint64_t used = node->nonzeros * node->bits;
    const uint8_t *codes = node->encoding == 2 ? array(in, file, (used + 7) / 8) : NULL;
    for (uint64_t k = 0; k < node->nonzeros; k++) {
        uint64_t i = codes == NULL ? k : code_of(codes, k, node->bits);
        need(in, codes == NULL || i < node->n_centroids, 64);
        node->entry[k].value = f32_of(value + 4 * i);
    }
    need(in, codes == NULL || used % 8 == 0 || codes[used / 8] >> used % 8 == 0, 65);
}

// Everything that the two matrices need stands in the nodes, so that an error frees it.
static void packed_node(struct in *in, struct plain_stream *coded, struct plain_node *node,
                        struct plain_node *before) {
    uint64_t len = coded == NULL ? number(in) : 0;
    need(in, len <= in->left, 73);
    const uint8_t *at = take(in, len);
    uint64_t n = node->rows * node->cols;
    node->counts = room(in, node->rows, sizeof *node->counts);
    node->code = room(in, n, sizeof *node->code);
    node->packed_bias = room(in, node->rows, sizeof *node->packed_bias);
    node->entry = room(in, node->nonzeros, sizeof *node->entry);
    float codebook[256] = {0};
    struct plain_packed p = {
        node->rows,     node->cols,        node->width,
        node->nonzeros, node->n_centroids, node->counts,
        node->code,     codebook,          node->has_bias != 0 ? node->packed_bias : NULL};
    struct plain_packed b = {.rows = before != NULL ? before->rows : 0,
                             .counts = before != NULL ? before->counts : NULL};
    int rule = coded != NULL ? plain_unpack_next(coded, &p, before != NULL ? &b : NULL)
                             : plain_unpack(at, (size_t)len, &p, before != NULL ? &b : NULL);
    need(in, rule == 0, rule);
    for (uint64_t i = 0; i < n; i++)
        if (node->code[i] >= 0)
            node->entry[node->n_entries++] =
                (struct plain_entry){(uint32_t)(i / node->cols), (uint32_t)(i % node->cols),
                                     (double)codebook[node->code[i]]};
    if (node->has_bias == 0)
        return;
    node->bias = room(in, node->rows, sizeof *node->bias);
    for (uint64_t r = 0; r < node->rows; r++)
        node->bias[r] = (double)node->packed_bias[r];
}

// before: the packed matrix that came last; it becomes this one where it is packed.
static void read_arrays(struct in *in, struct plain_stream *coded, const uint8_t *file,
                        struct plain_node *node, struct plain_node **before) {
    if (node->encoding == 3) {
        packed_node(in, coded, node, *before);
        *before = node;
        return;
    }
    if (node->encoding == 0)
        dense(in, file, node);
    else
        sparse(in, file, node);
    if (node->has_bias == 0)
        return;
    const uint8_t *at = array(in, file, 4 * node->rows);
    node->bias = room(in, node->rows, sizeof *node->bias);
    for (uint64_t r = 0; r < node->rows; r++) {
        node->bias[r] = f32_of(at + 4 * r);
        need(in, !isnan(node->bias[r]), 59);
    }
}

static void read_data(struct in *in, struct plain_stream *coded, const uint8_t *file,
                      struct plain *p) {
    struct plain_node *before = NULL;
    for (size_t i = 0; i < p->n_nodes; i++) {
        if (p->node[i].has_matrix != 0)
            read_arrays(in, coded, file, &p->node[i], &before);
        if (p->node[i].memory != NULL)
            read_arrays(in, coded, file, p->node[i].memory, &before);
    }
    need(in, in->left == 0, 57);
}

// ---- 7. SELFTEST -------------------------------------------------------------------------------

static void seeded(struct in *in, struct plain *p, uint64_t n, size_t inputs, size_t outputs) {
    uint64_t seed = number(in);
    p->test_step = f32_of(take(in, 4));
    need(in, p->test_step >= ldexp(1, -126) && p->test_step <= (double)1e30f, 70);
    const uint8_t *steps = take(in, n * outputs);
    need(in, in->left == 0, 13);
    p->x = room(in, n * inputs, 1);
    p->logits = room(in, n * outputs, sizeof *p->logits);
    for (uint64_t i = 0; i < n * inputs; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        p->x[i] = (seed / 4294967296) % 5 == 0 ? (uint8_t)(seed / 72057594037927936) : 0;
    }
    for (uint64_t i = 0; i < n * outputs; i++)
        p->logits[i] = (steps[i] < 128 ? steps[i] : steps[i] - 256) * p->test_step;
}

static void stored(struct in *in, struct plain *p, uint64_t n, size_t inputs, size_t outputs) {
    p->tolerance = f32_of(take(in, 4));
    need(in, p->tolerance >= 0, 68);
    const uint8_t *x = take(in, n * inputs), *logits = take(in, 4 * n * outputs);
    need(in, in->left == 0, 13);
    p->x = room(in, n * inputs, 1);
    p->logits = room(in, n * outputs, sizeof *p->logits);
    memcpy(p->x, x, (size_t)(n * inputs));
    for (uint64_t i = 0; i < n * outputs; i++) {
        p->logits[i] = f32_of(logits + 4 * i);
        need(in, !isnan(p->logits[i]), 69);
    }
}

static void read_self_test(struct in *in, struct plain *p) {
    uint64_t kind = between(in, 0, 1, 66), n = between(in, 1, 64, 67);
    if (kind == 0)
        stored(in, p, n, inputs_of(p), outputs_of(p));
    else
        seeded(in, p, n, inputs_of(p), outputs_of(p));
    p->n_cases = n;
}

// ---- All of it ---------------------------------------------------------------------------------

// What only reading needs; on the way out it is freed.
struct aside {
    struct plain_stream *stream;
    struct plain_sections *sections;
};

static void read_coded(struct in *in, struct in section[6], struct aside *aside) {
    aside->stream = plain_stream_open(section[5].at, section[5].left);
    aside->sections = calloc(1, sizeof *aside->sections);
    need(in, aside->stream != NULL && aside->sections != NULL, -1);
    int rule = plain_decode_sections(aside->stream, aside->sections);
    need(in, rule == 0, rule);
    const uint8_t *at = aside->sections->text;
    for (int i = 0; i < 3; at += aside->sections->len[i++])
        if (aside->sections->len[i] > 0 || i < 2)
            section[1 + i] = (struct in){at, (size_t)aside->sections->len[i], in->out};
}

static void read_all(struct in *in, const uint8_t *bytes, size_t len, struct plain *p,
                     struct aside *aside) {
    struct in section[6] = {{NULL, 0, NULL}};
    read_directory(in, bytes, len, section);
    if (section[5].at != NULL)
        read_coded(in, section, aside);
    read_graph(&section[2], p);
    read_data(&section[4], aside->stream, bytes, p);
    if (aside->stream != NULL)
        need(in, plain_stream_end(aside->stream) == 0, 75);
    read_meta(&section[1], p);
    if (section[3].at != NULL)
        read_self_test(&section[3], p);
}

struct plain *plain_read(const uint8_t *bytes, size_t len, int *rule) {
    struct plain *volatile p = calloc(1, sizeof *p);
    struct aside *volatile aside = calloc(1, sizeof *aside);
    jmp_buf out;
    struct in in = {bytes, len, &out};
    *rule = p == NULL || aside == NULL ? -1 : setjmp(out);
    if (*rule == 0)
        read_all(&in, bytes, len, p, aside);
    if (aside != NULL) {
        free(aside->stream);
        free(aside->sections);
    }
    free(aside);
    if (*rule == 0)
        return p;
    plain_free(p);
    return NULL;
}

static void free_matrix(struct plain_node *node) {
    free(node->entry);
    free(node->bias);
    free(node->counts);
    free(node->code);
    free(node->packed_bias);
}

void plain_free(struct plain *p) {
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_nodes; i++) {
        if (p->node[i].memory != NULL)
            free_matrix(p->node[i].memory);
        free(p->node[i].memory);
        free_matrix(&p->node[i]);
    }
    free(p->label);
    free(p->step);
    free(p->tensor);
    free(p->node);
    free(p->x);
    free(p->logits);
    free(p);
}
