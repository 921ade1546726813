/* SPDX-License-Identifier: MIT */
// The table of settings from the inside: options.c has it, options_read.c reads and prints by it.
#ifndef SETTINGS_H
#define SETTINGS_H

#include "daemon/options.h"

enum kind { TEXT, NAME, NAMES, ADDRESS, ORIGINS, LEVEL, UNSIGNED, SIZE, LONG, SHARE };

struct setting {
    const char *section, *key;
    enum kind kind;
    size_t at, bytes; // of the field in struct options
    const char *fallback;
    uint64_t least, most; // of a number; of a text's length
    const char *word;     // what --help calls the value
    const char *help;     // for the conf file too; lines are divided by \n
};

enum { MAX_SETTINGS = 64 };

extern const struct setting settings[]; // the last has no key

// Takes a value. TNM_EINPUT names the key, the value and what is allowed.
bool setting_set(struct options *o, const struct setting *s, const char *text,
                 struct tnm_error *err) TNM_MUST_CHECK;

// Prints the value as a conf file has it, with a blank in front if there is any.
void setting_print(const struct options *o, const struct setting *s);

#endif
