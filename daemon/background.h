/* The methods on namespaces, and on what is stored and how long: they run on the pool (daemon/pool.h). One that takes
 * long says how far it is, about once a second, and ends when it is cancelled. */
#ifndef LT_DAEMON_BACKGROUND_H
#define LT_DAEMON_BACKGROUND_H

#include <stdatomic.h>

#include "daemon/job.h"
#include "daemon/server.h"
#include "daemon/transfer.h"
#include "proto/writer.h"

struct lt_background {
    struct lt_job job; /* first: whoever has the job has it all */
    struct lt_server *server;
    struct lt_background *previous, *next; /* loop: those that wait or run */
    atomic_uint_fast64_t done, total;      /* what the client is told of progress; 0 of 0: nothing yet */
    struct lt_transfer *transfer;          /* the pack that it works on, or NULL */
    uint64_t told;                         /* loop: `done` when it was told last */
};

/* Whether a method is one of these. */
bool lt_background_takes(enum lt_method method);

/* Makes the job of such a request, zeroed. LT_EBUSY (it takes long, and another such runs: one at a time, so that short
 * ones find a thread; or its pack is at work), LT_EPARAM (there is no pack to go on with), LT_ENOMEM; `error` is
 * filled. Loop thread. */
int lt_background_begin(struct lt_server *server, struct lt_caller *caller, const struct lt_request *request,
                        struct lt_job **ret_job, struct lt_error *error);

/* Writes the response. On failure nothing is written and `error` is filled. A thread of the pool. */
int lt_background_answer(struct lt_job *job, struct lt_buffer *ret_bytes, struct lt_error *error);

/* The job is done, or was not begun; the caller frees it. Nothing for jobs of other methods. Loop thread. */
void lt_background_end(struct lt_server *server, struct lt_job *job);

/* About once a second: tells clients of progress. Loop thread. */
void lt_background_tick(struct lt_server *server);

/* A method's work, on a thread of the pool: writes the one object that is the result, or fills `error`. Of the server
 * it may use what does not change: store, models, config. */
typedef int (*lt_background_method)(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);

int lt_background_namespace_put(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_namespace_list(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_namespace_remove(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_pin(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_evict(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_flush(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_verify(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_backup(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_export_begin(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_export_read(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_import_write(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_import_end(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);
int lt_background_scan(struct lt_background *background, struct lt_writer *writer, struct lt_error *error);

#endif
