/* Lists: `queue` and `events` are shared under the mutex; `tasks` belongs to the thread. A cycle runs once for each
 * model, over that model's tasks. A task that is paused keeps its logits and does no work until its client has read. */
#include "daemon/engine.h"

#include <pthread.h>
#include <string.h>

#include "daemon/cache.h"
#include "daemon/clock.h"
#include "daemon/cycle.h"
#include "daemon/explaining.h"
#include "daemon/generation.h"
#include "daemon/near.h"
#include "daemon/reply.h"
#include "daemon/scoring.h"
#include "daemon/states.h"
#include "daemon/task.h"
#include "proto/alloc.h"

struct lt_engine {
    struct lt_served_model served[LT_MODELS_MAX];
    size_t served_count;
    struct lt_counters *counters;
    struct lt_cache *cache;
    struct lt_explaining *explaining;
    struct lt_near *near;
    void (*wake_loop)(void *context);
    void *context;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct lt_job *queue, **queue_end;
    size_t queue_count;
    bool stopping, woken, forgetting;
    struct lt_event *events, **events_end;

    struct lt_task *tasks;
};

/* --- events --- */

static void send_event(struct lt_engine *engine, struct lt_event *event)
{
    event->next = NULL;
    pthread_mutex_lock(&engine->mutex);
    *engine->events_end = event;
    engine->events_end = &event->next;
    pthread_mutex_unlock(&engine->mutex);
    engine->wake_loop(engine->context);
}

/* The last word to a job. After it the engine no longer knows the job. */
static void answer(struct lt_engine *engine, struct lt_job *job, struct lt_buffer *bytes)
{
    job->final.bytes = *bytes;
    send_event(engine, &job->final);
}

static void answer_error(struct lt_engine *engine, struct lt_job *job, const struct lt_error *error)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_error(&writer, true, job->request->id, error);
    if (writer.error)
        lt_buffer_finish(&bytes); /* empty: the loop sends its own out_of_memory */
    lt_count(engine->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    job->final.failed = true;
    answer(engine, job, &bytes);
}

static void answer_code(struct lt_engine *engine, struct lt_job *job, int code)
{
    struct lt_error error;
    lt_fail_code(&error, code);
    answer_error(engine, job, &error);
}

/* Sends the writer's bytes as the job's answer, or what went wrong with them. */
static void answer_written(struct lt_engine *engine, struct lt_job *job, struct lt_buffer *bytes, int code)
{
    if (code) {
        lt_buffer_finish(bytes);
        answer_code(engine, job, code);
    } else {
        answer(engine, job, bytes);
    }
}

/* The last word of those who do more than a task; of near from its own thread. */
static void answer_for(void *context, struct lt_job *job, struct lt_buffer *bytes, const struct lt_error *error)
{
    if (error)
        answer_error(context, job, error);
    else
        answer(context, job, bytes);
}

/* --- ends of tasks --- */

static void remove_task(struct lt_engine *engine, struct lt_task *task)
{
    struct lt_task **link = &engine->tasks;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    lt_task_destroy(task);
}

static void fail_task(struct lt_engine *engine, struct lt_task *task, int code)
{
    answer_code(engine, task->job, code);
    remove_task(engine, task);
}

static void finish_task(struct lt_engine *engine, struct lt_task *task)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    switch (task->job->request->method) {
    case LT_METHOD_GENERATE:
        lt_reply_generation(&writer, task);
        break;
    case LT_METHOD_SCORE:
        lt_reply_score(&writer, task);
        break;
    default:
        lt_reply_encoding(&writer, task);
    }
    lt_task_settle(task, engine->counters);
    answer_written(engine, task->job, &bytes, writer.error);
    remove_task(engine, task);
}

/* --- taking up jobs --- */

static void take_up(struct lt_engine *engine, struct lt_job *job)
{
    struct lt_error error = {0};
    struct lt_served_model *served = &engine->served[job->model];
    if (job->request->method == LT_METHOD_NEAR) {
        lt_near_begin(engine->near, job, served);
        return;
    }
    if (job->request->method == LT_METHOD_EXPLAIN) {
        lt_explaining_begin(engine->explaining, job, served);
        return;
    }
    struct lt_task *task;
    if (lt_task_create(job, served, &task, &error)) {
        answer_error(engine, job, &error);
        return;
    }
    struct lt_task **link = &engine->tasks; /* oldest first */
    while (*link)
        link = &(*link)->next;
    *link = task;
}

