/* SPDX-License-Identifier: MIT */
// Health under load: how long /healthz and a /classify of 784 bytes take while many clients keep
// the queue full, and afterwards. One prober asks in turns over a kept connection and over a new
// one; the load comes from other addresses, as one client has a bound of its own.
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <turbojpeg.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 192, MAX_PROBES = 20000, PROBE_US = 2000 };

static const double phase_s = 4;
static uint16_t port;
static pid_t tnmd;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

// ---- tnmd --------------------------------------------------------------------------------------

static pid_t start_tnmd(void) {
    const char *build = getenv("TNM_BUILD");
    char program[4096], line[1024];
    snprintf(program, sizeof program, "%s/tnmd", build != NULL ? build : "build");
    int report[2];
    if (pipe(report) != 0)
        fail("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(report[1], STDERR_FILENO);
        execl(program, program, "--listen", "127.0.0.1:0", "--models", "models", (char *)NULL);
        _exit(127);
    }
    close(report[1]);
    FILE *log = fdopen(report[0], "r");
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, "listening on http://127.0.0.1:");
        if (at != NULL) {
            port = (uint16_t)strtoul(strrchr(at, ':') + 1, NULL, 10);
            return pid; // log stays open, so that tnmd may go on writing
        }
    }
    fprintf(stderr, "%s did not start\n", program);
    exit(1);
}

// How long the daemon's HTTP threads have waited for a processor so far, in ms: what a busy machine
// adds to the times below. schedstat holds ns on the processor, ns waiting for one, and turns.
static double waited_ms(pid_t pid) {
    char path[300], name[32] = "";
    double sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (const struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        unsigned long long ran, waited;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/comm", pid, task->d_name);
        FILE *comm = fopen(path, "re");
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", pid, task->d_name);
        FILE *times = fopen(path, "re");
        if (comm != NULL && times != NULL && fscanf(comm, "%31s", name) == 1 &&
            strncmp(name, "MHD-", 4) == 0 && fscanf(times, "%llu %llu", &ran, &waited) == 2)
            sum += (double)waited / 1e6;
        if (comm != NULL)
            fclose(comm);
        if (times != NULL)
            fclose(times);
    }
    if (tasks != NULL)
        closedir(tasks);
    return sum;
}

static int connect_from(unsigned last_byte) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000000 + last_byte)};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

// ---- Messages ----------------------------------------------------------------------------------

struct message {
    char *bytes;
    size_t len;
};

static struct message make_message(const char *path, const char *type, const void *body,
                                   size_t len) {
    struct message m = {malloc(len + 256), 0};
    if (m.bytes == NULL)
        fail("memory");
    int head = snprintf(m.bytes, 256,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        path, type, len);
    memcpy(m.bytes + head, body, len);
    m.len = (size_t)head + len;
    return m;
}

// A picture that gets lighter, with a dark bar; grey.
static struct message make_jpeg(int width, int height) {
    unsigned char *jpeg = NULL;
    unsigned long len = 0;
    uint8_t *pixel = malloc((size_t)width * (size_t)height);
    if (pixel == NULL)
        fail("memory");
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            pixel[(size_t)y * (size_t)width + (size_t)x] =
                x > width * 2 / 5 && x < width / 2 && y > height / 4 && y < height * 3 / 4
                    ? 20
                    : (uint8_t)(160 + 60 * y / height + (x * 7 + y * 13) % 5);
    tjhandle tj = tjInitCompress();
    if (tjCompress2(tj, pixel, width, width, height, TJPF_GRAY, &jpeg, &len, TJSAMP_GRAY, 80, 0) !=
        0)
        fail("jpeg");
    struct message m = make_message("/classify", "image/jpeg", jpeg, len);
    tjFree(jpeg);
    tjDestroy(tj);
    free(pixel);
    return m;
}

