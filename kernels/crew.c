/* Helpers sleep on a condition variable between products: a wake-up costs some ten microseconds, which is why lt_gemm
 * calls only for products that take ten times that, and the processor is left alone otherwise. */
#include "kernels/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "proto/alloc.h"
#include "proto/error.h"

struct helper {
    struct lt_crew *crew;
    size_t part;
    pthread_t thread;
};

struct lt_crew {
    pthread_mutex_t lock; /* of all below but helpers */
    pthread_cond_t started;
    pthread_cond_t finished;
    void (*work)(const void *context, size_t part, size_t parts);
    const void *context;
    uint64_t round; /* counts products, so that a helper knows a new one from the last */
    size_t running; /* helpers that have not finished this round */
    bool ending;
    size_t helper_count;
    struct helper helpers[];
};

static void *help(void *argument)
{
    struct helper *helper = argument;
    struct lt_crew *crew = helper->crew;
    uint64_t round = 0;
    pthread_mutex_lock(&crew->lock);
    for (;;) {
        while (crew->round == round && !crew->ending)
            pthread_cond_wait(&crew->started, &crew->lock);
        if (crew->ending)
            break;
        round = crew->round;
        size_t parts = crew->helper_count + 1;
        pthread_mutex_unlock(&crew->lock);
        crew->work(crew->context, helper->part, parts); /* both stay until all have finished */
        pthread_mutex_lock(&crew->lock);
        if (--crew->running == 0)
            pthread_cond_signal(&crew->finished);
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
        crew->helpers[i] = (struct helper){.crew = crew, .part = i + 1};
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

void lt_crew_run(struct lt_crew *crew, void (*work)(const void *context, size_t part, size_t parts),
                 const void *context)
{
    if (!crew || crew->helper_count == 0) {
        work(context, 0, 1);
        return;
    }
    pthread_mutex_lock(&crew->lock);
    crew->work = work;
    crew->context = context;
    crew->running = crew->helper_count;
    crew->round++;
    pthread_cond_broadcast(&crew->started);
    pthread_mutex_unlock(&crew->lock);
    work(context, 0, crew->helper_count + 1);
    pthread_mutex_lock(&crew->lock);
    while (crew->running > 0)
        pthread_cond_wait(&crew->finished, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}
