/* SPDX-License-Identifier: MIT */
// A queue of jobs and the threads that take from it.
#include "daemon/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, **last;
    bool stopping;
    unsigned n_threads;
    pthread_t thread[];
};

// Behind the threads that answer at once. A service may be forbidden to say so: it then shares.
static void stand_back(void) {
    enum { NICE = 10 };
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
}

static void *work(void *argument) {
    struct workers *workers = argument;
    stand_back();
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (workers->first == NULL && !workers->stopping)
            pthread_cond_wait(&workers->changed, &workers->lock);
        struct job *job = workers->first;
        if (job == NULL)
            break;
        workers->first = job->next;
        if (workers->first == NULL)
            workers->last = &workers->first;
        pthread_mutex_unlock(&workers->lock);
        job->run(job);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

struct workers *workers_start(unsigned n_threads, struct tnm_error *err) {
    struct workers *workers = calloc(1, sizeof *workers + n_threads * sizeof workers->thread[0]);
    if (workers == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for worker threads");
        return NULL;
    }
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->changed, NULL);
    for (; workers->n_threads < n_threads; workers->n_threads++) {
        int error = pthread_create(&workers->thread[workers->n_threads], NULL, work, workers);
        if (error != 0) {
            tnm_fail_errno(err, error, "worker thread");
            workers_stop(workers);
            return NULL;
        }
    }
    return workers;
}

void workers_add(struct workers *workers, struct job *job) {
    job->next = NULL;
    pthread_mutex_lock(&workers->lock);
    *workers->last = job;
    workers->last = &job->next;
    pthread_cond_signal(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
}

void workers_stop(struct workers *workers) {
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->n_threads; i++)
        pthread_join(workers->thread[i], NULL);
    pthread_cond_destroy(&workers->changed);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
