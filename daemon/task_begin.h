/* Makes of a job the task that the engine runs for it, with what documents need besides. Engine thread only. */
#ifndef LT_DAEMON_TASK_BEGIN_H
#define LT_DAEMON_TASK_BEGIN_H

#include "daemon/refining.h"
#include "daemon/task.h"

/* `tasks` are those that are running. LT_EBUSY: one of them is changing the same document; and the errors of
 * lt_task_create, lt_document_put_create and lt_refining_create. `error` is filled. */
int lt_task_begin(const struct lt_refining_place *place, const struct lt_task *tasks, struct lt_job *job,
                  struct lt_served_model *served, struct lt_task **ret_task, struct lt_error *error);

#endif
