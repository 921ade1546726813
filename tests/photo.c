/* SPDX-License-Identifier: MIT */
// Photograph-like pictures of digits. Works in floats of reflected light, and knows nothing of how
// digits are found again.
#include "tests/photo.h"

#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <zlib.h>

const char *const photo_kind_name[PHOTO_KINDS] = {"paper", "shadow", "desk",   "pencil", "bold",
                                                  "small", "chalk",  "canvas", "paint"};

enum {
    FINE = 4,               // samples of the shape to a pixel of the digit
    SIDE = (28 + 8) * FINE, // with room for thicker strokes
    N_NOISE = 4096
};

// ---- Chance ------------------------------------------------------------------------------------

struct chance {
    uint64_t state;
};

static uint64_t draw_bits(struct chance *c) { // splitmix64
    uint64_t z = c->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static float between(struct chance *c, float low, float high) {
    return low + (high - low) * (float)(draw_bits(c) >> 40) * 0x1p-24f;
}

static bool one_in(struct chance *c, uint32_t n) {
    return draw_bits(c) % n == 0;
}

static float normal(struct chance *c) { // sum of 12 uniforms: near enough for noise
    float sum = -6;
    for (int i = 0; i < 12; i++)
        sum += between(c, 0, 1);
    return sum;
}

static void *take(size_t n, size_t size) {
    void *at = calloc(n, size);
    if (at == NULL)
        abort();
    return at;
}

// ---- The shape ---------------------------------------------------------------------------------

// The digit's outline as distances, in pixels of the digit, negative inside.
struct shape {
    float distance[SIDE * SIDE];
    float left, top, right, bottom; // around what is inside, in pixels of the digit
};

static float digit_at(const uint8_t *digit, float x, float y) {
    int x0 = (int)floorf(x), y0 = (int)floorf(y);
    float fx = x - (float)x0, fy = y - (float)y0, sum = 0;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++)
            if (x0 + i >= 0 && x0 + i < 28 && y0 + j >= 0 && y0 + j < 28)
                sum += (i ? fx : 1 - fx) * (j ? fy : 1 - fy) * (float)digit[28 * (y0 + j) + x0 + i];
    return sum;
}

static void fill_mask(const uint8_t *digit, uint8_t *mask) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            float u = ((float)x + 0.5f) / FINE - 4.5f, v = ((float)y + 0.5f) / FINE - 4.5f;
            // a small blur rounds the staircase of the pixels
            float sum = 2 * digit_at(digit, u, v) + digit_at(digit, u - 0.4f, v) +
                        digit_at(digit, u + 0.4f, v) + digit_at(digit, u, v - 0.4f) +
                        digit_at(digit, u, v + 0.4f);
            mask[y * SIDE + x] = sum / 6 > 110;
        }
}

// The eight neighbours of a pixel, clockwise from above.
static uint32_t neighbours(const uint8_t *mask, int at, uint8_t *around) {
    static const int step[8] = {-SIDE, -SIDE + 1, 1, SIDE + 1, SIDE, SIDE - 1, -1, -SIDE - 1};
    uint32_t n = 0;
    for (int i = 0; i < 8; i++)
        n += around[i] = mask[at + step[i]];
    return n;
}

// Zhang and Suen 1984: whether a pixel of the edge may go without breaking the line.
static bool may_go(const uint8_t *mask, int at, int turn) {
    uint8_t p[8];
    uint32_t n = neighbours(mask, at, p), rises = 0;
    for (int i = 0; i < 8; i++)
        rises += p[i] == 0 && p[(i + 1) % 8] == 1;
    if (n < 2 || n > 6 || rises != 1)
        return false;
    if (turn == 0)
        return !(p[0] && p[2] && p[4]) && !(p[2] && p[4] && p[6]);
    return !(p[0] && p[2] && p[6]) && !(p[0] && p[4] && p[6]);
}

