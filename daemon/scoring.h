/* Scoring of a text: how many nats each of its tokens costs the model. The text goes through in pieces of the model's
 * context, each as a document of its own, one piece a cycle, so that other requests are not held up. Engine thread
 * only.
 */
#ifndef LT_DAEMON_SCORING_H
#define LT_DAEMON_SCORING_H

#include "daemon/task.h"

/* Plans the first piece; task->tokens holds the whole text. LT_ENOMEM. */
int lt_scoring_begin(struct lt_task *task);

/* Adds up the piece that was just computed and plans the next; *ret_done if there was none left. LT_ENOMEM. */
int lt_scoring_advance(struct lt_task *task, bool *ret_done);

#endif
