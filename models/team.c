/* SPDX-License-Identifier: MIT */
// A few threads that do one thing together and are done.
#include "models/team.h"

#include "core/error.h"

#include <sched.h>

struct member {
    struct team *team;
    unsigned index;
};

static void *run_member(void *arg) {
    struct member *m = arg;
    pthread_mutex_lock(&m->team->gate);
    bool called_off = m->team->called_off;
    pthread_mutex_unlock(&m->team->gate);
    if (!called_off)
        m->team->work(m->team, m->index, m->team->arg);
    return NULL;
}

bool team_run(unsigned n, void (*work)(struct team *team, unsigned index, void *arg), void *arg,
              struct tnm_error *err) {
    struct team team = {.n = n, .work = work, .arg = arg};
    struct member member[TEAM_MAX];
    pthread_t thread[TEAM_MAX];
    unsigned started = 1;
    int failure = 0;
    pthread_mutex_init(&team.gate, NULL);
    pthread_barrier_init(&team.barrier, NULL, n);
    pthread_mutex_lock(&team.gate);
    for (; started < n && failure == 0; started++) {
        member[started] = (struct member){&team, started};
        failure = pthread_create(&thread[started], NULL, run_member, &member[started]);
    }
    if (failure != 0)
        started--;
    team.called_off = failure != 0;
    pthread_mutex_unlock(&team.gate);
    if (failure == 0)
        work(&team, 0, arg);
    for (unsigned i = 1; i < started; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&team.barrier);
    pthread_mutex_destroy(&team.gate);
    return failure == 0 || tnm_fail_errno(err, failure, "thread %u of %u", started + 1, n);
}

void team_meet(struct team *team) {
    if (team->n > 1)
        pthread_barrier_wait(&team->barrier);
}

unsigned team_processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > TEAM_MAX ? TEAM_MAX : (unsigned)n;
}