static void thin(uint8_t *mask) {
    uint8_t *gone = take(SIDE * SIDE, 1);
    for (int changed = 1, turn = 0, idle = 0; idle < 2; turn = !turn) {
        changed = 0;
        for (int y = 1; y < SIDE - 1; y++)
            for (int x = 1; x < SIDE - 1; x++) {
                int at = y * SIDE + x;
                changed += gone[at] = mask[at] && may_go(mask, at, turn);
            }
        for (int i = 0; i < SIDE * SIDE; i++)
            mask[i] = mask[i] && !gone[i];
        idle = changed ? 0 : idle + 1;
    }
    free(gone);
}

// Distance of every sample to the nearest one whose mask is `value`, exact, in pixels of the digit.
static void distances(const uint8_t *mask, uint8_t value, float *out) {
    static const float far = 1e6f;
    float *column = take(SIDE * SIDE, sizeof *column);
    for (int x = 0; x < SIDE; x++)
        for (int y = 0; y < SIDE; y++) {
            float nearest = far;
            for (int j = 0; j < SIDE; j++)
                if (mask[j * SIDE + x] == value && fabsf((float)(j - y)) < nearest)
                    nearest = fabsf((float)(j - y));
            column[y * SIDE + x] = nearest * nearest;
        }
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            float nearest = far;
            for (int i = 0; i < SIDE; i++) {
                float d = column[y * SIDE + i] + (float)((i - x) * (i - x));
                nearest = d < nearest ? d : nearest;
            }
            out[y * SIDE + x] = sqrtf(nearest) / FINE;
        }
    free(column);
}

static void frame_shape(struct shape *s) {
    s->left = s->top = 1e6f;
    s->right = s->bottom = -1e6f;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            if (s->distance[y * SIDE + x] > 0)
                continue;
            float u = ((float)x + 0.5f) / FINE - 4, v = ((float)y + 0.5f) / FINE - 4;
            s->left = fminf(s->left, u);
            s->right = fmaxf(s->right, u);
            s->top = fminf(s->top, v);
            s->bottom = fmaxf(s->bottom, v);
        }
}

// pen > 0: a stroke of that half width along the digit's middle line; else the digit's own outline,
// moved out by `grow`.
static void make_shape(struct shape *s, const uint8_t *digit, float pen, float grow) {
    uint8_t *mask = take(SIDE * SIDE, 1);
    float *inside = take(SIDE * SIDE, sizeof *inside);
    fill_mask(digit, mask);
    if (pen > 0)
        thin(mask);
    distances(mask, 1, s->distance);
    distances(mask, 0, inside);
    for (int i = 0; i < SIDE * SIDE; i++)
        s->distance[i] = pen > 0 ? s->distance[i] - pen : s->distance[i] - inside[i] - grow;
    frame_shape(s);
    free(inside);
    free(mask);
}

static float distance_at(const struct shape *s, float u, float v) {
    float x = (u + 4) * FINE - 0.5f, y = (v + 4) * FINE - 0.5f;
    if (x < 0 || y < 0 || x >= SIDE - 1 || y >= SIDE - 1)
        return 4;
    int x0 = (int)x, y0 = (int)y;
    float fx = x - (float)x0, fy = y - (float)y0;
    const float *d = s->distance + y0 * SIDE + x0;
    return (1 - fy) * ((1 - fx) * d[0] + fx * d[1]) + fy * ((1 - fx) * d[SIDE] + fx * d[SIDE + 1]);
}

// ---- The scene ---------------------------------------------------------------------------------

struct shadow {
    float nx, ny, at, soft, left; // left: how much light is left beyond the edge
};

struct scene {
    struct shape shape;
    float width, height;
    float scale, centre_x, centre_y; // pixels of the picture to a pixel of the digit; place
    float m[4];                      // picture to digit, about the centre
    float ground[3], ink[3];         // reflected, 0..1
    float grain, unevenness;         // of the ground, of the ink
    float fall_x, fall_y, vignette;  // light
    float blotch_x[3], blotch_y[3], blotch_size[3], blotch[3];
    struct shadow shadow[2];
    int n_shadows;
    float rule_gap, rule_wide, rule_dark, rule_tilt, rule_at; // ruled lines; gap 0: none
    struct shadow desk;                                       // nx, ny 0: none
    float desk_colour[3];
    float edge; // of the shape, in pixels: 1 is sharp, less is hard, more is soft
    float exposure, noise, blur;
};

