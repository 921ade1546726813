/* SPDX-License-Identifier: MIT */
// Certificate and key, for GnuTLS as libmicrohttpd uses it.
#include "daemon/tls.h"

#include "daemon/exchange.h"
#include "daemon/log.h"
#include "daemon/no_tls.h"
#include "daemon/secret.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_BYTES = 65536, MOST_CERTIFICATES = 8 };

// Immutable once it is read. Held by tls and by each connection that uses it.
struct identity {
    atomic_uint holders;
    unsigned n;
    gnutls_pcert_st certificate[MOST_CERTIFICATES];
    gnutls_privkey_t key;
};

struct tls {
    const char *certificate, *key; // paths, the caller's
    pthread_mutex_t lock;          // guards current
    struct identity *current;
};

// ---- Reading -----------------------------------------------------------------------------------

static bool fail_gnutls(struct tnm_error *err, int code) {
    return tnm_fail(err, code == GNUTLS_E_MEMORY_ERROR ? TNM_ENOMEM : TNM_EINPUT, "%s",
                    gnutls_strerror(code));
}

static void tell_expiry(const char *path, time_t expiry) {
    char day[32] = "?";
    struct tm tm;
    if (gmtime_r(&expiry, &tm) != NULL)
        strftime(day, sizeof day, "%Y-%m-%d", &tm);
    if (expiry < time(NULL))
        log_warn("certificate %s: was valid until %s", path, day);
    else
        log_info("certificate %s: valid until %s", path, day);
}

static bool take_list(struct identity *identity, gnutls_x509_crt_t *list, unsigned n,
                      struct tnm_error *err) {
    if (n > MOST_CERTIFICATES)
        return tnm_fail(err, TNM_EINPUT, "%u certificates, allowed are %d", n, MOST_CERTIFICATES);
    identity->n = n;
    int code = gnutls_pcert_import_x509_list(identity->certificate, list, &identity->n,
                                             GNUTLS_X509_CRT_LIST_SORT);
    if (code >= 0)
        return true;
    identity->n = 0;
    return fail_gnutls(err, code);
}

static bool parse_certificates(struct identity *identity, const char *path, char *text,
                               struct tnm_error *err) {
    gnutls_datum_t pem = {(unsigned char *)text, (unsigned)strlen(text)};
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;
    int code = gnutls_x509_crt_list_import2(&list, &n, &pem, GNUTLS_X509_FMT_PEM, 0);
    if (code < 0)
        return fail_gnutls(err, code);
    bool ok = take_list(identity, list, n, err);
    if (ok)
        tell_expiry(path, gnutls_x509_crt_get_expiration_time(list[0]));
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return ok;
}

static bool parse_key(struct identity *identity, char *text, struct tnm_error *err) {
    gnutls_datum_t pem = {(unsigned char *)text, (unsigned)strlen(text)};
    int code = gnutls_privkey_init(&identity->key);
    if (code >= 0)
        code = gnutls_privkey_import_x509_raw(identity->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (code == GNUTLS_E_DECRYPTION_FAILED)
        return tnm_fail(err, TNM_EINPUT, "a key with a pass phrase, which nobody is there to type");
    return code >= 0 || fail_gnutls(err, code);
}

static bool read_part(struct identity *identity, const char *path, bool is_key,
                      struct tnm_error *err) {
    char *text = secret_read(path, MOST_BYTES, is_key, err);
    bool ok = text != NULL && (is_key ? parse_key(identity, text, err)
                                      : parse_certificates(identity, path, text, err));
    secret_free(text);
    return ok || tnm_fail_in(err, "%s %s", is_key ? "tls-key" : "tls-cert", path);
}

// Whether the key is that of the first certificate.
static bool belong_together(const struct identity *identity) {
    gnutls_pubkey_t mine;
    unsigned char have[64], want[64];
    size_t n_have = sizeof have, n_want = sizeof want;
    if (gnutls_pubkey_init(&mine) < 0)
        return false;
    bool same = gnutls_pubkey_import_privkey(mine, identity->key, 0, 0) >= 0 &&
                gnutls_pubkey_get_key_id(mine, GNUTLS_KEYID_USE_SHA256, have, &n_have) >= 0 &&
                gnutls_pubkey_get_key_id(identity->certificate[0].pubkey, GNUTLS_KEYID_USE_SHA256,
                                         want, &n_want) >= 0 &&
                n_have == n_want && memcmp(have, want, n_have) == 0;
    gnutls_pubkey_deinit(mine);
    return same;
}

void tls_release(struct identity *identity) {
    if (identity == NULL || atomic_fetch_sub(&identity->holders, 1) > 1)
        return;
    for (unsigned i = 0; i < identity->n; i++)
        gnutls_pcert_deinit(&identity->certificate[i]);
    if (identity->key != NULL)
        gnutls_privkey_deinit(identity->key);
    free(identity);
}

static struct identity *read_identity(const struct tls *tls, struct tnm_error *err) {
    struct identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for a certificate");
        return NULL;
    }
    atomic_init(&identity->holders, 1);
    bool ok = read_part(identity, tls->certificate, false, err) &&
              read_part(identity, tls->key, true, err);
    if (ok && !belong_together(identity))
        ok = tnm_fail(err, TNM_EINPUT, "tls-key %s is not the key of tls-cert %s", tls->key,
                      tls->certificate);
    if (ok)
        return identity;
    tls_release(identity);
    return NULL;
}

