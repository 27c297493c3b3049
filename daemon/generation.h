/* The answer of one task, token by token: sample, extend the text, close spans, decide when it is done. Engine thread
 * only. */
#ifndef LT_DAEMON_GENERATION_H
#define LT_DAEMON_GENERATION_H

#include "daemon/task.h"

/* Draws the next token from the task's logits and plans the next cycle's work for it. Sets finish_reason when the
 * answer is done; then there is no more work. LT_ENOMEM, LT_ETOOLARGE. */
int lt_generation_advance(struct lt_task *task);

/* Observes how long the token that was just drawn has taken. */
void lt_generation_observe(struct lt_task *task, struct lt_counters *counters);

#endif
