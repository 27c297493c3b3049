#include "daemon/outbox.h"

#include "proto/alloc.h"
#include "proto/writer.h"

void lt_outbox_init(struct lt_outbox *outbox, struct lt_counters *counters, void (*wake_loop)(void *context),
                    void *context)
{
    *outbox = (struct lt_outbox){.counters = counters, .wake_loop = wake_loop, .context = context};
    outbox->end = &outbox->events;
    pthread_mutex_init(&outbox->mutex, NULL);
}

void lt_outbox_finish(struct lt_outbox *outbox)
{
    pthread_mutex_destroy(&outbox->mutex);
}

struct lt_event *lt_outbox_take(struct lt_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mutex);
    struct lt_event *events = outbox->events;
    outbox->events = NULL;
    outbox->end = &outbox->events;
    pthread_mutex_unlock(&outbox->mutex);
    return events;
}

static void send(struct lt_outbox *outbox, struct lt_event *event)
{
    event->next = NULL;
    pthread_mutex_lock(&outbox->mutex);
    *outbox->end = event;
    outbox->end = &event->next;
    pthread_mutex_unlock(&outbox->mutex);
    outbox->wake_loop(outbox->context);
}

int lt_outbox_notify(struct lt_outbox *outbox, struct lt_job *job, struct lt_buffer *bytes)
{
    struct lt_event *event = lt_calloc(1, sizeof *event);
    if (!event) {
        lt_buffer_finish(bytes);
        return LT_ENOMEM;
    }
    event->job = job;
    event->bytes = *bytes;
    send(outbox, event);
    return LT_OK;
}

static void answer(struct lt_outbox *outbox, struct lt_job *job, const struct lt_buffer *bytes)
{
    job->final.bytes = *bytes;
    send(outbox, &job->final);
}

void lt_outbox_answer(struct lt_outbox *outbox, struct lt_job *job, struct lt_buffer *bytes, int code)
{
    if (code) {
        lt_buffer_finish(bytes);
        lt_outbox_answer_code(outbox, job, code);
    } else {
        answer(outbox, job, bytes);
    }
}

void lt_outbox_answer_error(struct lt_outbox *outbox, struct lt_job *job, const struct lt_error *error)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_error(&writer, true, job->request->id, error);
    if (writer.error)
        lt_buffer_finish(&bytes); /* empty: the loop sends its own out_of_memory */
    lt_count(outbox->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    job->final.failed = true;
    answer(outbox, job, &bytes);
}

void lt_outbox_answer_code(struct lt_outbox *outbox, struct lt_job *job, int code)
{
    struct lt_error error;
    lt_fail_code(&error, code);
    lt_outbox_answer_error(outbox, job, &error);
}
