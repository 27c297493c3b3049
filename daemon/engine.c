/* Lists: `queue` is shared under the mutex; `tasks` belongs to the thread. A cycle runs once for each
 * model, over that model's tasks. A task that is paused keeps its logits and does no work until its client has read. */
#include "daemon/engine.h"

#include <pthread.h>
#include <string.h>

#include "daemon/cache.h"
#include "daemon/cycle.h"
#include "daemon/document_put.h"
#include "daemon/documents.h"
#include "daemon/generation.h"
#include "daemon/latent_get.h"
#include "daemon/outbox.h"
#include "daemon/reply.h"
#include "daemon/scoring.h"
#include "daemon/states.h"
#include "daemon/task.h"
#include "proto/alloc.h"

struct lt_engine {
    struct lt_served_model served[LT_MODELS_MAX];
    size_t served_count;
    struct lt_store *store;
    enum lt_latent_type latent_type;
    struct lt_counters *counters;
    struct lt_cache *cache;
    struct lt_outbox outbox;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct lt_job *queue, **queue_end;
    size_t queue_count;
    bool stopping, woken;

    struct lt_task *tasks;
};

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
    const struct lt_receipt *receipt = &task->receipt;
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
    default:
        lt_reply_encoding(&writer, task);
    }
    lt_count(engine->counters, LT_COUNTER_PROMPT_TOKENS, task->prompt.count);
    lt_count(engine->counters, LT_COUNTER_COMPLETION_TOKENS, receipt->completion_tokens);
    lt_count(engine->counters, LT_COUNTER_OPERATIONS,
             receipt->encode_operations + receipt->refine_operations + receipt->mix_operations +
                 receipt->decode_operations);
    lt_count(engine->counters, LT_COUNTER_SPANS_RESTORED, receipt->restored_spans);
    if (lt_task_generates(task) && task->served->states) {
        lt_states_keep(task->served->states, task->spans, task->starts, task->span_count, task->sequence);
        task->sequence = NULL;
    }
    lt_outbox_answer(&engine->outbox, task->job, &bytes, writer.error);
    remove_task(engine, task);
}

/* --- taking up jobs --- */

static struct lt_served_model *find_model(struct lt_engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->served_count; i++)
        if (!*name || strcmp(lt_model_name(engine->served[i].model), name) == 0)
            return &engine->served[i];
    return NULL;
}

static void get_latents(struct lt_engine *engine, struct lt_job *job, const struct lt_model *model)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    int code = lt_latent_get(engine->store, engine->latent_type, model, job->request, &writer);
    lt_outbox_answer(&engine->outbox, job, &bytes, code);
}

static void look_at_documents(struct lt_engine *engine, struct lt_job *job, const struct lt_model *model)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    struct lt_error error;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    if (lt_documents_look(engine->store, engine->latent_type, model, job->request, &writer, &error)) {
        lt_buffer_finish(&bytes);
        lt_outbox_answer_error(&engine->outbox, job, &error);
    } else {
        lt_outbox_answer(&engine->outbox, job, &bytes, LT_OK);
    }
}

static const char *model_of(const struct lt_request *request)
{
    switch (request->method) {
    case LT_METHOD_GENERATE:
        return request->generate.model;
    case LT_METHOD_ENCODE:
        return request->encode.model;
    case LT_METHOD_SCORE:
        return request->score.model;
    case LT_METHOD_LATENT_GET:
        return request->latent_get.model;
    case LT_METHOD_DOCUMENT_PUT:
        return request->document_put.model;
    case LT_METHOD_DOCUMENT_GET:
        return request->document.model;
    default:
        return "";
    }
}

/* The model that a request names, if it can do what is asked; else NULL and the reason: LT_ENOMODEL, LT_EPARAM. */
static struct lt_served_model *choose_model(struct lt_engine *engine, const struct lt_request *request,
                                            struct lt_error *error)
{
    const char *name = model_of(request);
    struct lt_served_model *served = find_model(engine, name);
    if (!served) {
        lt_fail(error, LT_ENOMODEL, "no model is called '%s'; the method models lists them", name);
        return NULL;
    }
    bool wants_latents = request->method == LT_METHOD_ENCODE || request->method == LT_METHOD_LATENT_GET ||
                         request->method == LT_METHOD_DOCUMENT_PUT;
    if (wants_latents && !lt_model_has_encoder(served->model)) {
        lt_fail(error, LT_EPARAM, "model: %s has no encoder and makes no latents; choose an islet model",
                lt_model_name(served->model));
        return NULL;
    }
    return served;
}

