/* Helper threads that share one large product at a time. Each output is computed whole by one of them, so how many
 * there are changes no bit of a result. */
#ifndef LT_KERNELS_CREW_H
#define LT_KERNELS_CREW_H

#include <stddef.h>
#include <stdint.h>

struct lt_crew;

/* Starts `threads` - 1 helpers, with all signals blocked; the caller of lt_crew_run is the last one. LT_ENOMEM if the
 * system will not start that many. */
int lt_crew_create(uint32_t threads, struct lt_crew **ret_crew);

/* Ends the helpers. NULL is allowed. */
void lt_crew_destroy(struct lt_crew *crew);

/* Calls work(context, part, parts) for every part 0..parts-1, at the same time on all threads, and returns when all are
 * done. A crew of NULL is the calling thread alone. One caller at a time. */
void lt_crew_run(struct lt_crew *crew, void (*work)(const void *context, size_t part, size_t parts),
                 const void *context);

#endif
