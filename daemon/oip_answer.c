/* SPDX-License-Identifier: MIT */
// The reply to an inference request.
#include "daemon/oip.h"

#include <stdio.h>

// What is written, and of what.
struct writer {
    struct json_out *out;
    const struct tnm_model *model;
    const struct answer *rows;
    size_t n_rows;
};

static void write_float(struct json_out *out, float value) {
    char text[24]; // 9 digits tell every float from its neighbours
    json_out_raw(out, text, (size_t)snprintf(text, sizeof text, "%.9g", (double)value));
}

static const float *floats_of(const struct answer *row, enum oip_output output) {
    return output == OIP_LOGITS ? row->logits : row->probability;
}

static size_t classes_of(const struct writer *writer, const struct oip_wanted *wanted) {
    const size_t n = writer->rows[0].n;
    return wanted->classes < n ? wanted->classes : n;
}

static bool is_bytes(const struct oip_wanted *wanted) {
    return wanted->output == OIP_LABEL || wanted->classes > 0;
}

// ---- Elements of BYTES -------------------------------------------------------------------------

// "value:index:" in front of the label of the k-th best class; how many bytes.
static size_t format_class(const struct answer *row, const struct oip_wanted *wanted, size_t k,
                           char text[64]) {
    const size_t index = row->best[k];
    size_t len = format_decimal(text, (double)floats_of(row, wanted->output)[index], 6);
    text[len++] = ':';
    len += format_uint(text + len, index);
    text[len++] = ':';
    return len;
}

struct element {
    char front[64]; // front_len bytes, and the label behind
    size_t front_len;
    const char *label;
    size_t label_len;
};

static struct element element_of(const struct writer *writer, const struct oip_wanted *wanted,
                                 size_t row, size_t k) {
    struct element element = {.front_len = 0};
    const struct answer *answer = &writer->rows[row];
    if (wanted->classes > 0)
        element.front_len = format_class(answer, wanted, k, element.front);
    element.label = tnm_model_label(writer->model, answer->best[k]);
    element.label_len = strlen(element.label);
    return element;
}

static size_t elements_of_row(const struct writer *writer, const struct oip_wanted *wanted) {
    return wanted->output == OIP_LABEL ? 1 : classes_of(writer, wanted);
}

// ---- Binary tensors ----------------------------------------------------------------------------

static size_t binary_size(const struct writer *writer, const struct oip_wanted *wanted) {
    if (!is_bytes(wanted))
        return writer->n_rows * writer->rows[0].n * sizeof(float);
    size_t size = 0, n = elements_of_row(writer, wanted);
    for (size_t row = 0; row < writer->n_rows; row++)
        for (size_t k = 0; k < n; k++) {
            struct element element = element_of(writer, wanted, row, k);
            size += 4 + element.front_len + element.label_len;
        }
    return size;
}

static void write_binary_bytes(struct writer *writer, const struct oip_wanted *wanted) {
    const size_t n = elements_of_row(writer, wanted);
    for (size_t row = 0; row < writer->n_rows; row++)
        for (size_t k = 0; k < n; k++) {
            struct element element = element_of(writer, wanted, row, k);
            uint8_t len[4];
            store_u32(len, (uint32_t)(element.front_len + element.label_len));
            json_out_raw(writer->out, (const char *)len, sizeof len);
            json_out_raw(writer->out, element.front, element.front_len);
            json_out_raw(writer->out, element.label, element.label_len);
        }
}

static void write_binary(struct writer *writer, const struct oip_wanted *wanted) {
    if (is_bytes(wanted)) {
        write_binary_bytes(writer, wanted);
        return;
    }
    for (size_t row = 0; row < writer->n_rows; row++) {
        const float *value = floats_of(&writer->rows[row], wanted->output);
        for (size_t i = 0; i < writer->rows[row].n; i++) {
            uint8_t bytes[4];
            store_f32(bytes, value[i]);
            json_out_raw(writer->out, (const char *)bytes, sizeof bytes);
        }
    }
}

