/* SPDX-License-Identifier: MIT */
// Certificates and sessions with GnuTLS.
#include "tests/secure.h"

#include "daemon/no_tls.h"
#include "tests/scratch.h"

#include <check.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MUST(call) ck_assert_int_ge((call), 0)

struct secure {
    gnutls_session_t session;
    gnutls_certificate_credentials_t nobody;
};

static void wake(void) {
    struct tnm_error err;
    ck_assert(no_tls_end(&err));
}

// ---- Certificates ------------------------------------------------------------------------------

struct pair {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
};

static void name_it(gnutls_x509_crt_t certificate, const char *name) {
    unsigned len = (unsigned)strlen(name);
    MUST(gnutls_x509_crt_set_version(certificate, 3));
    MUST(gnutls_x509_crt_set_serial(certificate, name, len));
    MUST(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, len));
    MUST(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name, len, 0));
}

// issuer NULL: signed with its own key.
static void make_pair(struct pair *pair, const char *name, int seconds, const struct pair *issuer) {
    time_t now = time(NULL);
    wake();
    MUST(gnutls_x509_privkey_init(&pair->key));
    MUST(gnutls_x509_privkey_generate(pair->key, GNUTLS_PK_ECDSA,
                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    MUST(gnutls_x509_crt_init(&pair->certificate));
    name_it(pair->certificate, name);
    MUST(gnutls_x509_crt_set_activation_time(pair->certificate, now - 86400));
    MUST(gnutls_x509_crt_set_expiration_time(pair->certificate, now + seconds));
    MUST(gnutls_x509_crt_set_key(pair->certificate, pair->key));
    issuer = issuer != NULL ? issuer : pair;
    MUST(gnutls_x509_crt_sign2(pair->certificate, issuer->certificate, issuer->key,
                               GNUTLS_DIG_SHA256, 0));
}

static void free_pair(struct pair *pair) {
    gnutls_x509_crt_deinit(pair->certificate);
    gnutls_x509_privkey_deinit(pair->key);
}

static void write_pem(const char *path, gnutls_datum_t *pem) {
    scratch_replace(path, pem->data, pem->size);
    gnutls_free(pem->data);
}

static void write_pair(const struct pair *pair, const char *certificate, const char *key) {
    gnutls_datum_t pem;
    MUST(gnutls_x509_crt_export2(pair->certificate, GNUTLS_X509_FMT_PEM, &pem));
    write_pem(certificate, &pem);
    MUST(gnutls_x509_privkey_export2(pair->key, GNUTLS_X509_FMT_PEM, &pem));
    write_pem(key, &pem);
}

void certificate_write(const char *certificate, const char *key, int seconds) {
    struct pair pair;
    make_pair(&pair, "localhost", seconds, NULL);
    write_pair(&pair, certificate, key);
    free_pair(&pair);
}

void certificate_write_chain(const char *certificate, const char *key, const char *chain) {
    struct pair authority, pair;
    gnutls_datum_t first, second;
    make_pair(&authority, "authority", 86400, NULL);
    make_pair(&pair, "localhost", 86400, &authority);
    write_pair(&pair, certificate, key);
    MUST(gnutls_x509_crt_export2(pair.certificate, GNUTLS_X509_FMT_PEM, &first));
    MUST(gnutls_x509_crt_export2(authority.certificate, GNUTLS_X509_FMT_PEM, &second));
    first.data = gnutls_realloc(first.data, first.size + second.size);
    ck_assert_ptr_nonnull(first.data);
    memcpy(first.data + first.size, second.data, second.size);
    first.size += second.size;
    write_pem(chain, &first);
    gnutls_free(second.data);
    free_pair(&pair);
    free_pair(&authority);
}

static void digest_of(const gnutls_datum_t *der, uint8_t digest[32]) {
    MUST(gnutls_hash_fast(GNUTLS_DIG_SHA256, der->data, der->size, digest));
}

void certificate_digest(const char *path, uint8_t digest[32]) {
    gnutls_datum_t pem, der;
    MUST(gnutls_load_file(path, &pem));
    MUST(gnutls_pem_base64_decode2(NULL, &pem, &der));
    digest_of(&der, digest);
    gnutls_free(der.data);
    gnutls_free(pem.data);
}

// ---- Sessions ----------------------------------------------------------------------------------

static bool shake_hands(struct secure *secure, unsigned timeout_ms) {
    gnutls_handshake_set_timeout(secure->session, timeout_ms);
    int code;
    do
        code = gnutls_handshake(secure->session);
    while (code < 0 && !gnutls_error_is_fatal(code));
    return code >= 0;
}

struct secure *secure_open(int fd, const char *priorities, unsigned timeout_ms) {
    struct secure *secure = calloc(1, sizeof *secure);
    ck_assert_ptr_nonnull(secure);
    wake();
    MUST(gnutls_certificate_allocate_credentials(&secure->nobody));
    MUST(gnutls_init(&secure->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL));
    MUST(priorities != NULL ? gnutls_priority_set_direct(secure->session, priorities, NULL)
                            : gnutls_set_default_priority(secure->session));
    MUST(gnutls_credentials_set(secure->session, GNUTLS_CRD_CERTIFICATE, secure->nobody));
    gnutls_transport_set_int(secure->session, fd);
    if (shake_hands(secure, timeout_ms))
        return secure;
    secure_close(secure);
    return NULL;
}

void secure_close(struct secure *secure) {
    if (secure == NULL)
        return;
    gnutls_bye(secure->session, GNUTLS_SHUT_WR);
    gnutls_deinit(secure->session);
    gnutls_certificate_free_credentials(secure->nobody);
    free(secure);
}

unsigned secure_peer(struct secure *secure, uint8_t digest[32]) {
    unsigned n = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(secure->session, &n);
    ck_assert_uint_ge(n, 1);
    digest_of(&list[0], digest);
    return n - 1;
}

bool secure_send(struct secure *secure, const void *bytes, size_t len) {
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = gnutls_record_send(secure->session, at, len);
        if (sent <= 0 && (sent == 0 || gnutls_error_is_fatal((int)sent)))
            return false;
        at += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

ssize_t secure_recv(struct secure *secure, void *bytes, size_t len) {
    ssize_t got;
    do // a ticket of the server is no data
        got = gnutls_record_recv(secure->session, bytes, len);
    while (got < 0 && !gnutls_error_is_fatal((int)got));
    return got < 0 ? -1 : got;
}

bool secure_waits(const struct secure *secure) {
    return gnutls_record_check_pending(secure->session) > 0;
}