static float size_of(enum photo_kind kind, struct chance *c) {
    if (kind == PHOTO_SMALL)
        return between(c, 0.05f, 0.12f);
    if (kind == PHOTO_BOLD)
        return between(c, 0.3f, 0.6f);
    if (kind == PHOTO_CANVAS || kind == PHOTO_PAINT)
        return between(c, 0.25f, 0.85f);
    return 0.12f * powf(5, between(c, 0, 1)); // 12 to 60 %, small ones as often as large ones
}

static void choose_shape(struct scene *s, enum photo_kind kind, const uint8_t *digit,
                         struct chance *c) {
    if (kind == PHOTO_CANVAS || kind == PHOTO_PAINT)
        make_shape(&s->shape, digit, between(c, 0.5f, 1.9f), 0);
    else if (kind == PHOTO_BOLD)
        make_shape(&s->shape, digit, 0, between(c, 0.2f, 0.8f));
    else if (one_in(c, 3))
        make_shape(&s->shape, digit, between(c, 0.45f, 1.6f), 0);
    else
        make_shape(&s->shape, digit, 0, between(c, -0.4f, 0.5f));
}

static void choose_place(struct scene *s, enum photo_kind kind, struct chance *c) {
    float wide = s->shape.right - s->shape.left, high = s->shape.bottom - s->shape.top;
    float longer = fmaxf(fmaxf(wide, high), 1);
    float turn = between(c, -10, 10) * 3.14159265f / 180, shear = between(c, -0.08f, 0.08f);
    s->scale = size_of(kind, c) * s->height / longer;
    s->m[0] = cosf(turn) / s->scale;
    s->m[1] = sinf(turn) / s->scale + shear / s->scale;
    s->m[2] = -sinf(turn) / s->scale;
    s->m[3] = cosf(turn) / s->scale;
    // the whole digit inside, turned as it is, and a little room
    float reach_x = 0.5f * (wide + 0.3f * high) * s->scale + 0.02f * s->height;
    float reach_y = 0.5f * (high + 0.3f * wide) * s->scale + 0.02f * s->height;
    s->centre_x = between(c, fminf(reach_x, s->width / 2), fmaxf(s->width - reach_x, s->width / 2));
    s->centre_y =
        between(c, fminf(reach_y, s->height / 2), fmaxf(s->height - reach_y, s->height / 2));
}

static void choose_colours(struct scene *s, enum photo_kind kind, struct chance *c) {
    float paper = between(c, 0.75f, 0.95f), warmth = between(c, -0.03f, 0.08f);
    float dark = kind == PHOTO_PENCIL ? between(c, 0.42f, 0.6f) : between(c, 0.08f, 0.35f);
    bool drawn = kind == PHOTO_CANVAS || kind == PHOTO_PAINT;
    for (int i = 0; i < 3; i++) {
        s->ground[i] = paper - warmth * (float)i;
        s->ink[i] = dark * s->ground[i];
    }
    if (kind != PHOTO_PENCIL && one_in(c, 2)) // a coloured pen
        s->ink[one_in(c, 4) ? 0 : 2] += between(c, 0.1f, 0.45f) * paper;
    if (kind == PHOTO_CHALK)
        for (int i = 0; i < 3; i++) {
            s->ground[i] = between(c, 0.1f, 0.2f) + (i == 1 ? 0.04f : 0);
            s->ink[i] = between(c, 0.7f, 0.9f);
        }
    for (int i = 0; i < 3 && drawn; i++) {
        s->ground[i] = kind == PHOTO_PAINT;
        s->ink[i] = kind == PHOTO_CANVAS;
    }
    s->grain = drawn ? 0 : between(c, 0.005f, 0.03f);
    s->unevenness = drawn ? 0 : between(c, 0, kind == PHOTO_CHALK ? 0.5f : 0.25f);
}