/* --- one cycle --- */

static bool is_waiting(const struct lt_task *task)
{
    return task->fresh_count == 0 && task->feed_count == 0 && atomic_load(&task->job->paused);
}

/* Takes up the piece that was computed; ends what is done. */
static void advance_scoring(struct lt_engine *engine, struct lt_task *task)
{
    bool done = false;
    int code = lt_scoring_advance(task, &done);
    if (code)
        fail_task(engine, task, code);
    else if (done)
        finish_task(engine, task);
}

static void observe_token(struct lt_engine *engine, struct lt_task *task)
{
    double now = lt_clock_seconds();
    bool was_paused = atomic_exchange(&task->job->was_paused, false);
    if (task->last_token == 0)
        lt_observe(engine->counters, LT_HISTOGRAM_TIME_TO_FIRST_TOKEN, now - task->job->received);
    else if (!was_paused)
        lt_observe(engine->counters, LT_HISTOGRAM_INTER_TOKEN, now - task->last_token);
    task->last_token = now;
}

/* Samples and sends; ends what is done. The task may be gone afterwards. */
static void advance_generation(struct lt_engine *engine, struct lt_task *task)
{
    int code = lt_generation_advance(task);
    if (code) {
        fail_task(engine, task, code);
        return;
    }
    observe_token(engine, task);
    const char *text;
    size_t bytes;
    lt_answer_text_take(&task->text, task->finish_reason != NULL, &text, &bytes);
    if (bytes && task->job->request->generate.stream) {
        struct lt_event *event = lt_calloc(1, sizeof *event);
        if (!event) {
            fail_task(engine, task, LT_ENOMEM);
            return;
        }
        struct lt_writer writer;
        event->job = task->job;
        lt_buffer_init(&event->bytes, LT_REPLY_BYTES_MAX);
        lt_writer_init(&writer, &event->bytes);
        lt_reply_token(&writer, task->job->request->id, text, bytes);
        if (writer.error) {
            lt_buffer_finish(&event->bytes);
            lt_free(event);
            fail_task(engine, task, writer.error);
            return;
        }
        send_event(engine, event);
    }
    if (task->finish_reason)
        finish_task(engine, task);
}

/* Computes for all tasks of one model that have work, then lets each of them take its next step. */
static void run_cycle(struct lt_engine *engine, struct lt_served_model *served)
{
    size_t most = 0, count = 0;
    for (struct lt_task *task = engine->tasks; task; task = task->next)
        most += task->served == served;
    if (!most)
        return;
    struct lt_task **tasks = lt_malloc(most * sizeof *tasks);
    for (struct lt_task *task = engine->tasks, *next; task; task = next) {
        next = task->next;
        if (task->served != served)
            continue;
        if (!tasks)
            fail_task(engine, task, LT_ENOMEM);
        else if (atomic_load(&task->job->cancelled))
            fail_task(engine, task, LT_ECANCELLED);
        else if (!is_waiting(task))
            tasks[count++] = task;
    }
    int code = count ? lt_cycle_compute(engine->cache, served, tasks, count) : LT_OK;
    for (size_t i = 0; i < count; i++) {
        struct lt_task *task = tasks[i];
        if (code) {
            fail_task(engine, task, code);
            continue;
        }
        task->fresh_count = task->feed_count = 0;
        if (task->job->request->method == LT_METHOD_SCORE)
            advance_scoring(engine, task);
        else if (!lt_task_generates(task))
            finish_task(engine, task);
        else if (!atomic_load(&task->job->paused))
            advance_generation(engine, task);
    }
    lt_free(tasks);
}

/* --- the thread --- */

static bool has_work(const struct lt_engine *engine)
{
    for (const struct lt_task *task = engine->tasks; task; task = task->next)
        if (!is_waiting(task) || atomic_load(&task->job->cancelled))
            return true;
    return lt_explaining_has_work(engine->explaining);
}

static void answer_everything(struct lt_engine *engine, struct lt_job *job)
{
    for (struct lt_job *next; job; job = next) {
        next = job->queue_next;
        answer_code(engine, job, LT_ECANCELLED);
    }
    while (engine->tasks)
        fail_task(engine, engine->tasks, LT_ECANCELLED);
    lt_explaining_cancel(engine->explaining);
}

