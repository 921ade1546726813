/* SPDX-License-Identifier: MIT */
// Threads that open models.
#include "daemon/ahead.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 4 };

// A file, and what became of it.
struct sight {
    bool done;
    struct signature seen; // before it was opened
    struct build *build;
};

struct ahead {
    const char *folder;
    struct tnm_limits limits;
    char (*names)[MODEL_NAME_BYTES]; // (n,)
    struct sight *sight;             // (n,)
    size_t n;

    pthread_mutex_t lock; // guards what follows, and sight
    pthread_cond_t changed;
    size_t next;   // file to be opened
    size_t wanted; // file that is waited for; only a few beyond it are opened
    bool stopping;
    unsigned n_threads;
    pthread_t thread[MAX_THREADS];
};

// Called without the lock.
static struct sight open_one(const struct ahead *ahead, const char *name) {
    struct sight sight = {.done = true};
    char path[PATH_MAX];
    struct stat s;
    struct tnm_error err;
    if (!folder_stat(ahead->folder, name, path, &s) || !S_ISREG(s.st_mode))
        return sight;
    sight.seen = folder_signature(&s);
    sight.build = build_open(path, &ahead->limits, &err);
    return sight;
}

static void *open_many(void *argument) {
    struct ahead *ahead = argument;
    pthread_mutex_lock(&ahead->lock);
    while (!ahead->stopping && ahead->next < ahead->n) {
        if (ahead->next > ahead->wanted + 2 * MAX_THREADS) {
            pthread_cond_wait(&ahead->changed, &ahead->lock);
            continue;
        }
        size_t i = ahead->next++;
        pthread_mutex_unlock(&ahead->lock);
        struct sight sight = open_one(ahead, ahead->names[i]);
        pthread_mutex_lock(&ahead->lock);
        ahead->sight[i] = sight;
        pthread_cond_broadcast(&ahead->changed);
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

struct ahead *ahead_start(const char *folder, const struct tnm_limits *limits) {
    struct ahead *ahead = calloc(1, sizeof *ahead);
    if (ahead == NULL)
        return NULL;
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->changed, NULL);
    ahead->folder = folder;
    ahead->limits = *limits;
    int n = folder_names(folder, &ahead->names);
    ahead->sight = n > 0 ? calloc((size_t)n, sizeof *ahead->sight) : NULL;
    ahead->n = ahead->sight != NULL ? (size_t)n : 0;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 0; i < processors && i < MAX_THREADS && ahead->n > 1; i++)
        ahead->n_threads +=
            pthread_create(&ahead->thread[ahead->n_threads], NULL, open_many, ahead) == 0;
    if (ahead->n_threads > 0)
        return ahead;
    ahead_stop(ahead);
    return NULL;
}

// Which file it is; n: none.
static size_t index_of(const struct ahead *ahead, const char *path) {
    char own[PATH_MAX];
    size_t i = 0;
    for (; i < ahead->n; i++) {
        folder_path(ahead->folder, ahead->names[i], own);
        if (strcmp(path, own) == 0)
            break;
    }
    return i;
}

static bool fits(const struct sight *sight, const char *path, const struct tnm_limits *limits) {
    struct stat s;
    struct tnm_summary summary;
    if (sight->build == NULL || stat(path, &s) != 0 || !folder_unchanged(&sight->seen, &s))
        return false;
    tnm_model_summary(build_model(sight->build), &summary);
    return summary.memory_bytes <= limits->memory_bytes && summary.bytes <= limits->file_bytes;
}

struct build *ahead_take(struct ahead *ahead, const char *path, const struct tnm_limits *limits) {
    size_t i = ahead != NULL ? index_of(ahead, path) : 0;
    if (ahead == NULL || i == ahead->n)
        return NULL;
    pthread_mutex_lock(&ahead->lock);
    ahead->wanted = i > ahead->wanted ? i : ahead->wanted;
    pthread_cond_broadcast(&ahead->changed);
    while (!ahead->sight[i].done)
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    struct sight sight = ahead->sight[i];
    ahead->sight[i].build = NULL;
    pthread_mutex_unlock(&ahead->lock);
    if (fits(&sight, path, limits))
        return sight.build;
    build_release(sight.build);
    return NULL;
}

void ahead_stop(struct ahead *ahead) {
    if (ahead == NULL)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->stopping = true;
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    for (unsigned i = 0; i < ahead->n_threads; i++)
        pthread_join(ahead->thread[i], NULL);
    for (size_t i = 0; i < ahead->n; i++)
        build_release(ahead->sight[i].build);
    free(ahead->sight);
    free(ahead->names);
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}