static struct shadow choose_edge(const struct scene *s, struct chance *c, float reach) {
    float angle = between(c, 0, 6.2831853f);
    struct shadow e = {.nx = cosf(angle), .ny = sinf(angle)};
    float across = 0.5f * (fabsf(e.nx) * s->width + fabsf(e.ny) * s->height);
    e.at = between(c, -reach, reach) * across;
    e.soft = between(c, 0.003f, 0.08f) * s->height;
    e.left = between(c, 0.45f, 0.8f);
    return e;
}

static void choose_light(struct scene *s, enum photo_kind kind, struct chance *c) {
    float fall = between(c, 0, 0.35f), angle = between(c, 0, 6.2831853f);
    s->fall_x = fall * cosf(angle);
    s->fall_y = fall * sinf(angle);
    s->vignette = between(c, 0, 0.3f);
    for (int i = 0; i < 3; i++) {
        s->blotch_x[i] = between(c, 0, s->width);
        s->blotch_y[i] = between(c, 0, s->height);
        s->blotch_size[i] = between(c, 0.15f, 0.6f) * s->height;
        s->blotch[i] = between(c, -0.12f, 0.12f);
    }
    if (kind == PHOTO_SHADOW) {
        s->n_shadows = 1 + (int)one_in(c, 3);
        for (int i = 0; i < s->n_shadows; i++)
            s->shadow[i] = choose_edge(s, c, 0.7f);
    }
}

static void choose_lines(struct scene *s, enum photo_kind kind, struct chance *c) {
    if (kind != PHOTO_SHADOW && !(kind == PHOTO_DESK && one_in(c, 3)))
        return;
    s->rule_gap = between(c, 0.06f, 0.16f) * s->height;
    s->rule_wide = between(c, 0.002f, 0.006f) * s->height;
    s->rule_dark = between(c, 0.06f, 0.3f);
    s->rule_tilt = between(c, -0.05f, 0.05f);
    s->rule_at = between(c, 0, 1);
}

// The paper's edge, so that the digit is still on it.
static void choose_desk(struct scene *s, enum photo_kind kind, struct chance *c) {
    if (kind != PHOTO_DESK)
        return;
    s->desk = choose_edge(s, c, 0);
    float x = s->centre_x - s->width / 2, y = s->centre_y - s->height / 2;
    float across = 0.5f * (fabsf(s->desk.nx) * s->width + fabsf(s->desk.ny) * s->height);
    float nearest = x * s->desk.nx + y * s->desk.ny + 22 * s->scale;
    s->desk.at = fmaxf(across * between(c, 0.65f, 0.95f), nearest);
    float desk = between(c, 0.1f, 0.5f);
    for (int i = 0; i < 3; i++)
        s->desk_colour[i] = desk * (1 - 0.2f * (float)i);
}

static void choose_camera(struct scene *s, enum photo_kind kind, struct chance *c) {
    bool drawn = kind == PHOTO_CANVAS || kind == PHOTO_PAINT;
    float sharp = s->height / 480; // lenses are about as good for larger sensors
    s->edge = drawn ? (one_in(c, 2) ? 0.01f : 1) : between(c, 1, 2) * sharp;
    s->exposure = drawn ? 1 : between(c, 0.75f, 1.05f);
    s->noise = drawn ? 0 : between(c, 1, 8);
    s->blur = drawn ? 0 : between(c, 0, 1.3f) * sharp;
}

// ---- The picture -------------------------------------------------------------------------------

static float smooth_step(float t) {
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return t * t * (3 - 2 * t);
}

static float beyond(const struct scene *s, const struct shadow *e, float x, float y) {
    float d = (x - s->width / 2) * e->nx + (y - s->height / 2) * e->ny - e->at;
    return smooth_step(d / e->soft + 0.5f);
}

