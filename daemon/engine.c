/* Lists: `queue` is shared under the mutex; `tasks` belongs to the thread. A cycle runs once for each
 * model, over that model's tasks. A task that is paused keeps its logits and does no work until its client has read. */
#include "daemon/engine.h"

#include <pthread.h>
#include <string.h>

#include "daemon/cache.h"
#include "daemon/clock.h"
#include "daemon/cycle.h"
#include "daemon/document_put.h"
#include "daemon/documents.h"
#include "daemon/explaining.h"
#include "daemon/generation.h"
#include "daemon/idle.h"
#include "daemon/near.h"
#include "daemon/outbox.h"
#include "daemon/reply.h"
#include "daemon/scoring.h"
#include "daemon/states_file.h"
#include "daemon/task.h"
#include "proto/alloc.h"

struct lt_engine {
    struct lt_served_model served[LT_MODELS_MAX];
    size_t served_count;
    const char *folder;             /* of states between two engines */
    struct lt_refining_place place; /* store, cache, counters, type of latents */
    struct lt_outbox outbox;
    struct lt_cycle_memory memory; /* with room for all tasks */
    struct lt_idle *idle;
    struct lt_explaining *explaining;
    struct lt_near *near;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct lt_job *queue, **queue_end;
    size_t queue_count;
    bool stopping, woken, forgetting;

    struct lt_task *tasks;
};

/* The last word of those who do more than a task; of near from its own thread. */
static void answer_for(void *context, struct lt_job *job, struct lt_buffer *bytes, const struct lt_error *error)
{
    struct lt_engine *engine = context;
    if (error)
        lt_outbox_answer_error(&engine->outbox, job, error);
    else
        lt_outbox_answer(&engine->outbox, job, bytes, LT_OK);
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
    lt_outbox_answer_code(&engine->outbox, task->job, code);
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
    case LT_METHOD_DOCUMENT_PUT:
    case LT_METHOD_DOCUMENT_REMOVE:
        lt_document_put_reply(&writer, task);
        break;
    case LT_METHOD_DOCUMENT_REFINE:
        lt_refining_reply(&writer, task->job->request->id, task->refining_document,
                          lt_clock_seconds() - task->job->received);
        break;
    default:
        lt_reply_encoding(&writer, task);
    }
    lt_task_settle(task, engine->place.counters);
    lt_outbox_answer(&engine->outbox, task->job, &bytes, writer.error);
    remove_task(engine, task);
}

/* --- taking up jobs --- */

/* Methods on documents that compute nothing. */
static void look_at_documents(struct lt_engine *engine, struct lt_job *job, const struct lt_model *model)
{
    struct lt_error error;
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    if (lt_documents_look(engine->place.store, job->space.id, engine->place.latent_type, model, job->request, &writer,
                          &error)) {
        lt_buffer_finish(&bytes);
        lt_outbox_answer_error(&engine->outbox, job, &error);
    } else {
        lt_outbox_answer(&engine->outbox, job, &bytes, LT_OK);
    }
}

/* One change of a document at a time: the next one must know what the one before made. */
static bool is_changing(const struct lt_engine *engine, const struct lt_job *job)
{
    for (const struct lt_task *task = engine->tasks; task; task = task->next)
        if (task->put && lt_document_put_changes(task->put, job))
            return true;
    return false;
}

static int create_task(struct lt_engine *engine, struct lt_job *job, struct lt_served_model *served,
                       struct lt_task **ret_task, struct lt_error *error)
{
    enum lt_method method = job->request->method;
    bool changes = method == LT_METHOD_DOCUMENT_PUT || method == LT_METHOD_DOCUMENT_REMOVE;
    if (changes && is_changing(engine, job))
        return lt_fail(error, LT_EBUSY, "another request is changing this document; try again when it is done");
    struct lt_task *task = NULL;
    int code = lt_task_create(job, served, &task, error);
    if (code)
        return code;
    if (changes)
        code = lt_document_put_create(task, engine->place.store, engine->place.wake, &task->put, error);
    else if (method == LT_METHOD_DOCUMENT_REFINE)
        code = lt_refining_create(&engine->place, served, &job->space, job->request->document.name,
                                  job->request->document.version, &task->refining_document, error);
    if (code)
        lt_task_destroy(task);
    else
        *ret_task = task;
    return code;
}

