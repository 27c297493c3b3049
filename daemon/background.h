/* Requests that wait for a disk: they run on libuv's pool of threads, so that neither loop nor engine does. One that
 * takes long says how far it is, about once a second, and ends when it is cancelled. */
#ifndef LT_DAEMON_BACKGROUND_H
#define LT_DAEMON_BACKGROUND_H

#include <stdatomic.h>
#include <uv.h>

#include "daemon/job.h"
#include "daemon/server.h"
#include "daemon/transfer.h"
#include "proto/writer.h"

struct lt_background {
    struct lt_job job; /* first: the job's memory is that of the whole */
    struct lt_server *server;
    uv_work_t work;
    struct lt_background *previous, *next; /* loop: those that run */
    atomic_uint_fast64_t done, total;      /* what the client is told of progress; 0 of 0: nothing yet */
    struct lt_transfer *transfer;          /* the pack that it works on, or NULL */
    bool failed;                           /* the pool: it was answered with an error */
    uint64_t told;                         /* loop: `done` when it was told last */
};

/* Whether a method runs here. */
bool lt_background_takes(enum lt_method method);

/* Runs a request; it is answered when it is done. Takes the request over. LT_ENOMEM, LT_ENOTFOUND (no such namespace),
 * LT_EBUSY (it takes long, and another such runs: one at a time, so that short ones find a thread): it stays the
 * caller's and `error` is filled. Loop thread. */
int lt_background_start(struct lt_server *server, struct lt_caller *caller, struct lt_request *request,
                        struct lt_error *error);

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
