/* Scoring of texts: how many nats each token costs the model. Segments are scored together, as one prompt. A single
 * text goes through in pieces of the model's context, each as a document of its own, one piece a cycle, so that other
 * requests are not held up. Control tokens are fed and not scored. Engine thread only. */
#ifndef LT_DAEMON_SCORING_H
#define LT_DAEMON_SCORING_H

#include "daemon/task.h"

/* Plans the first piece of what task->prompt holds. LT_ENOMEM. */
int lt_scoring_begin(struct lt_task *task);

/* Adds up the piece that was just computed and plans the next; *ret_done if there was none left. LT_ENOMEM. */
int lt_scoring_advance(struct lt_task *task, bool *ret_done);

#endif
