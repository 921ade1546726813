/* SPDX-License-Identifier: MIT */
// Which mark, of which polarity, at which reach.
#include "core/glance.h"

#include <stddef.h>

static const uint32_t thresholds[] = {30, 50, 85, 140};
enum { N_THRESHOLDS = sizeof thresholds / sizeof *thresholds };

// The best mark at this reach, over all thresholds: a pale line that holds a strong stroke is cut
// off by a higher one.
static struct tnm_find best_at(struct tnm_sheet *s, uint32_t reach) {
    struct tnm_find best = {.light = s->light, .reach = reach};
    struct tnm_marks *marks = &s->glance;
    tnm_sheet_darken_glance(s, reach);
    for (uint32_t t = 0; t < N_THRESHOLDS; t++) {
        tnm_marks_find(marks, thresholds[t]);
        tnm_marks_trace(marks);
        for (uint32_t i = 1; i <= marks->n; i++) {
            if (marks->mark[i].pixels == 0)
                continue;
            double weight = tnm_mark_weight(marks, &marks->mark[i]);
            if (weight > best.weight)
                best = (struct tnm_find){s->light, reach, thresholds[t], i, marks->mark[i], weight};
        }
    }
    return best;
}

// Whether a longer reach saw more of the same mark, whose strokes are too wide for the shorter one;
// or another mark that is much better.
static bool sees_more(const struct tnm_sheet *s, const struct tnm_find *far,
                      const struct tnm_find *near) {
    if (far->weight > 2 * near->weight)
        return true;
    return near->weight > 0 && far->weight > 0.9 * near->weight &&
           tnm_mark_contains(&far->mark, &near->mark) &&
           !tnm_mark_at_edge(&s->glance, &far->mark) && far->mark.ink > 1.03 * near->mark.ink &&
           2 * tnm_mark_stroke(&far->mark) > tnm_sheet_window(s, near->reach);
}

// A hole in a dark mark is a light mark by itself, and the other way round; the mark is the outer
// one of the two.
static bool outdoes(const struct tnm_find *light, const struct tnm_find *dark) {
    if (light->weight == 0 || dark->weight == 0)
        return light->weight > dark->weight;
    if (tnm_mark_contains(&light->mark, &dark->mark))
        return light->weight > 0.2 * dark->weight;
    return light->weight > dark->weight && !tnm_mark_contains(&dark->mark, &light->mark);
}

struct tnm_find tnm_glance(struct tnm_sheet *s) {
    struct tnm_find best[2];
    for (uint32_t light = 0; light < 2; light++) {
        tnm_sheet_set_polarity(s, light);
        best[light] = best_at(s, tnm_reach[0]);
        for (uint32_t i = 1; i < TNM_REACHES; i++) {
            struct tnm_find far = best_at(s, tnm_reach[i]);
            if (sees_more(s, &far, &best[light]))
                best[light] = far;
        }
    }
    return best[outdoes(&best[1], &best[0])];
}

void tnm_glance_again(struct tnm_sheet *s, const struct tnm_find *find) {
    tnm_sheet_set_polarity(s, find->light);
    tnm_sheet_darken_glance(s, find->reach);
    tnm_marks_find(&s->glance, find->threshold);
    for (size_t i = 0; i < (size_t)s->glance.width * s->glance.height; i++)
        s->chosen[i] = s->glance.label[i] == find->label;
}