static float light_at(const struct scene *s, float x, float y) {
    float u = 2 * x / s->width - 1, v = 2 * y / s->height - 1;
    float light = (1 + s->fall_x * u + s->fall_y * v) * (1 - s->vignette * 0.5f * (u * u + v * v));
    for (int i = 0; i < 3; i++) {
        float dx = (x - s->blotch_x[i]) / s->blotch_size[i];
        float dy = (y - s->blotch_y[i]) / s->blotch_size[i];
        light *= 1 + s->blotch[i] / (1 + dx * dx + dy * dy);
    }
    for (int i = 0; i < s->n_shadows; i++)
        light *= 1 - (1 - s->shadow[i].left) * beyond(s, &s->shadow[i], x, y);
    return light;
}

static float coverage(const struct scene *s, float x, float y) {
    float u = x - s->centre_x, v = y - s->centre_y;
    float du = s->m[0] * u + s->m[1] * v + 0.5f * (s->shape.left + s->shape.right);
    float dv = s->m[2] * u + s->m[3] * v + 0.5f * (s->shape.top + s->shape.bottom);
    return smooth_step(0.5f - distance_at(&s->shape, du, dv) * s->scale / s->edge);
}

static float rule_at(const struct scene *s, float x, float y) {
    if (s->rule_gap <= 0)
        return 0;
    float t = (y + s->rule_tilt * x) / s->rule_gap + s->rule_at;
    float d = fabsf(t - floorf(t) - 0.5f) * s->rule_gap;
    return s->rule_dark * smooth_step(1 - (d - s->rule_wide) / 1.5f);
}

// Slow variation over the plane, -1..1: two waves, as uneven pressure has it.
static float wave(float x, float y, float size) {
    return 0.5f * (sinf(x / size + 0.7f * y / size) + sinf(1.3f * y / size - 0.4f * x / size));
}

static void light_pixel(const struct scene *s, float x, float y, float *to) {
    float light = light_at(s, x, y), ink = coverage(s, x, y);
    float desk = s->desk.nx != 0 || s->desk.ny != 0 ? beyond(s, &s->desk, x, y) : 0;
    if (ink > 0)
        ink *= 1 - s->unevenness * (0.5f + 0.5f * wave(x, y, 0.8f * s->scale));
    float rule = rule_at(s, x, y);
    for (int i = 0; i < 3; i++) {
        float r = s->ground[i] * (1 - rule * (i == 2 ? 0.5f : 1));
        r += (s->desk_colour[i] - r) * desk;
        r += (s->ink[i] - r) * ink;
        to[i] = r * light;
    }
}

static uint8_t as_byte(float v) {
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5f);
}

// One row of the scene as 8-bit values before blur and noise.
static void render_row(const struct scene *s, uint32_t y, struct chance *c, float *row) {
    uint32_t width = (uint32_t)s->width;
    for (uint32_t x = 0; x < width; x++) {
        light_pixel(s, (float)x + 0.5f, (float)y + 0.5f, row + 3 * x);
        float gain = 255 * s->exposure;
        if (s->grain > 0)
            gain *= 1 + s->grain * between(c, -1.7f, 1.7f);
        for (int i = 0; i < 3; i++)
            row[3 * x + (uint32_t)i] *= gain;
    }
}

// Two passes of a box are near enough to a lens. Blurs n samples `step` apart.
static void blur_line(float *at, size_t n, size_t step, float sigma, float *copy) {
    int radius = (int)(sigma * 1.2f + 0.5f);
    for (int pass = 0; pass < 2 && radius > 0; pass++) {
        for (size_t i = 0; i < n; i++)
            copy[i] = at[i * step];
        for (size_t i = 0; i < n; i++) {
            float sum = 0;
            int count = 0;
            for (int k = -radius; k <= radius; k++)
                if ((ptrdiff_t)i + k >= 0 && (ptrdiff_t)i + k < (ptrdiff_t)n) {
                    sum += copy[(ptrdiff_t)i + k];
                    count++;
                }
            at[i * step] = sum / (float)count;
        }
    }
}

