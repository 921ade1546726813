/* SPDX-License-Identifier: MIT */
// Whole numbers and lists of floats through the arithmetic coder.
#include "core/packed_list.h"

#include "core/matrix.h"

#include <string.h>

void tnm_numbers_init(struct tnm_numbers *numbers) {
    tnm_bits_init((struct tnm_bit *)numbers, sizeof *numbers / sizeof(struct tnm_bit), 1 << 15);
}

int32_t tnm_code_number(struct tnm_coder *c, struct tnm_numbers *numbers, unsigned context,
                        int32_t value) {
    uint32_t magnitude = (uint32_t)(value < 0 ? -value : value), length = 0;
    if (tnm_code_bit(c, &numbers->zero[context], value == 0))
        return 0;
    bool negative = tnm_code_bit(c, &numbers->sign, value < 0);
    while (length < 20 && tnm_code_bit(c, &numbers->length[length], magnitude >> length > 1))
        length++;
    uint32_t read = 1;
    if (length > 0)
        read = 2 | tnm_code_bit(c, &numbers->top[length], (magnitude >> (length - 1) & 1) != 0);
    if (length > 1)
        read = read << (length - 1) |
               tnm_code_plain_bits(c, magnitude & ((1u << (length - 1)) - 1), length - 1);
    return negative ? -(int32_t)read : (int32_t)read;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// The product is exact in double precision, so that it is rounded once.
static float multiple(float step, int32_t n) {
    return (float)((double)step * n);
}

static bool is_half(const float *value, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bits_of(tnm_half_to_float(tnm_float_to_half(value[i]))) != bits_of(value[i]))
            return false;
    return true;
}

// The n with multiple(step, n) == value to the bit, if there is one of less than 2^20.
static bool is_multiple(float step, float value, int32_t *n) {
    double quotient = step != 0 ? (double)value / step : 0;
    if (!(quotient > -1e6 && quotient < 1e6))
        return false;
    *n = (int32_t)(quotient < 0 ? quotient - 0.5 : quotient + 0.5);
    return bits_of(multiple(step, *n)) == bits_of(value);
}

static bool is_step(float step, const float *value, size_t n) {
    int32_t unused;
    for (size_t i = 0; i < n; i++)
        if (!is_multiple(step, value[i], &unused))
            return false;
    return true;
}

// A step of which all values are whole multiples, sought among fractions of the largest; 0: none.
static float find_step(const float *value, size_t n) {
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        if (value[i] > largest || -value[i] > largest)
            largest = value[i] < 0 ? -value[i] : value[i];
    if (largest == 0)
        return is_step(1, value, n) ? 1 : 0;
    for (int parts = 1; parts < 4096; parts++)
        for (uint32_t off = 0; off < 3; off++) {
            float step = float_of(bits_of(largest / (float)parts) + off - 1);
            if (is_step(step, value, n))
                return step;
        }
    return 0;
}

static void code_multiples(struct tnm_coder *c, struct tnm_numbers *numbers,
                           const struct tnm_list *list, float step) {
    int32_t before = 0;
    step = float_of(tnm_code_plain_bits(c, bits_of(step), 32));
    for (size_t i = 0; i < list->n; i++) {
        int32_t n = 0, base = list->chain && i > 0 ? before + 1 : 0;
        unsigned context = list->row_start != NULL && list->row_start[i] == list->row_start[i + 1];
        if (!c->decode)
            (void)is_multiple(step, list->value[i], &n);
        n = base + tnm_code_number(c, numbers, context, n - base);
        if (c->decode)
            list->value[i] = multiple(step, n);
        before = n;
    }
}

void tnm_code_list(struct tnm_coder *c, struct tnm_numbers *numbers, const struct tnm_list *list) {
    float step = c->decode ? 0 : find_step(list->value, list->n);
    if (tnm_code_plain(c, step != 0)) {
        code_multiples(c, numbers, list, step);
        return;
    }
    bool half = tnm_code_plain(c, !c->decode && is_half(list->value, list->n));
    for (size_t i = 0; i < list->n; i++) {
        float value = c->decode ? 0 : list->value[i];
        uint32_t bits = half ? tnm_float_to_half(value) : bits_of(value);
        bits = tnm_code_plain_bits(c, bits, half ? 16 : 32);
        if (c->decode)
            list->value[i] = half ? tnm_half_to_float((uint16_t)bits) : float_of(bits);
    }
}
