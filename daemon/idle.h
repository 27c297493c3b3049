/* What the engine does when nobody asks it for anything: it refines documents that were used twice, one slice at a
 * time. It remembers the documents that were used last, in memory only. Engine thread only. */
#ifndef LT_DAEMON_IDLE_H
#define LT_DAEMON_IDLE_H

#include "daemon/refining.h"
#include "daemon/task.h"

struct lt_idle;

/* LT_ENOMEM. */
int lt_idle_create(const struct lt_refining_place *place, struct lt_idle **ret_idle);

/* Not while a document is being written, unless the store was flushed since. NULL is allowed. */
void lt_idle_destroy(struct lt_idle *idle);

/* Takes note of the documents that a new task uses. */
void lt_idle_note(struct lt_idle *idle, const struct lt_task *task);

/* Whether there is something to do now. */
bool lt_idle_has_work(const struct lt_idle *idle);

/* Does one slice of it, some milliseconds. */
void lt_idle_step(struct lt_idle *idle);

#endif