static void blur(const struct scene *s, float *light, uint32_t width, uint32_t height) {
    float *copy = take(width > height ? width : height, sizeof *copy);
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t y = 0; y < height; y++)
            blur_line(light + 3 * (size_t)y * width + i, width, 3, s->blur, copy);
        for (uint32_t x = 0; x < width; x++)
            blur_line(light + 3 * x + i, height, 3 * (size_t)width, s->blur, copy);
    }
    free(copy);
}

static void expose(const struct scene *s, const float *light, struct chance *c, uint8_t *rgb) {
    float noise[N_NOISE];
    for (int i = 0; i < N_NOISE; i++)
        noise[i] = normal(c) * s->noise;
    size_t n = 3 * (size_t)s->width * (size_t)s->height;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = s->noise > 0 ? (uint32_t)(draw_bits(c) % N_NOISE) : 0;
        rgb[i] = as_byte(light[i] + (s->noise > 0 ? noise[at] : 0));
    }
}

void photo_make(struct photo *photo, enum photo_kind kind, const uint8_t digit[784], uint32_t width,
                uint32_t height, uint64_t seed) {
    struct chance c = {seed * 0x2545f4914f6cdd1du + (uint64_t)kind};
    struct scene *s = take(1, sizeof *s);
    s->width = (float)width;
    s->height = (float)height;
    choose_shape(s, kind, digit, &c);
    choose_place(s, kind, &c);
    choose_colours(s, kind, &c);
    if (kind != PHOTO_CANVAS && kind != PHOTO_PAINT)
        choose_light(s, kind, &c);
    choose_lines(s, kind, &c);
    choose_desk(s, kind, &c);
    choose_camera(s, kind, &c);
    float *light = take(3 * (size_t)width * height, sizeof *light);
    for (uint32_t y = 0; y < height; y++)
        render_row(s, y, &c, light + 3 * (size_t)y * width);
    blur(s, light, width, height);
    *photo = (struct photo){width, height, take((size_t)width * height, 3)};
    expose(s, light, &c, photo->rgb);
    free(light);
    free(s);
}

void photo_free(struct photo *photo) {
    free(photo->rgb);
    *photo = (struct photo){0};
}

// ---- Files -------------------------------------------------------------------------------------

uint8_t *photo_jpeg(const struct photo *photo, int quality, size_t *len) {
    tjhandle tj = tjInitCompress();
    unsigned char *jpeg = NULL;
    unsigned long n = 0;
    if (tj == NULL || tjCompress2(tj, photo->rgb, (int)photo->width, 0, (int)photo->height,
                                  TJPF_RGB, &jpeg, &n, TJSAMP_420, quality, 0) != 0)
        abort();
    uint8_t *copy = take(n, 1);
    memcpy(copy, jpeg, n);
    *len = n;
    tjFree(jpeg);
    tjDestroy(tj);
    return copy;
}

uint8_t *photo_png(const struct photo *photo, size_t *len) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = photo->width,
                       .height = photo->height,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *png = take(n, 1);
    if (!png_image_write_to_memory(&image, png, &n, 0, photo->rgb, 0, NULL))
        abort();
    *len = n;
    return png;
}

uint8_t *photo_file(const struct photo *photo, enum photo_kind kind, size_t *len) {
    if (kind == PHOTO_CANVAS || kind == PHOTO_PAINT)
        return photo_png(photo, len);
    return photo_jpeg(photo, 60, len);
}

// ---- Digits ------------------------------------------------------------------------------------

static uint8_t *read_idx(const char *path, uint32_t header, uint32_t n) {
    gzFile f = gzopen(path, "rb");
    uint8_t *at = take(n, 1), skipped[16];
    bool ok = f != NULL && gzread(f, skipped, header) == (int)header && gzread(f, at, n) == (int)n;
    if (f != NULL)
        gzclose(f);
    if (ok)
        return at;
    free(at);
    return NULL;
}

uint8_t *photo_digits(void) {
    return read_idx("models/mnist/t10k-images-idx3-ubyte.gz", 16, 10000 * 784);
}

uint8_t *photo_labels(void) {
    return read_idx("models/mnist/t10k-labels-idx1-ubyte.gz", 8, 10000);
}
