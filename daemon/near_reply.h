/* The response to near. proto/PROTOCOL.md names the fields. */
#ifndef LT_DAEMON_NEAR_REPLY_H
#define LT_DAEMON_NEAR_REPLY_H

#include "daemon/nearest.h"
#include "daemon/task.h"
#include "proto/writer.h"

/* task: the text as spans. scan: seconds that the search took. Any thread. */
void lt_reply_near(struct lt_writer *writer, const struct lt_job *job, const struct lt_task *task,
                   const struct lt_nearest *nearest, double scan);

#endif
