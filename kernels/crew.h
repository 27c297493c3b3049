/* Helper threads that share one piece of work at a time. It is cut into parts, and each part is done whole by one of
 * them, so how many there are and which of them comes first changes no bit of a result. */
#ifndef LT_KERNELS_CREW_H
#define LT_KERNELS_CREW_H

#include <stddef.h>
#include <stdint.h>

struct lt_crew;

/* One part of `parts`. worker: which thread does it, 0 the caller of lt_crew_run, so that each can have memory of its
 * own. */
typedef void lt_crew_work(const void *context, size_t worker, size_t part, size_t parts);

/* Starts `threads` - 1 helpers, with all signals blocked; the caller of lt_crew_run is the last one. LT_ENOMEM if the
 * system will not start that many. */
int lt_crew_create(uint32_t threads, struct lt_crew **ret_crew);

/* Ends the helpers. NULL is allowed. */
void lt_crew_destroy(struct lt_crew *crew);

/* The caller and its helpers; 1 for NULL. */
size_t lt_crew_threads(const struct lt_crew *crew);

/* Does all parts and returns when they are done. A crew of NULL is the calling thread alone. One caller at a time. */
void lt_crew_run(struct lt_crew *crew, size_t parts, lt_crew_work *work, const void *context);

#endif