static void *run(void *context)
{
    struct lt_engine *engine = context;
    for (;;) {
        pthread_mutex_lock(&engine->mutex);
        while (!engine->queue && !engine->stopping && !engine->woken && !has_work(engine))
            pthread_cond_wait(&engine->wake, &engine->mutex);
        struct lt_job *job = engine->queue;
        engine->queue = NULL;
        engine->queue_end = &engine->queue;
        engine->queue_count = 0;
        bool forgetting = engine->forgetting;
        engine->woken = engine->forgetting = false;
        bool stopping = engine->stopping;
        pthread_mutex_unlock(&engine->mutex);
        if (stopping) {
            answer_everything(engine, job);
            return NULL;
        }
        for (size_t i = 0; forgetting && i < engine->served_count; i++)
            lt_served_model_forget(&engine->served[i]);
        for (struct lt_job *next; job; job = next) {
            next = job->queue_next;
            take_up(engine, job);
        }
        for (size_t i = 0; i < engine->served_count; i++)
            run_cycle(engine, &engine->served[i]);
        lt_explaining_step(engine->explaining);
    }
}

int lt_engine_submit(struct lt_engine *engine, struct lt_job *job)
{
    int code = LT_OK;
    pthread_mutex_lock(&engine->mutex);
    if (engine->queue_count == LT_ENGINE_QUEUE_MAX) {
        code = LT_EBUSY;
    } else {
        job->queue_next = NULL;
        *engine->queue_end = job;
        engine->queue_end = &job->queue_next;
        engine->queue_count++;
        pthread_cond_signal(&engine->wake);
    }
    pthread_mutex_unlock(&engine->mutex);
    return code;
}

struct lt_event *lt_engine_take_events(struct lt_engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    struct lt_event *events = engine->events;
    engine->events = NULL;
    engine->events_end = &engine->events;
    pthread_mutex_unlock(&engine->mutex);
    return events;
}

void lt_engine_forget(struct lt_engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    engine->forgetting = true;
    engine->woken = true;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->mutex);
}

void lt_engine_wake(struct lt_engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    engine->woken = true;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->mutex);
}

static void free_engine(struct lt_engine *engine)
{
    lt_near_destroy(engine->near);
    for (size_t i = 0; i < engine->served_count; i++)
        lt_served_model_finish(&engine->served[i]);
    lt_cache_destroy(engine->cache);
    lt_explaining_destroy(engine->explaining);
    pthread_cond_destroy(&engine->wake);
    pthread_mutex_destroy(&engine->mutex);
    lt_free(engine);
}

int lt_engine_create(const struct lt_engine_options *options, struct lt_engine **ret_engine)
{
    struct lt_engine *engine = lt_calloc(1, sizeof *engine);
    if (!engine)
        return LT_ENOMEM;
    engine->counters = options->counters;
    engine->wake_loop = options->wake_loop;
    engine->context = options->context;
    engine->queue_end = &engine->queue;
    engine->events_end = &engine->events;
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_cond_init(&engine->wake, NULL);
    int code = lt_cache_create(options->store, options->latent_type, options->counters, &engine->cache);
    for (size_t i = 0; code == LT_OK && i < options->model_count; i++) {
        code = lt_served_model_init(&engine->served[i], options->models[i], options->threads,
                                    options->state_bytes / options->model_count);
        engine->served_count += code == LT_OK;
    }
    const struct lt_explaining_options explaining = {.store = options->store,
                                                     .latent_type = options->latent_type,
                                                     .counters = engine->counters,
                                                     .cache = engine->cache,
                                                     .served = engine->served,
                                                     .served_count = engine->served_count,
                                                     .answer = answer_for,
                                                     .context = engine};
    if (code == LT_OK)
        code = lt_explaining_create(&explaining, &engine->explaining);
    const struct lt_near_options near = {options->store, options->latent_type, answer_for, engine};
    if (code == LT_OK)
        code = lt_near_create(&near, &engine->near);
    if (code == LT_OK && pthread_create(&engine->thread, NULL, run, engine) != 0)
        code = LT_EINTERNAL;
    if (code) {
        free_engine(engine);
        return code;
    }
    *ret_engine = engine;
    return LT_OK;
}

void lt_engine_destroy(struct lt_engine *engine)
{
    if (!engine)
        return;
    pthread_mutex_lock(&engine->mutex);
    engine->stopping = true;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->mutex);
    pthread_join(engine->thread, NULL);
    free_engine(engine);
}
