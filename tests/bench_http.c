/* SPDX-License-Identifier: MIT */
// Server CPU time of a request: tnmd against a bare libmicrohttpd program with the same threads
// that reads the same body and answers a fixed text. Both serve 16 keep-alive connections of one
// client, in turns within one run; the figure is each one's least CPU time over the rounds, and the
// ratio.
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <turbojpeg.h>
#include <unistd.h>

enum { CONNECTIONS = 16, REQUESTS = 20000, ROUNDS = 7, THREADS = 2 };

// A process that serves, and where.
struct server {
    pid_t pid;
    uint16_t port;
};

// One request as it goes over the wire.
struct message {
    char bytes[8192];
    size_t len;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// ---- The bare program
// ----------------------------------------------------------------------------

static enum MHD_Result bare_answer(void *cls, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *data_len, void **state) {
    static char seen;
    static const char text[] = "{\"index\":7,\"label\":\"7\"}\n";
    (void)cls, (void)url, (void)method, (void)version, (void)data;
    if (*state == NULL || *data_len > 0) {
        *state = &seen;
        *data_len = 0;
        return MHD_YES;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof text - 1, (void *)text, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static struct server start_bare(void) {
    int report[2];
    if (pipe(report) != 0)
        fail("pipe");
    struct server server = {.pid = fork()};
    if (server.pid == 0) {
        struct MHD_Daemon *daemon =
            MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL,
                             bare_answer, NULL, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
                             MHD_OPTION_CONNECTION_LIMIT, 256u, MHD_OPTION_END);
        if (daemon == NULL)
            _exit(1);
        uint16_t port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
        if (write(report[1], &port, sizeof port) != sizeof port)
            _exit(1);
        for (;;)
            pause();
    }
    if (read(report[0], &server.port, sizeof server.port) != sizeof server.port)
        fail("bare server");
    close(report[0]);
    close(report[1]);
    return server;
}

// ---- tnmd
// ----------------------------------------------------------------------------------------

static struct server start_tnmd(void) {
    const char *build = getenv("TNM_BUILD");
    char program[4096];
    snprintf(program, sizeof program, "%s/tnmd", build != NULL ? build : "build");
    int report[2];
    if (pipe(report) != 0)
        fail("pipe");
    struct server server = {.pid = fork()};
    if (server.pid == 0) {
        dup2(report[1], STDERR_FILENO);
        execl(program, program, "--listen", "127.0.0.1:0", "--models", "models", "--threads", "2",
              (char *)NULL);
        _exit(127);
    }
    close(report[1]);
    FILE *log = fdopen(report[0], "r");
    char line[1024];
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, "listening on http://127.0.0.1:");
        if (at != NULL) {
            server.port = (uint16_t)strtoul(strrchr(at, ':') + 1, NULL, 10);
            return server; // log stays open, so that tnmd may go on writing
        }
    }
    fprintf(stderr, "%s did not start\n", program);
    exit(1);
}