static void take_up(struct lt_engine *engine, struct lt_job *job)
{
    struct lt_error error = {0};
    struct lt_served_model *served = &engine->served[job->model];
    switch (job->request->method) {
    case LT_METHOD_NEAR:
        lt_near_begin(engine->near, job, served);
        return;
    case LT_METHOD_EXPLAIN:
        lt_explaining_begin(engine->explaining, job, served);
        return;
    case LT_METHOD_DOCUMENT_GET:
    case LT_METHOD_DOCUMENT_HISTORY:
    case LT_METHOD_DOCUMENT_LIST:
        look_at_documents(engine, job, served->model);
        return;
    default:
        break;
    }
    struct lt_task *task = NULL;
    struct lt_task **link = &engine->tasks; /* oldest first */
    size_t count = 1;
    for (; *link; link = &(*link)->next)
        count++;
    int code = lt_cycle_memory_reserve(&engine->memory, count);
    code = code ? lt_fail_code(&error, code) : create_task(engine, job, served, &task, &error);
    if (code) {
        lt_outbox_answer_error(&engine->outbox, job, &error);
        return;
    }
    lt_idle_note(engine->idle, task);
    *link = task;
}

/* --- one cycle --- */

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

/* Sends what `write` makes of the task, beside its answer. LT_ENOMEM, LT_ETOOLARGE. */
static int notify(struct lt_engine *engine, const struct lt_task *task,
                  void (*write)(struct lt_writer *writer, const struct lt_task *task))
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    write(&writer, task);
    if (writer.error) {
        lt_buffer_finish(&bytes);
        return writer.error;
    }
    return lt_outbox_notify(&engine->outbox, task->job, &bytes);
}

/* Takes up the slice that was computed; ends what is done. */
static void advance_put(struct lt_engine *engine, struct lt_task *task)
{
    struct lt_error error;
    bool done = false;
    if (lt_document_put_advance(task, &done, &error)) {
        lt_outbox_answer_error(&engine->outbox, task->job, &error);
        remove_task(engine, task);
    } else if (done) {
        finish_task(engine, task);
    } else if (lt_document_put_progress_is_due(task)) {
        (void)notify(engine, task, lt_document_put_progress); /* the next one will say more */
    }
}

static void advance_refining(struct lt_engine *engine, struct lt_task *task)
{
    struct lt_error error;
    bool done = false;
    if (lt_refining_step(task->refining_document, &done, &error)) {
        lt_outbox_answer_error(&engine->outbox, task->job, &error);
        remove_task(engine, task);
    } else if (done) {
        lt_count(engine->place.counters, LT_COUNTER_OPERATIONS, lt_refining_operations(task->refining_document));
        finish_task(engine, task);
    }
}

/* Samples and sends; ends what is done. The task may be gone afterwards. */
static void advance_generation(struct lt_engine *engine, struct lt_task *task)
{
    int code = lt_generation_advance(task);
    if (code) {
        fail_task(engine, task, code);
        return;
    }
    lt_generation_observe(task, engine->place.counters);
    lt_answer_text_take(&task->text, task->finish_reason != NULL, &task->piece, &task->piece_bytes);
    if (task->piece_bytes && task->job->request->generate.stream)
        code = notify(engine, task, lt_reply_token);
    if (code) {
        fail_task(engine, task, code);
        return;
    }
    if (task->finish_reason)
        finish_task(engine, task);
}

/* Asks the remote tier, or takes up what it answered. True if the task has to wait, or is gone. */
static bool fetch(struct lt_engine *engine, struct lt_task *task)
{
    bool waits = false;
    int code = lt_fetching_step(engine->place.cache, task, &waits);
    if (code)
        fail_task(engine, task, code);
    return code || waits;
}

/* Computes for all tasks of one model that have work, then lets each of them take its next step. */
static void run_cycle(struct lt_engine *engine, struct lt_served_model *served)
{
    const struct lt_cycle_place place = {engine->place.store, engine->place.cache, engine->place.latent_type};
    struct lt_task **tasks = engine->memory.tasks;
    size_t count = 0;
    for (struct lt_task *task = engine->tasks, *next; task; task = next) {
        next = task->next;
        if (task->served != served)
            continue;
        if (lt_task_is_cancelled(task))
            fail_task(engine, task, LT_ECANCELLED);
        else if (lt_task_is_waiting(task))
            continue; /* the writer may have it */
        else if (!fetch(engine, task))
            tasks[count++] = task;
    }
    int code = count ? lt_cycle_compute(&place, &engine->memory, served, tasks, count) : LT_OK;
    for (size_t i = 0; i < count; i++) {
        struct lt_task *task = tasks[i];
        if (code) {
            fail_task(engine, task, code);
            continue;
        }
        task->fresh_count = task->feed_count = 0;
        task->fetching.finished = false;
        if (task->job->request->method == LT_METHOD_SCORE)
            advance_scoring(engine, task);
        else if (task->put)
            advance_put(engine, task);
        else if (task->refining_document)
            advance_refining(engine, task);
        else if (!lt_task_generates(task))
            finish_task(engine, task);
        else if (!atomic_load(&task->job->paused))
            advance_generation(engine, task);
    }
}

