/* SPDX-License-Identifier: MIT */
// Keeps GnuTLS asleep. libmicrohttpd starts it when it is loaded, TLS or not, which costs 850 kB of
// resident memory (p11-kit, nettle and gmp are paged in). So these definitions, which come before
// the library's, do nothing until no_tls_end. GnuTLS offers the first one itself: see
// GNUTLS_SKIP_GLOBAL_INIT in its manual.
#include "daemon/no_tls.h"

#include <dlfcn.h>
#include <stdlib.h>

int _gnutls_global_init_skip(void);
int gnutls_global_init(void);
void gnutls_global_deinit(void);

static bool awake;

int _gnutls_global_init_skip(void) {
    return 1;
}

int gnutls_global_init(void) {
    return 0;
}

void gnutls_global_deinit(void) {
}

void *library_function(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL)
        abort();
    return function;
}

bool no_tls_end(struct tnm_error *err) {
    if (!awake) {
        int (*start)(void) = (int (*)(void))library_function("gnutls_global_init");
        awake = start() == 0;
    }
    return awake || tnm_fail(err, TNM_ENOMEM, "GnuTLS does not start");
}
