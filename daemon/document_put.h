/* doc.put: a text becomes a version of a document. A long text goes through the engine in slices, one a cycle, so that
 * nobody waits for it: the version before is read part by part, then the text is tokenized, cut and resolved against
 * the cache slice by slice, and what came of it is put together as parts. In the end all of it goes to the writer as
 * one list of changes, behind the latents, and the answer waits until that is on the disk. A text that is the same
 * as the newest version makes none.
 *
 * doc.remove has the last of these steps only. Engine thread only, except where said. */
#ifndef LT_DAEMON_DOCUMENT_PUT_H
#define LT_DAEMON_DOCUMENT_PUT_H

#include "daemon/document_making.h"
#include "daemon/task.h"
#include "daemon/writing.h"
#include "proto/writer.h"

struct lt_document_put {
    struct lt_document_making making; /* of the request's text; of a removal it has document and changes only */
    double progress_sent;             /* lt_clock_seconds */
    struct lt_writing writing;        /* of the changes; once it has begun, nothing can be cancelled */
};

/* Begins a put, or a removal. LT_ENOTFOUND for a removal, LT_ECORRUPT, LT_EIO, LT_ENOMEM; `error` is filled. */
int lt_document_put_create(struct lt_task *task, struct lt_store *store, struct lt_wake wake,
                           struct lt_document_put **ret_put, struct lt_error *error);
void lt_document_put_destroy(struct lt_document_put *put);

/* Whether it is about the document that a job, a put or a removal, is to change. */
bool lt_document_put_changes(const struct lt_document_put *put, const struct lt_job *job);

/* Takes up what was resolved and plans the next slice. *ret_done: the document is on disk. LT_ENOMEM, LT_EFULL, LT_EIO,
 * LT_EUTF8; `error` is filled. */
int lt_document_put_advance(struct lt_task *task, bool *ret_done, struct lt_error *error);

/* Whether the client is to hear how far the put is. Asking takes note of the time. */
bool lt_document_put_progress_is_due(struct lt_task *task);

/* Writes the response to doc.put and doc.remove, and the notification about the progress of a put. */
void lt_document_put_reply(struct lt_writer *writer, const struct lt_task *task);
void lt_document_put_progress(struct lt_writer *writer, const struct lt_task *task);

#endif
