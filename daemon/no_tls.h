/* SPDX-License-Identifier: MIT */
// GnuTLS sleeps until TLS is wanted: see no_tls.c.
#ifndef NO_TLS_H
#define NO_TLS_H

#include "core/error.h"

// Starts GnuTLS. Before the first thread that uses it; again does nothing. TNM_ENOMEM.
bool no_tls_end(struct tnm_error *err) TNM_MUST_CHECK;

// The library's own function of a name that is also defined here. Ends the program where there is
// none, which the linker would have noticed.
void *library_function(const char *name);

#endif
