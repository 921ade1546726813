/* SPDX-License-Identifier: MIT */
// Reading published results.
#include "models/records.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

enum {
    MOST_BYTES = 1 << 20, // of the file
    LEAST_FIELDS = 5,
    FIELDS = 6
};

static bool read_all(const char *path, char **text, struct tnm_error *err) {
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return tnm_fail_errno(err, errno, "cannot open %s", path);
    *text = malloc(MOST_BYTES + 1);
    size_t len = *text != NULL ? fread(*text, 1, MOST_BYTES, f) : 0;
    bool ok = !ferror(f), ended = fgetc(f) == EOF;
    fclose(f);
    if (*text == NULL)
        return tnm_fail_errno(err, ENOMEM, "records");
    (*text)[len] = 0;
    if (!ok)
        return tnm_fail(err, TNM_EIO, "%s: cannot read", path);
    if (!ended)
        return tnm_fail(err, TNM_ELIMIT, "%s: more than %d bytes", path, MOST_BYTES);
    return strlen(*text) == len || tnm_fail(err, TNM_EFORMAT, "%s: a byte 0 in it", path);
}

// Cuts a line at its tabs; returns the number of fields, FIELDS + 1 for more.
static uint32_t cut(char *line, char *field[FIELDS]) {
    uint32_t n = 1;
    field[0] = line;
    for (char *tab = strchr(line, '\t'); tab != NULL; tab = strchr(tab + 1, '\t')) {
        if (n == FIELDS)
            return FIELDS + 1;
        *tab = 0;
        field[n++] = tab + 1;
    }
    return n;
}

static bool number(const char *text, double low, double high, double *out) {
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*out) && *out >= low && *out <= high;
}

static bool read_line(char *line, struct record *record, struct tnm_error *err) {
    char *field[FIELDS] = {0};
    uint32_t n = cut(line, field);
    if (n < LEAST_FIELDS || n > FIELDS)
        return tnm_fail(err, TNM_EFORMAT, "%u columns, not %d or %d", n, LEAST_FIELDS, FIELDS);
    if (!number(field[0], 1, 1e15, &record->bytes))
        return tnm_fail(err, TNM_EFORMAT, "bytes = \"%.40s\" is no number from 1", field[0]);
    if (!number(field[1], 0, 100, &record->accuracy))
        return tnm_fail(err, TNM_EFORMAT, "accuracy = \"%.40s\" is no number from 0 to 100",
                        field[1]);
    record->accuracy /= 100;
    record->network = field[2];
    record->name = field[3];
    record->source = field[4];
    record->data = n > LEAST_FIELDS ? field[5] : "";
    return record->name[0] != 0 || tnm_fail(err, TNM_EFORMAT, "a record without a name");
}

static bool read_lines(struct records *records, const char *path, struct tnm_error *err) {
    uint32_t number_of = 1;
    for (char *line = records->text; *line != 0; number_of++) {
        size_t len = strcspn(line, "\n");
        char *next = line + len + (line[len] == '\n');
        line[len] = 0;
        if (len > 0 && line[0] != '#') {
            if (!read_line(line, &records->record[records->n], err))
                return tnm_fail_in(err, "%s: line %u", path, number_of);
            records->n++;
        }
        line = next;
    }
    return true;
}

bool records_read(struct records *records, const char *path, struct tnm_error *err) {
    *records = (struct records){0};
    size_t lines = 1;
    bool ok = read_all(path, &records->text, err);
    for (const char *at = records->text; ok && *at != 0; at++)
        lines += *at == '\n';
    if (ok) {
        records->record = calloc(lines, sizeof *records->record);
        ok = records->record != NULL || tnm_fail_errno(err, ENOMEM, "records");
    }
    if (ok && read_lines(records, path, err))
        return true;
    records_free(records);
    return false;
}

void records_free(struct records *records) {
    free(records->record);
    free(records->text);
    *records = (struct records){0};
}