// Status of a whole reply in text; 0: there is more to come.
static int reply_status(const char *text, size_t len) {
    const char *body = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "\r\nContent-Length: ");
    if (body == NULL || length == NULL || length > body ||
        len < (size_t)(body + 4 - text) + strtoul(length + 18, NULL, 10))
        return 0;
    return (int)strtol(text + 9, NULL, 10);
}

// ---- Load --------------------------------------------------------------------------------------

struct connection {
    int fd;
    const struct message *message;
    size_t sent, len;
    char reply[8192];
};

struct load {
    const struct message *message[2]; // the connections take turns
    unsigned n;
    atomic_bool stop;
    unsigned done, refused, without_retry, other;
    pthread_t thread;
};

static void reopen(struct connection *c, unsigned i) {
    if (c->fd >= 0)
        close(c->fd);
    c->fd = connect_from(2 + i % 6);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->sent = c->len = 0;
}

static void take_reply(struct load *load, struct connection *c, int status) {
    load->done += status == 200;
    load->refused += status == 503 || status == 429;
    load->without_retry +=
        (status == 503 || status == 429) && strcasestr(c->reply, "\r\nRetry-After: ") == NULL;
    load->other += status != 200 && status != 503 && status != 429;
    c->sent = c->len = 0;
}

// Sends and receives what goes.
static void move(struct load *load, struct connection *c, unsigned i) {
    if (c->sent < c->message->len) {
        ssize_t n =
            send(c->fd, c->message->bytes + c->sent, c->message->len - c->sent, MSG_NOSIGNAL);
        c->sent += n > 0 ? (size_t)n : 0;
    }
    ssize_t n = recv(c->fd, c->reply + c->len, sizeof c->reply - 1 - c->len, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        reopen(c, i);
        return;
    }
    c->len += n > 0 ? (size_t)n : 0;
    c->reply[c->len] = 0;
    int status = reply_status(c->reply, c->len);
    if (status == 0)
        return;
    bool whole = c->sent == c->message->len;
    take_reply(load, c, status);
    if (!whole) // refused before the body was read: the connection ends
        reopen(c, i);
}

static void *run_load(void *arg) {
    struct load *load = arg;
    static struct connection c[MAX_CONNECTIONS];
    struct pollfd wait[MAX_CONNECTIONS];
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), getpriority(PRIO_PROCESS, 0) + 1);
    for (unsigned i = 0; i < load->n; i++) {
        c[i] = (struct connection){.fd = -1, .message = load->message[i % 2]};
        reopen(&c[i], i);
    }
    while (!load->stop) {
        for (unsigned i = 0; i < load->n; i++) {
            bool sends = c[i].sent < c[i].message->len;
            wait[i] = (struct pollfd){c[i].fd, (short)(POLLIN | (sends ? POLLOUT : 0)), 0};
        }
        poll(wait, load->n, 100);
        for (unsigned i = 0; i < load->n; i++)
            if (wait[i].revents != 0)
                move(load, &c[i], i);
    }
    for (unsigned i = 0; i < load->n; i++)
        close(c[i].fd);
    return NULL;
}

// ---- Probes ------------------------------------------------------------------------------------

struct probes {
    double ms[MAX_PROBES];
    unsigned n, refused;
};

static int ask(int fd, const char *bytes, size_t len) {
    char reply[16384];
    size_t got = 0;
    if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        fail("probe");
    for (int status = 0; status == 0;) {
        ssize_t n = recv(fd, reply + got, sizeof reply - 1 - got, 0);
        if (n <= 0)
            fail("no answer to a probe");
        got += (size_t)n;
        reply[got] = 0;
        if ((status = reply_status(reply, got)) != 0)
            return status;
    }
    return 0;
}