// ---- JSON --------------------------------------------------------------------------------------

static void write_element(struct json_out *out, const struct element *element) {
    char text[512]; // a label has 255 bytes at most
    int len = snprintf(text, sizeof text, "%.*s%s", (int)element->front_len, element->front,
                       element->label);
    json_out_string_n(out, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

static void write_data(struct writer *writer, const struct oip_wanted *wanted) {
    struct json_out *out = writer->out;
    const size_t n = is_bytes(wanted) ? elements_of_row(writer, wanted) : writer->rows[0].n;
    json_out_text(out, ",\"data\":[");
    for (size_t row = 0; row < writer->n_rows; row++)
        for (size_t k = 0; k < n; k++) {
            if (row + k > 0)
                json_out_raw(out, ",", 1);
            if (!is_bytes(wanted)) {
                write_float(out, floats_of(&writer->rows[row], wanted->output)[k]);
                continue;
            }
            struct element element = element_of(writer, wanted, row, k);
            write_element(out, &element);
        }
    json_out_raw(out, "]", 1);
}

static void write_shape(struct writer *writer, const struct oip_wanted *wanted) {
    struct json_out *out = writer->out;
    json_out_text(out, ",\"shape\":[");
    json_out_uint(out, writer->n_rows);
    if (wanted->output != OIP_LABEL) {
        json_out_raw(out, ",", 1);
        json_out_uint(out, is_bytes(wanted) ? classes_of(writer, wanted) : writer->rows[0].n);
    }
    json_out_raw(out, "]", 1);
}

static void write_output(struct writer *writer, const struct oip_wanted *wanted) {
    struct json_out *out = writer->out;
    json_out_text(out, "{\"name\":\"");
    json_out_text(out, oip_output_name[wanted->output]);
    json_out_text(out, "\",\"datatype\":\"");
    json_out_text(out, tensor_type_name(is_bytes(wanted) ? TENSOR_BYTES : TENSOR_FP32));
    json_out_raw(out, "\"", 1);
    write_shape(writer, wanted);
    if (wanted->binary) {
        json_out_text(out, ",\"parameters\":{\"binary_data_size\":");
        json_out_uint(out, binary_size(writer, wanted));
        json_out_raw(out, "}", 1);
    } else {
        write_data(writer, wanted);
    }
    json_out_raw(out, "}", 1);
}

static void write_id(struct json_out *out, const struct request *request,
                     const struct oip_request *asked) {
    if (asked->id.at == NULL) {
        json_out_string(out, request->id);
        return;
    }
    json_out_raw(out, "\"", 1); // as it was sent, which was valid
    json_out_raw(out, (const char *)asked->id.at, asked->id.len);
    json_out_raw(out, "\"", 1);
}

void oip_write_answers(struct json_out *out, const struct served *served,
                       const struct request *request, const struct oip_request *asked,
                       const struct answer *rows, size_t n_rows, size_t *json_len) {
    struct writer writer = {out, served->model, rows, n_rows};
    bool any_binary = false;
    json_out_text(out, "{\"model_name\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"model_version\":");
    oip_write_version(out, served);
    json_out_text(out, ",\"id\":");
    write_id(out, request, asked);
    json_out_text(out, ",\"parameters\":{\"digest\":\"");
    json_out_text(out, served->digest);
    json_out_text(out, "\",\"generation\":");
    json_out_uint(out, served->generation);
    json_out_text(out, "},\"outputs\":[");
    for (unsigned i = 0; i < asked->n_wanted; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        write_output(&writer, &asked->wanted[i]);
        any_binary |= asked->wanted[i].binary;
    }
    json_out_text(out, any_binary ? "]}" : "]}\n");
    *json_len = any_binary ? out->len : 0;
    for (unsigned i = 0; i < asked->n_wanted; i++)
        if (asked->wanted[i].binary)
            write_binary(&writer, &asked->wanted[i]);
}
