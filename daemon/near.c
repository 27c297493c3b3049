#include "daemon/near.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/cycle.h"
#include "daemon/near_reply.h"
#include "proto/alloc.h"

#define NICENESS 10 /* of the thread */

struct query {
    struct query *next;
    struct lt_job *job;
    struct lt_request request; /* the text as an encode request, for the task */
    struct lt_job inner;       /* carries it */
    struct lt_task *task;
    struct lt_nearest *nearest;
};

struct lt_near {
    struct lt_near_options options;
    struct lt_cache *cache; /* finds what is stored, and leaves no trace */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct query *first, **end;
    size_t waiting;
    bool stopping;
};

static void destroy_query(struct query *query)
{
    if (!query)
        return;
    lt_nearest_destroy(query->nearest);
    lt_task_destroy(query->task);
    lt_free(query);
}

static void answer_error(const struct lt_near *near, struct lt_job *job, const struct lt_error *error)
{
    near->options.answer(near->options.context, job, NULL, error);
}

/* --- on the engine's thread --- */

static int make_task(struct lt_near *near, struct query *query, struct lt_served_model *served, struct lt_error *error)
{
    int code = lt_task_create(&query->inner, served, &query->task, error);
    if (code)
        return code;
    if (query->task->span_count > LT_NEAR_SPANS_MAX)
        return lt_fail(error, LT_EPARAM, "near: text has %zu spans; at most %d are looked for at once",
                       query->task->span_count, LT_NEAR_SPANS_MAX);
    const struct lt_cycle_place place = {.cache = near->cache};
    struct lt_cycle_memory memory = {0};
    code = lt_cycle_compute(&place, &memory, served, &query->task, 1);
    lt_cycle_memory_finish(&memory);
    if (code == LT_OK)
        code = lt_nearest_create(query->task->latents, query->task->span_count, lt_model_shape(served->model)->width,
                                 lt_model_encoder_fingerprint(served->model), &query->job->space,
                                 query->job->request->near.k, &query->nearest);
    return code ? lt_fail_code(error, code) : LT_OK;
}

static int enqueue(struct lt_near *near, struct query *query, struct lt_error *error)
{
    int code = LT_OK;
    pthread_mutex_lock(&near->mutex);
    if (near->waiting == LT_NEAR_QUEUE_MAX) {
        code = lt_fail(error, LT_EBUSY, "%d searches are waiting already; try again in a second", LT_NEAR_QUEUE_MAX);
    } else {
        *near->end = query;
        near->end = &query->next;
        near->waiting++;
        pthread_cond_signal(&near->wake);
    }
    pthread_mutex_unlock(&near->mutex);
    return code;
}

void lt_near_begin(struct lt_near *near, struct lt_job *job, struct lt_served_model *served)
{
    struct lt_error error;
    struct query *query = lt_calloc(1, sizeof *query);
    int code = query ? LT_OK : lt_fail_code(&error, LT_ENOMEM);
    if (code == LT_OK) {
        query->job = job;
        query->request.method = LT_METHOD_ENCODE;
        query->request.encode.segment = job->request->near.segment;
        query->inner.request = &query->request;
        query->inner.received = job->received;
        query->inner.space = job->space;
        code = make_task(near, query, served, &error);
    }
    if (code == LT_OK)
        code = enqueue(near, query, &error);
    if (code) {
        destroy_query(query);
        answer_error(near, job, &error);
    }
}

/* --- on its own thread --- */

static bool is_stopping(struct lt_near *near)
{
    pthread_mutex_lock(&near->mutex);
    bool stopping = near->stopping;
    pthread_mutex_unlock(&near->mutex);
    return stopping;
}

/* What was put before the request was made is on disk afterwards, and so is met. A store that cannot be written is
 * searched as it is. */
static int search(struct lt_near *near, struct query *query)
{
    bool done = false;
    int code = LT_OK;
    (void)lt_store_flush(near->options.store);
    while (!done && code == LT_OK) {
        if (is_stopping(near) || atomic_load(&query->job->cancelled))
            return LT_ECANCELLED;
        code = lt_nearest_step(query->nearest, near->options.store, &done);
    }
    return code;
}

static void run_query(struct lt_near *near, struct query *query)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    double began = lt_clock_seconds();
    int code = search(near, query);
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    if (code == LT_OK) {
        lt_reply_near(&writer, query->job, query->task, query->nearest, lt_clock_seconds() - began);
        code = writer.error;
    }
    if (code) {
        struct lt_error error;
        lt_buffer_finish(&bytes);
        lt_fail_code(&error, code);
        answer_error(near, query->job, &error);
    } else {
        near->options.answer(near->options.context, query->job, &bytes, NULL);
    }
    destroy_query(query);
}

static void *run(void *context)
{
    struct lt_near *near = context;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* Linux has it for each thread */
    for (;;) {
        pthread_mutex_lock(&near->mutex);
        while (!near->first && !near->stopping)
            pthread_cond_wait(&near->wake, &near->mutex);
        struct query *query = near->first;
        if (query) {
            near->first = query->next;
            near->end = near->first ? near->end : &near->first;
            near->waiting--;
        }
        pthread_mutex_unlock(&near->mutex);
        if (!query)
            return NULL;
        run_query(near, query);
    }
}

int lt_near_create(const struct lt_near_options *options, struct lt_near **ret_near)
{
    struct lt_near *near = lt_calloc(1, sizeof *near);
    if (!near)
        return LT_ENOMEM;
    near->options = *options;
    near->end = &near->first;
    pthread_mutex_init(&near->mutex, NULL);
    pthread_cond_init(&near->wake, NULL);
    const struct lt_cache_options cache = {.store = options->store, .type = options->latent_type};
    int code = lt_cache_create(&cache, &near->cache);
    if (code == LT_OK && pthread_create(&near->thread, NULL, run, near) != 0)
        code = LT_EINTERNAL;
    if (code) {
        lt_cache_destroy(near->cache);
        pthread_cond_destroy(&near->wake);
        pthread_mutex_destroy(&near->mutex);
        lt_free(near);
        return code;
    }
    *ret_near = near;
    return LT_OK;
}

void lt_near_destroy(struct lt_near *near)
{
    if (!near)
        return;
    pthread_mutex_lock(&near->mutex);
    near->stopping = true;
    pthread_cond_signal(&near->wake);
    pthread_mutex_unlock(&near->mutex);
    pthread_join(near->thread, NULL);
    lt_cache_destroy(near->cache);
    pthread_cond_destroy(&near->wake);
    pthread_mutex_destroy(&near->mutex);
    lt_free(near);
}
