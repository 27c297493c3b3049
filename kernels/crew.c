/* Helpers sleep on a condition variable between pieces of work: a wake-up costs some ten microseconds, which is why
 * they are called only for what takes ten times that, and the processor is left alone otherwise.
 *
 * Whoever is free takes the next part. The caller does not wait for helpers that have not begun: on a busy machine one
 * may not get a processor for longer than all of the work takes. */
#include "kernels/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "proto/alloc.h"
#include "proto/error.h"

struct helper {
    struct lt_crew *crew;
    size_t worker;
    pthread_t thread;
};

struct lt_crew {
    pthread_mutex_t lock; /* of all below but helpers */
    pthread_cond_t started;
    pthread_cond_t finished;
    lt_crew_work *work;
    const void *context;
    size_t parts;
    size_t taken;   /* of them */
    size_t running; /* taken and not yet done */
    bool ending;
    size_t helper_count;
    struct helper helpers[];
};

/* Does parts as long as there are any. The lock is held before and after. */
static void take_parts(struct lt_crew *crew, size_t worker)
{
    while (crew->taken < crew->parts) {
        size_t part = crew->taken++;
        crew->running++;
        pthread_mutex_unlock(&crew->lock);
        crew->work(crew->context, worker, part, crew->parts); /* they stay until all parts are done */
        pthread_mutex_lock(&crew->lock);
        crew->running--;
    }
}

static void *help(void *argument)
{
    struct helper *helper = argument;
    struct lt_crew *crew = helper->crew;
    pthread_mutex_lock(&crew->lock);
    while (!crew->ending) {
        take_parts(crew, helper->worker);
        if (crew->running == 0)
            pthread_cond_signal(&crew->finished);
        if (!crew->ending)
            pthread_cond_wait(&crew->started, &crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

int lt_crew_create(uint32_t threads, struct lt_crew **ret_crew)
{
    size_t helpers = threads > 1 ? threads - 1 : 0;
    struct lt_crew *crew = lt_calloc(1, sizeof *crew + helpers * sizeof *crew->helpers);
    sigset_t all, before;
    int failed = 0;
    if (!crew)
        return LT_ENOMEM;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->started, NULL);
    pthread_cond_init(&crew->finished, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < helpers && !failed; i++) {
        crew->helpers[i] = (struct helper){.crew = crew, .worker = i + 1};
        failed = pthread_create(&crew->helpers[i].thread, NULL, help, &crew->helpers[i]);
        pthread_mutex_lock(&crew->lock);
        crew->helper_count += !failed;
        pthread_mutex_unlock(&crew->lock);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        lt_crew_destroy(crew);
        return LT_ENOMEM;
    }
    *ret_crew = crew;
    return LT_OK;
}

void lt_crew_destroy(struct lt_crew *crew)
{
    if (!crew)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->ending = true;
    pthread_cond_broadcast(&crew->started);
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < crew->helper_count; i++)
        pthread_join(crew->helpers[i].thread, NULL);
    pthread_cond_destroy(&crew->started);
    pthread_cond_destroy(&crew->finished);
    pthread_mutex_destroy(&crew->lock);
    lt_free(crew);
}

size_t lt_crew_threads(const struct lt_crew *crew)
{
    return crew ? crew->helper_count + 1 : 1;
}

void lt_crew_run(struct lt_crew *crew, size_t parts, lt_crew_work *work, const void *context)
{
    if (lt_crew_threads(crew) == 1) {
        for (size_t part = 0; part < parts; part++)
            work(context, 0, part, parts);
        return;
    }
    pthread_mutex_lock(&crew->lock);
    crew->work = work;
    crew->context = context;
    crew->parts = parts;
    crew->taken = 0;
    pthread_cond_broadcast(&crew->started);
    take_parts(crew, 0);
    while (crew->running > 0)
        pthread_cond_wait(&crew->finished, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}