// CPU time of all its threads so far, in ns.
static uint64_t cpu_ns(struct server server) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(server.pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        fail("clock of the server");
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// ---- The client
// ----------------------------------------------------------------------------------

static struct message message_make(const char *type, const void *body, size_t len) {
    struct message m;
    int head = snprintf(m.bytes, sizeof m.bytes,
                        "POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        type, len);
    memcpy(m.bytes + head, body, len);
    m.len = (size_t)head + len;
    return m;
}

static int connect_to(struct server server) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(server.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void send_all(int fd, const struct message *m) {
    if (send(fd, m->bytes, m->len, MSG_NOSIGNAL) != (ssize_t)m->len)
        fail("send");
}

// Reads one reply; these are short enough to come in one piece nearly always.
static void receive(int fd) {
    char reply[8192];
    size_t len = 0;
    for (;;) {
        ssize_t got = recv(fd, reply + len, sizeof reply - 1 - len, 0);
        if (got <= 0)
            fail("recv");
        len += (size_t)got;
        reply[len] = 0;
        const char *body = strstr(reply, "\r\n\r\n");
        const char *length = strcasestr(reply, "Content-Length: ");
        if (body == NULL || length == NULL)
            continue;
        if (len >= (size_t)(body + 4 - reply) + strtoul(length + 16, NULL, 10))
            break;
    }
    if (strncmp(reply, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "not 200: %s\n", reply);
        exit(1);
    }
}

// CPU ns of the server for each request.
static double load(struct server server, const struct message *m) {
    struct pollfd poll_of[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        poll_of[i] = (struct pollfd){.fd = connect_to(server), .events = POLLIN};
        send_all(poll_of[i].fd, m);
        receive(poll_of[i].fd);
    }
    uint64_t before = cpu_ns(server);
    for (int i = 0; i < CONNECTIONS; i++)
        send_all(poll_of[i].fd, m);
    int sent = CONNECTIONS, received = 0;
    while (received < REQUESTS) {
        if (poll(poll_of, CONNECTIONS, 5000) <= 0)
            fail("no reply within 5 s");
        for (int i = 0; i < CONNECTIONS; i++) {
            if ((poll_of[i].revents & POLLIN) == 0)
                continue;
            receive(poll_of[i].fd);
            received++;
            if (sent < REQUESTS) {
                send_all(poll_of[i].fd, m);
                sent++;
            }
        }
    }
    uint64_t after = cpu_ns(server);
    for (int i = 0; i < CONNECTIONS; i++)
        close(poll_of[i].fd);
    return (double)(after - before) / REQUESTS;
}

// ---- The pictures
// --------------------------------------------------------------------------------

// A 7 drawn by hand into 28 x 28, light on black.
static void draw_seven(uint8_t pixel[784]) {
    memset(pixel, 0, 784);
    for (int x = 8; x <= 19; x++)
        pixel[7 * 28 + x] = pixel[8 * 28 + x] = 250;
    for (int y = 9; y <= 21; y++)
        for (int thick = 0; thick < 3; thick++)
            pixel[y * 28 + 19 - (y - 9) * 2 / 3 - thick] = thick == 1 ? 255 : 160;
}

static struct message jpeg_message(const uint8_t pixel[784]) {
    unsigned char *jpeg = NULL;
    unsigned long len = 0;
    tjhandle tj = tjInitCompress();
    if (tjCompress2(tj, pixel, 28, 28, 28, TJPF_GRAY, &jpeg, &len, TJSAMP_GRAY, 90, 0) != 0)
        fail("jpeg");
    struct message m = message_make("image/jpeg", jpeg, len);
    tjFree(jpeg);
    tjDestroy(tj);
    return m;
}

static double least(double a, double b) {
    return a == 0 || b < a ? b : a;
}

int main(void) {
    uint8_t pixel[784];
    draw_seven(pixel);
    const struct message raw = message_make("application/octet-stream", pixel, sizeof pixel);
    const struct message jpeg = jpeg_message(pixel);
    struct server bare = start_bare(), tnmd = start_tnmd();
    double bare_raw = 0, bare_jpeg = 0, tnmd_raw = 0, tnmd_jpeg = 0;
    for (int round = 0; round < ROUNDS; round++) {
        bare_raw = least(bare_raw, load(bare, &raw));
        tnmd_raw = least(tnmd_raw, load(tnmd, &raw));
        bare_jpeg = least(bare_jpeg, load(bare, &jpeg));
        tnmd_jpeg = least(tnmd_jpeg, load(tnmd, &jpeg));
    }
    kill(bare.pid, SIGKILL);
    kill(tnmd.pid, SIGTERM);
    waitpid(bare.pid, NULL, 0);
    waitpid(tnmd.pid, NULL, 0);
    printf("server CPU time a request, keep-alive, %d connections, least of %d rounds of %d\n",
           CONNECTIONS, ROUNDS, REQUESTS);
    printf("  784 raw bytes  bare libmicrohttpd %5.1f us  tnmd %5.1f us  ratio %.2f\n",
           bare_raw / 1000, tnmd_raw / 1000, tnmd_raw / bare_raw);
    printf("  28 x 28 JPEG   bare libmicrohttpd %5.1f us  tnmd %5.1f us  ratio %.2f\n",
           bare_jpeg / 1000, tnmd_jpeg / 1000, tnmd_jpeg / bare_jpeg);
    return 0;
}
