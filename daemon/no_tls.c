/* SPDX-License-Identifier: MIT */
// Keeps GnuTLS asleep. libmicrohttpd starts it when it is loaded, TLS or not, which costs 850 kB of
// resident memory (p11-kit, nettle and gmp are paged in). tnmd speaks plain HTTP, so these
// definitions, which come before the library's, do nothing. GnuTLS offers the first one itself:
// see GNUTLS_SKIP_GLOBAL_INIT in its manual.
int _gnutls_global_init_skip(void);
int gnutls_global_init(void);
void gnutls_global_deinit(void);

int _gnutls_global_init_skip(void) {
    return 1;
}

int gnutls_global_init(void) {
    return 0;
}

void gnutls_global_deinit(void) {
}