/* --- the thread --- */

/* Drops what is kept of prompts. */
static void forget_everything(void *context)
{
    struct lt_engine *engine = context;
    for (size_t i = 0; i < engine->served_count; i++)
        lt_served_model_forget(&engine->served[i]);
}

static bool has_work(const struct lt_engine *engine)
{
    for (const struct lt_task *task = engine->tasks; task; task = task->next)
        if (!lt_task_is_waiting(task) || lt_task_is_cancelled(task))
            return true;
    return lt_explaining_has_work(engine->explaining);
}

static void answer_everything(struct lt_engine *engine, struct lt_job *job)
{
    for (struct lt_job *next; job; job = next) {
        next = job->queue_next;
        lt_outbox_answer_code(&engine->outbox, job, LT_ECANCELLED);
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
        while (!engine->queue && !engine->stopping && !engine->woken && !has_work(engine) &&
               !lt_idle_has_work(engine->idle))
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
            (void)lt_store_flush(engine->place.store); /* so that no writer looks for a task that is gone */
            answer_everything(engine, job);
            return NULL;
        }
        if (forgetting)
            forget_everything(engine);
        for (struct lt_job *next; job; job = next) {
            next = job->queue_next;
            take_up(engine, job);
        }
        for (size_t i = 0; i < engine->served_count; i++)
            run_cycle(engine, &engine->served[i]);
        lt_explaining_step(engine->explaining);
        if (!has_work(engine) && lt_idle_has_work(engine->idle))
            lt_idle_step(engine->idle);
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
    return lt_outbox_take(&engine->outbox);
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

static void wake(void *engine)
{
    lt_engine_wake(engine);
}

static void free_engine(struct lt_engine *engine)
{
    lt_near_destroy(engine->near);
    for (size_t i = 0; i < engine->served_count; i++)
        lt_served_model_finish(&engine->served[i]);
    lt_idle_destroy(engine->idle);
    lt_cache_destroy(engine->place.cache);
    lt_outbox_finish(&engine->outbox);
    lt_cycle_memory_finish(&engine->memory);
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
    engine->place = (struct lt_refining_place){.store = options->store,
                                               .counters = options->counters,
                                               .latent_type = options->latent_type,
                                               .wake = {wake, engine}};
    engine->folder = options->folder;
    lt_outbox_init(&engine->outbox, options->counters, options->wake_loop, options->context);
    engine->queue_end = &engine->queue;
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_cond_init(&engine->wake, NULL);
    const struct lt_cache_options cache = {.store = options->store,
                                           .type = options->latent_type,
                                           .counters = options->counters,
                                           .remote = options->remote,
                                           .verify_sample = options->verify_sample,
                                           .distrust = forget_everything,
                                           .context = engine};
    int code = lt_cache_create(&cache, &engine->place.cache);
    if (code == LT_OK)
        code = lt_idle_create(&engine->place, &engine->idle);
    for (size_t i = 0; code == LT_OK && i < options->model_count; i++) {
        code = lt_served_model_init(&engine->served[i], options->models[i], options->store, options->threads,
                                    options->state_bytes / options->model_count);
        engine->served_count += code == LT_OK;
    }
    const struct lt_explaining_options explaining = {.store = engine->place.store,
                                                     .latent_type = engine->place.latent_type,
                                                     .counters = engine->place.counters,
                                                     .cache = engine->place.cache,
                                                     .served = engine->served,
                                                     .served_count = engine->served_count,
                                                     .answer = answer_for,
                                                     .context = engine};
    if (code == LT_OK)
        code = lt_explaining_create(&explaining, &engine->explaining);
    const struct lt_near_options near = {engine->place.store, engine->place.latent_type, answer_for, engine};
    if (code == LT_OK)
        code = lt_near_create(&near, &engine->near);
    if (code == LT_OK)
        lt_states_take_up(engine->folder, engine->served, engine->served_count, options->latent_type);
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
    lt_states_leave(engine->folder, engine->served, engine->served_count, engine->place.latent_type);
    free_engine(engine);
}
