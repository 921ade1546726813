/* SPDX-License-Identifier: MIT */
// What a browser says of the page that sent a request, and under which name the daemon was asked
// for. Lists are words with commas or blanks between; "*" stands for any.
#ifndef ORIGIN_H
#define ORIGIN_H

#include "core/error.h"

// Whether a browser says that the page came from elsewhere: an Origin other than the Host that was
// asked. Without Origin no browser is involved.
bool origin_is_foreign(const char *origin, const char *host);

// Whether list holds origin: scheme, host and port as a browser writes them.
bool origin_is_listed(const char *list, const char *origin);

// Whether host (as in the header: a port may follow) is a name of this machine: an address,
// localhost, its host name, also with .local, or what list holds. A page whose own name leads to
// the daemon's address (DNS rebinding) is of the daemon's origin to a browser; but it cannot hide
// that name.
bool host_is_ours(const char *list, const char *host);

// Whether text is a list of origins: "https://pi.example http://10.0.0.2:3000".
bool origin_check_list(const char *text, struct tnm_error *err) TNM_MUST_CHECK;

#endif
