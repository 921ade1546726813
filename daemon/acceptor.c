/* SPDX-License-Identifier: MIT */
// Accepting connections.
#include "daemon/acceptor.h"

#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PAUSE_MS = 100 }; // after running out of descriptors, which poll would report at once again

struct acceptor {
    pthread_t thread;
    int listen_fd, stop_fd;
    acceptor_take *take;
    void *argument;
};

// Takes all that wait. False where the system is out of something.
static bool accept_waiting(const struct acceptor *acceptor) {
    for (;;) {
        struct sockaddr_storage address;
        socklen_t len = sizeof address;
        int fd = accept4(acceptor->listen_fd, (struct sockaddr *)&address, &len,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            acceptor->take(acceptor->argument, fd, (struct sockaddr *)&address, len);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return false;
        else if (errno != EINTR && errno != ECONNABORTED)
            return true; // EAGAIN; what else there is concerns the connection that came
    }
}

static void *accept_all(void *argument) {
    const struct acceptor *acceptor = argument;
    struct pollfd wait[] = {{.fd = acceptor->stop_fd, .events = POLLIN},
                            {.fd = acceptor->listen_fd, .events = POLLIN}};
    bool short_of = false;
    for (;;) {
        int n = poll(wait, short_of ? 1 : 2, short_of ? PAUSE_MS : -1);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0 && wait[0].revents != 0)
            return NULL;
        bool was_short = short_of;
        short_of = !accept_waiting(acceptor);
        if (short_of && !was_short)
            log_warn("cannot accept connections: %s", strerror(errno));
    }
    log_error("cannot wait for connections: %s", strerror(errno));
    return NULL;
}

struct acceptor *acceptor_start(int listen_fd, acceptor_take *take, void *argument,
                                struct tnm_error *err) {
    struct acceptor *acceptor = malloc(sizeof *acceptor);
    if (acceptor == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory to accept connections");
        return NULL;
    }
    *acceptor = (struct acceptor){.listen_fd = listen_fd,
                                  .stop_fd = eventfd(0, EFD_CLOEXEC),
                                  .take = take,
                                  .argument = argument};
    int flags = fcntl(listen_fd, F_GETFL), error = errno;
    if (acceptor->stop_fd >= 0 && flags >= 0 &&
        fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) == 0) {
        error = pthread_create(&acceptor->thread, NULL, accept_all, acceptor);
        if (error == 0)
            return acceptor;
    }
    tnm_fail_errno(err, error, "accepting connections");
    if (acceptor->stop_fd >= 0)
        close(acceptor->stop_fd);
    free(acceptor);
    return NULL;
}

void acceptor_stop(struct acceptor *acceptor) {
    if (acceptor == NULL)
        return;
    (void)!eventfd_write(acceptor->stop_fd, 1);
    pthread_join(acceptor->thread, NULL);
    close(acceptor->stop_fd);
    free(acceptor);
}