struct tls *tls_open(const char *certificate, const char *key, struct tnm_error *err) {
    if (!no_tls_end(err))
        return NULL;
    struct tls *tls = malloc(sizeof *tls);
    if (tls == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for TLS");
        return NULL;
    }
    *tls = (struct tls){.certificate = certificate, .key = key};
    pthread_mutex_init(&tls->lock, NULL);
    tls->current = read_identity(tls, err);
    if (tls->current != NULL)
        return tls;
    tls_close(tls);
    return NULL;
}

void tls_close(struct tls *tls) {
    if (tls == NULL)
        return;
    tls_release(tls->current);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

bool tls_reload(struct tls *tls, struct tnm_error *err) {
    struct identity *fresh = read_identity(tls, err);
    if (fresh == NULL)
        return false;
    pthread_mutex_lock(&tls->lock);
    struct identity *old = tls->current;
    tls->current = fresh;
    pthread_mutex_unlock(&tls->lock);
    tls_release(old);
    return true;
}

// ---- The server's side -------------------------------------------------------------------------

// During a handshake. What it gives out must live as long as that: the connection holds it.
static int choose(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                  gnutls_pcert_st **certificates, unsigned *n, gnutls_ocsp_data_st **ocsp,
                  unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags) {
    (void)info;
    const union MHD_ConnectionInfo *context = MHD_get_connection_info(
        gnutls_session_get_ptr(session), MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct exchange *exchange = context != NULL ? context->socket_context : NULL;
    if (exchange == NULL)
        return -1;
    struct tls *tls = exchange->tls;
    if (exchange->identity == NULL) {
        pthread_mutex_lock(&tls->lock);
        exchange->identity = tls->current;
        atomic_fetch_add(&tls->current->holders, 1);
        pthread_mutex_unlock(&tls->lock);
    }
    *certificates = exchange->identity->certificate;
    *n = exchange->identity->n;
    *key = exchange->identity->key;
    *ocsp = NULL;
    *n_ocsp = 0;
    *flags = 0; // none of it is the session's to free
    return 0;
}

void *tls_choice(void) {
    return (void *)choose;
}

// ---- The client's side -------------------------------------------------------------------------

// Whether to try again: the session waited for the other side.
static bool wait_for_peer(gnutls_session_t session, int fd, int wait_ms, int code) {
    if (code == GNUTLS_E_INTERRUPTED)
        return true;
    struct pollfd wait = {.fd = fd};
    wait.events = gnutls_record_get_direction(session) == 0 ? POLLIN : POLLOUT;
    return code == GNUTLS_E_AGAIN && poll(&wait, 1, wait_ms) > 0;
}

static int converse(gnutls_session_t session, int fd, const char *request, size_t len, char *reply,
                    size_t size, int wait_ms) {
    int code;
    do
        code = gnutls_handshake(session);
    while (code < 0 && wait_for_peer(session, fd, wait_ms, code));
    if (code < 0 || gnutls_record_send(session, request, len) != (ssize_t)len)
        return -1;
    do
        code = (int)gnutls_record_recv(session, reply, size);
    while (code < 0 && wait_for_peer(session, fd, wait_ms, code));
    return code;
}

int tls_ask(int fd, const char *request, size_t len, char *reply, size_t size, int wait_ms) {
    gnutls_certificate_credentials_t nobody;
    gnutls_session_t session;
    int got = -1;
    if (gnutls_certificate_allocate_credentials(&nobody) < 0)
        return -1;
    if (gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) >= 0) {
        gnutls_transport_set_int(session, fd);
        if (gnutls_set_default_priority(session) >= 0 &&
            gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, nobody) >= 0)
            got = converse(session, fd, request, len, reply, size, wait_ms);
        gnutls_deinit(session);
    }
    gnutls_certificate_free_credentials(nobody);
    return got;
}
