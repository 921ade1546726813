/* SPDX-License-Identifier: MIT */
// Server CPU time of a request: tnmd against a bare libmicrohttpd program with the same threads
// that reads the same body and answers a fixed text. Both serve 16 keep-alive connections of one
// client, in turns within one run; the figure is each one's least CPU time over the rounds, and the
// ratio. With TNM_NODE set (`make bench-node`) Node's http, jpeg-js and onnxruntime-node do the
// same job with the dense network, for fewer requests.
#include "core/model.h"

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

enum { CONNECTIONS = 16, REQUESTS = 20000, NODE_REQUESTS = 3000, ROUNDS = 7, THREADS = 2 };

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

// Starts a program, and takes its port from behind `before` in the first line that holds it, among
// those it writes to `fd`.
static struct server start_program(const char *const *argv, int fd, const char *before) {
    int report[2];
    if (pipe(report) != 0)
        fail("pipe");
    struct server server = {.pid = fork()};
    if (server.pid == 0) {
        dup2(report[1], fd);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(report[1]);
    FILE *log = fdopen(report[0], "r");
    char line[1024];
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, before);
        if (at != NULL) {
            server.port = (uint16_t)strtoul(at + strlen(before), NULL, 10);
            return server; // log stays open, so that the program may go on writing
        }
    }
    fprintf(stderr, "%s did not start\n", argv[0]);
    exit(1);
}

static struct server start_tnmd(void) {
    const char *build = getenv("TNM_BUILD");
    char program[4096];
    snprintf(program, sizeof program, "%s/tnmd", build != NULL ? build : "build");
    const char *const argv[] = {program,  "--listen",  "127.0.0.1:0", "--models",
                                "models", "--threads", "2",           NULL};
    return start_program(argv, STDERR_FILENO, "listening on http://127.0.0.1:");
}

// ---- Node
// ----------------------------------------------------------------------------------------

static void put_word(FILE *file, uint32_t word) {
    fwrite(&word, sizeof word, 1, file);
}

// The weights of a dense model as tests/node/server.js reads them.
static void write_weights(const char *model_path, FILE *file) {
    struct tnm_error err;
    struct tnm_model *model = tnm_model_open(model_path, &err);
    if (model == NULL) {
        fprintf(stderr, "%s: %s\n", model_path, err.text);
        exit(1);
    }
    put_word(file, 0);
    uint32_t n = 0;
    for (uint32_t i = 0; i < model->graph.n_nodes; i++) {
        const struct tnm_matrix *w = &model->graph.node[i].w[0];
        if (model->graph.node[i].n_weights == 0)
            continue;
        put_word(file, w->rows);
        put_word(file, w->cols);
        fwrite(w->dense32, sizeof(float), (size_t)w->rows * w->cols, file);
        fwrite(w->bias, sizeof(float), w->rows, file);
        n++;
    }
    rewind(file);
    put_word(file, n);
    fflush(file);
    tnm_model_close(model);
}

// Its weights stay open as a file without a name.
static struct server start_node(void) {
    FILE *weights = tmpfile();
    if (weights == NULL)
        fail("weights");
    write_weights("models/mnist-mlp-dense.tnm", weights);
    char path[64];
    snprintf(path, sizeof path, "/dev/fd/%d", fileno(weights));
    const char *const argv[] = {"node", "tests/node/server.js", path, NULL};
    return start_program(argv, STDOUT_FILENO, "");
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
static double load(struct server server, const struct message *m, int requests) {
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
    while (received < requests) {
        if (poll(poll_of, CONNECTIONS, 5000) <= 0)
            fail("no reply within 5 s");
        for (int i = 0; i < CONNECTIONS; i++) {
            if ((poll_of[i].revents & POLLIN) == 0)
                continue;
            receive(poll_of[i].fd);
            received++;
            if (sent < requests) {
                send_all(poll_of[i].fd, m);
                sent++;
            }
        }
    }
    uint64_t after = cpu_ns(server);
    for (int i = 0; i < CONNECTIONS; i++)
        close(poll_of[i].fd);
    return (double)(after - before) / requests;
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

struct figures {
    double bare_raw, bare_jpeg, tnmd_raw, tnmd_jpeg, node_jpeg;
};

static void run_rounds(struct server bare, struct server tnmd, const struct server *node,
                       struct figures *f) {
    uint8_t pixel[784];
    draw_seven(pixel);
    const struct message raw = message_make("application/octet-stream", pixel, sizeof pixel);
    const struct message jpeg = jpeg_message(pixel);
    for (int round = 0; round < ROUNDS; round++) {
        f->bare_raw = least(f->bare_raw, load(bare, &raw, REQUESTS));
        f->tnmd_raw = least(f->tnmd_raw, load(tnmd, &raw, REQUESTS));
        f->bare_jpeg = least(f->bare_jpeg, load(bare, &jpeg, REQUESTS));
        f->tnmd_jpeg = least(f->tnmd_jpeg, load(tnmd, &jpeg, REQUESTS));
        if (node != NULL)
            f->node_jpeg = least(f->node_jpeg, load(*node, &jpeg, NODE_REQUESTS));
    }
}

static void end(struct server server, int signal_number) {
    kill(server.pid, signal_number);
    waitpid(server.pid, NULL, 0);
}

int main(void) {
    const bool with_node = getenv("TNM_NODE") != NULL;
    struct server bare = start_bare(), tnmd = start_tnmd(), node = {0};
    struct figures f = {0};
    if (with_node)
        node = start_node();
    run_rounds(bare, tnmd, with_node ? &node : NULL, &f);
    end(bare, SIGKILL);
    end(tnmd, SIGTERM);
    printf("server CPU time a request, keep-alive, %d connections, least of %d rounds of %d\n",
           CONNECTIONS, ROUNDS, REQUESTS);
    printf("  784 raw bytes  bare libmicrohttpd %5.1f us  tnmd %5.1f us  ratio %.2f\n",
           f.bare_raw / 1000, f.tnmd_raw / 1000, f.tnmd_raw / f.bare_raw);
    printf("  28 x 28 JPEG   bare libmicrohttpd %5.1f us  tnmd %5.1f us  ratio %.2f\n",
           f.bare_jpeg / 1000, f.tnmd_jpeg / 1000, f.tnmd_jpeg / f.bare_jpeg);
    if (with_node) {
        end(node, SIGKILL);
        printf("  28 x 28 JPEG   Node, jpeg-js, onnxruntime-node %5.1f us (rounds of %d)  tnmd "
               "1/%.1f\n",
               f.node_jpeg / 1000, NODE_REQUESTS, f.node_jpeg / f.tnmd_jpeg);
    }
    return 0;
}