static void probe(struct probes *probes, int fd, const char *bytes, size_t len) {
    double start = now_ms();
    int own = fd >= 0 ? fd : connect_from(1);
    int status = ask(own, bytes, len);
    probes->ms[probes->n] = now_ms() - start;
    if (fd < 0)
        close(own);
    probes->refused += status == 503 || status == 429;
    probes->n += status == 200 && probes->n < MAX_PROBES - 1;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_probes(const char *what, struct probes *p) {
    qsort(p->ms, p->n, sizeof p->ms[0], by_value);
    if (p->n == 0)
        printf("    %-26s none answered, %u refused\n", what, p->refused);
    else
        printf("    %-26s p50 %7.2f  p99 %7.2f  most %7.2f ms  (%u answered, %u refused)\n", what,
               p->ms[p->n / 2], p->ms[(size_t)(p->n * 0.99)], p->ms[p->n - 1], p->n, p->refused);
}

// Probes for a while, with or without load.
static void run_phase(const char *title, struct load *load, const struct message *raw) {
    static const char health[] = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    static struct probes kept, fresh, classify;
    memset(&kept, 0, sizeof kept);
    memset(&fresh, 0, sizeof fresh);
    memset(&classify, 0, sizeof classify);
    if (load->n > 0 && pthread_create(&load->thread, NULL, run_load, load) != 0)
        fail("thread");
    usleep(300000);
    double waited = waited_ms(tnmd);
    int fd = connect_from(1);
    for (double end = now_ms() + phase_s * 1e3; now_ms() < end; usleep(PROBE_US)) {
        probe(&kept, fd, health, sizeof health - 1);
        probe(&fresh, -1, health, sizeof health - 1);
        probe(&classify, fd, raw->bytes, raw->len);
    }
    waited = waited_ms(tnmd) - waited;
    close(fd);
    if (load->n > 0) {
        load->stop = true;
        pthread_join(load->thread, NULL);
        printf("  %s: %u answered, %u refused (%u of them without Retry-After), %u other\n", title,
               load->done, load->refused, load->without_retry, load->other);
    } else {
        printf("  %s\n", title);
    }
    print_probes("/healthz, kept connection", &kept);
    print_probes("/healthz, new connection", &fresh);
    print_probes("/classify, 784 bytes", &classify);
    printf("    HTTP threads waited %.0f ms for a processor in %.0f s\n", waited, phase_s);
}

int main(void) {
    uint8_t pixel[784] = {0};
    for (int y = 5; y < 23; y++)
        pixel[y * 28 + 13] = pixel[y * 28 + 14] = 250;
    const struct message raw =
        make_message("/classify", "application/octet-stream", pixel, sizeof pixel);
    const struct message heavy = make_message("/classify?model=mnist-lenet5-dense",
                                              "application/octet-stream", pixel, sizeof pixel);
    const struct message photo = make_jpeg(4000, 3000), large = make_jpeg(7071, 7071);
    tnmd = start_tnmd();
    // The prober must not wait for the load that it makes.
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), getpriority(PRIO_PROCESS, 0) - 2);
    struct load none = {.n = 0};
    printf("health under load, from another address than the load\n");
    run_phase("idle", &none, &raw);
    struct {
        const char *title;
        struct load load;
    } phases[] = {
        {"16 clients, 784 bytes", {.message = {&raw, &raw}, .n = 16}},
        {"160 clients, 784 bytes", {.message = {&raw, &raw}, .n = 160}},
        {"160 clients, 784 bytes to lenet5-dense", {.message = {&heavy, &heavy}, .n = 160}},
        {"96 clients, 12 megapixels", {.message = {&photo, &photo}, .n = 96}},
        {"8 clients, 50 megapixels", {.message = {&large, &large}, .n = 8}},
        {"96 clients, 784 bytes or 50 megapixels", {.message = {&raw, &large}, .n = 96}},
    };
    const char *only = getenv("TNM_PHASE");
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
        if (only == NULL || strtoul(only, NULL, 10) == i)
            run_phase(phases[i].title, &phases[i].load, &raw);
    run_phase("idle again", &none, &raw);
    kill(tnmd, SIGTERM);
    waitpid(tnmd, NULL, 0);
    return 0;
}
