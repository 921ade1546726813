/* SPDX-License-Identifier: MIT */
// Starting, looking at and stopping it.
#include "tests/fleet/fleet.h"

#include "tests/client.h"
#include "tests/scratch.h"

#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- The daemons -------------------------------------------------------------------------------

void fleet_put(struct fleet *fleet, unsigned server, const char *name, const struct made *model) {
    char file[80];
    snprintf(file, sizeof file, "%s.tnm", name);
    scratch_replace(scratch_path(fleet->models[server], file), model->bytes, model->len);
}

void fleet_restart(struct fleet *fleet, unsigned server) {
    struct daemon_run *run = &fleet->server[server];
    char listen[32];
    snprintf(listen, sizeof listen, "127.0.0.1:%u", fleet->at[server]);
    const char *const args[] = {"--listen", listen, "--models", fleet->models[server],
                                "--active", "a",    NULL};
    ck_assert_msg(daemon_start(run, args), "%s", daemon_log(run));
    fleet->at[server] = run->port;
}

static void start_servers(struct fleet *fleet) {
    for (unsigned s = 0; s < FLEET_SERVERS; s++) {
        char name[16];
        snprintf(name, sizeof name, "models%u", s);
        snprintf(fleet->models[s], sizeof fleet->models[s], "%s",
                 scratch_path(fleet->folder, name));
        ck_assert_int_eq(mkdir(fleet->models[s], 0755), 0);
        fleet_put(fleet, s, "a", &fleet->made[0]);
        fleet_put(fleet, s, "b", &fleet->made[1]);
        fleet->server[s] = (struct daemon_run){.log_fd = -1};
        if (fleet->at[s] == 0)
            fleet_restart(fleet, s);
    }
}

// ---- Its settings ------------------------------------------------------------------------------

// Puts `new` in the place of `old`, which must be there once, in text (size bytes).
static void replace(char *text, size_t size, const char *old, const char *new) {
    char *at = strstr(text, old);
    ck_assert_msg(at != NULL && strstr(at + 1, old) == NULL, "haproxy.cfg: \"%s\" once", old);
    size_t rest = strlen(at + strlen(old)) + 1;
    ck_assert_uint_lt(strlen(text) + strlen(new), size);
    memmove(at + strlen(new), at + strlen(old), rest);
    memcpy(at, new, strlen(new));
}

// conf/haproxy.cfg, but for the addresses.
static const char *write_settings(struct fleet *fleet, int fd, int state_fd) {
    static char text[16384];
    FILE *file = fopen("conf/haproxy.cfg", "re");
    ck_assert_msg(file != NULL, "conf/haproxy.cfg: run this from the top of the tree");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char old[64], new[64];
    for (unsigned s = 0; s < FLEET_SERVERS; s++) {
        snprintf(old, sizeof old, "192.168.1.1%u:8080", s + 1);
        snprintf(new, sizeof new, "127.0.0.1:%u", fleet->at[s]);
        replace(text, sizeof text, old, new);
    }
    snprintf(new, sizeof new, "bind fd@%d\n", fd);
    replace(text, sizeof text, "bind :8080\n", new);
    snprintf(new, sizeof new, "bind fd@%d\n", state_fd);
    replace(text, sizeof text, "bind 127.0.0.1:8404\n", new);
    const char *path = scratch_path(fleet->folder, "haproxy.cfg");
    scratch_write(path, text, strlen(text));
    return path;
}

// ---- HAProxy -----------------------------------------------------------------------------------

static int listen_somewhere(uint16_t *port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 256), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void become_haproxy(const char *settings) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // A line for each request would drown what this test says.
    if (getenv("TNM_VERBOSE") == NULL)
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stdout));
    execlp("haproxy", "haproxy", "-db", "-q", "-f", settings, (char *)NULL);
    execl("/usr/sbin/haproxy", "haproxy", "-db", "-q", "-f", settings, (char *)NULL);
    perror("haproxy");
    _exit(127);
}

void fleet_start(struct fleet *fleet) {
    fleet->folder = scratch_make();
    for (unsigned i = 0; i < LOAD_MODELS; i++)
        fleet->made[i] = made_model(i, false);
    start_servers(fleet);
    int fd = listen_somewhere(&fleet->port), state_fd = listen_somewhere(&fleet->state_port);
    const char *settings = write_settings(fleet, fd, state_fd);
    fleet->haproxy = fork();
    if (fleet->haproxy == 0)
        become_haproxy(settings);
    ck_assert_int_gt(fleet->haproxy, 0);
    close(fd);
    close(state_fd);
    for (unsigned s = 0; s < FLEET_SERVERS; s++)
        fleet_wait_for(fleet, s, "UP");
}

void fleet_stop(struct fleet *fleet) {
    int status;
    ck_assert_int_eq(waitpid(fleet->haproxy, &status, WNOHANG), 0);
    kill(fleet->haproxy, SIGKILL);
    waitpid(fleet->haproxy, &status, 0);
    for (unsigned s = 0; s < FLEET_SERVERS; s++)
        daemon_stop(&fleet->server[s]);
    for (unsigned i = 0; i < LOAD_MODELS; i++)
        made_free(&fleet->made[i]);
    scratch_remove(fleet->folder);
}

// ---- Its state ---------------------------------------------------------------------------------

// HAProxy's table of all servers. HTTP/1.0, as it would come in chunks otherwise.
static void read_table(struct fleet *fleet, char *text, size_t size) {
    struct client client;
    size_t len = 0;
    if (client_open(&client, fleet->state_port)) {
        client_printf(&client, "GET /;csv HTTP/1.0\r\n\r\n");
        for (ssize_t got; (got = recv(client.fd, text + len, size - 1 - len, 0)) > 0;)
            len += (size_t)got;
        client_close(&client);
    }
    text[len] = '\0';
}

// Field n of a server's line in it; "" while there is none.
static void read_state(struct fleet *fleet, unsigned server, unsigned n, char value[64]) {
    static char text[65536];
    char line[16];
    *value = '\0';
    read_table(fleet, text, sizeof text);
    snprintf(line, sizeof line, "\npis,pi%u,", server + 1);
    const char *at = strstr(text, line);
    for (at = at != NULL ? at + 1 : NULL; at != NULL && n > 0; n--)
        if ((at = strchr(at, ',')) != NULL)
            at++;
    if (at != NULL)
        snprintf(value, 64, "%.*s", (int)strcspn(at, ",\n"), at);
}

enum { SESSIONS_IN_ALL = 7, STATUS = 17 }; // HAProxy's management guide, 9.1

unsigned fleet_asked(struct fleet *fleet, unsigned server) {
    char value[64];
    read_state(fleet, server, SESSIONS_IN_ALL, value);
    return (unsigned)strtoul(value, NULL, 10);
}

struct wanted {
    struct fleet *fleet;
    unsigned server;
    const char *state;
};

static bool has_state(void *arg) {
    const struct wanted *w = arg;
    char value[64];
    read_state(w->fleet, w->server, STATUS, value);
    return strcmp(value, w->state) == 0; // "UP 1/2" is on its way to DOWN
}

void fleet_wait_for(struct fleet *fleet, unsigned server, const char *state) {
    struct wanted wanted = {fleet, server, state};
    ck_assert_msg(eventually(has_state, &wanted), "server %u is not %s", server, state);
}
