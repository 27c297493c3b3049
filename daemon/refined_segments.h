/* Stored refinement as prompts use it: of each segment that is closed, the spans whose refined latents the store has
 * need not go through the refiner. Engine thread only. */
#ifndef LT_DAEMON_REFINED_SEGMENTS_H
#define LT_DAEMON_REFINED_SEGMENTS_H

#include "daemon/task.h"

/* Looks the segments of a task's prompt up, all but the last, in which the answer goes on. Its spans must have been
 * resolved. Sets task->refining and task->refined if anything was found. What cannot be read is refined. */
void lt_refined_segments_find(struct lt_store *store, enum lt_latent_type type, struct lt_task *task);

#endif