/* One change of a document at a time: the next one must know what the one before made. */
static bool is_changing(const struct lt_engine *engine, const struct lt_request *request)
{
    const char *name = request->method == LT_METHOD_DOCUMENT_PUT ? request->document_put.name : request->document.name;
    for (const struct lt_task *task = engine->tasks; task; task = task->next)
        if (task->put && strcmp(task->put->name, name) == 0)
            return true;
    return false;
}

static void wake(void *engine)
{
    lt_engine_wake(engine);
}

static int create_task(struct lt_engine *engine, struct lt_job *job, struct lt_served_model *served,
                       struct lt_task **ret_task, struct lt_error *error)
{
    enum lt_method method = job->request->method;
    bool changes = method == LT_METHOD_DOCUMENT_PUT || method == LT_METHOD_DOCUMENT_REMOVE;
    if (changes && is_changing(engine, job->request))
        return lt_fail(error, LT_EBUSY, "another request is changing this document; try again when it is done");
    struct lt_task *task = NULL;
    int code = lt_task_create(job, served, engine->store, &task, error);
    if (code)
        return code;
    if (changes)
        code = lt_document_put_create(task, engine->store, wake, engine, &task->put, error);
    if (code)
        lt_task_destroy(task);
    else
        *ret_task = task;
    return code;
}

static void take_up(struct lt_engine *engine, struct lt_job *job)
{
    struct lt_error error = {0};
    struct lt_served_model *served = choose_model(engine, job->request, &error);
    if (!served) {
        lt_outbox_answer_error(&engine->outbox, job, &error);
        return;
    }
    switch (job->request->method) {
    case LT_METHOD_LATENT_GET:
        get_latents(engine, job, served->model);
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
    if (create_task(engine, job, served, &task, &error)) {
        lt_outbox_answer_error(&engine->outbox, job, &error);
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
    if (task->put)
        return lt_document_put_waits(task->put);
    return task->fresh_count == 0 && task->feed_count == 0 && atomic_load(&task->job->paused);
}

static bool is_cancelled(const struct lt_task *task)
{
    return atomic_load(&task->job->cancelled) && !(task->put && task->put->writing);
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

/* Samples and sends; ends what is done. The task may be gone afterwards. */
static void advance_generation(struct lt_engine *engine, struct lt_task *task)
{
    int code = lt_generation_advance(task);
    if (code) {
        fail_task(engine, task, code);
        return;
    }
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
        else if (is_cancelled(task))
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
        else if (task->put)
            advance_put(engine, task);
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
        if (!is_waiting(task) || is_cancelled(task))
            return true;
    return false;
}

static void answer_everything(struct lt_engine *engine, struct lt_job *job)
{
    for (struct lt_job *next; job; job = next) {
        next = job->queue_next;
        lt_outbox_answer_code(&engine->outbox, job, LT_ECANCELLED);
    }
    while (engine->tasks)
        fail_task(engine, engine->tasks, LT_ECANCELLED);
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
        engine->woken = false;
        bool stopping = engine->stopping;
        pthread_mutex_unlock(&engine->mutex);
        if (stopping) {
            (void)lt_store_flush(engine->store); /* so that no writer looks for a task that is gone */
            answer_everything(engine, job);
            return NULL;
        }
        for (struct lt_job *next; job; job = next) {
            next = job->queue_next;
            take_up(engine, job);
        }
        for (size_t i = 0; i < engine->served_count; i++)
            run_cycle(engine, &engine->served[i]);
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

void lt_engine_wake(struct lt_engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    engine->woken = true;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->mutex);
}

static void free_engine(struct lt_engine *engine)
{
    for (size_t i = 0; i < engine->served_count; i++)
        lt_served_model_finish(&engine->served[i]);
    lt_cache_destroy(engine->cache);
    lt_outbox_finish(&engine->outbox);
    pthread_cond_destroy(&engine->wake);
    pthread_mutex_destroy(&engine->mutex);
    lt_free(engine);
}

int lt_engine_create(const struct lt_engine_options *options, struct lt_engine **ret_engine)
{
    struct lt_engine *engine = lt_calloc(1, sizeof *engine);
    if (!engine)
        return LT_ENOMEM;
    engine->store = options->store;
    engine->latent_type = options->latent_type;
    engine->counters = options->counters;
    lt_outbox_init(&engine->outbox, options->counters, options->wake_loop, options->context);
    engine->queue_end = &engine->queue;
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_cond_init(&engine->wake, NULL);
    int code = lt_cache_create(options->store, options->latent_type, options->counters, &engine->cache);
    for (size_t i = 0; code == LT_OK && i < options->model_count; i++) {
        code = lt_served_model_init(&engine->served[i], options->models[i], options->threads,
                                    options->state_bytes / options->model_count);
        engine->served_count += code == LT_OK;
    }
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
