/* SPDX-License-Identifier: MIT */
// The page of `tnm plot`: charts, a table of all models, what their first layers look at, and each
// model layer by layer. One file without outside resources and without script; it forbids both
// (Content-Security-Policy), whatever the names in a model's file may be.
#ifndef PAGE_H
#define PAGE_H

#include <stdio.h>

#include "models/gallery.h"

// Writes the document. The same gallery gives the same bytes where zlib is the same.
bool page_write(FILE *out, const struct gallery *g, struct tnm_error *err) TNM_MUST_CHECK;

#endif
