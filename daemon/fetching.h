/* What a prompt's task asks of the remote tier before it is computed. A task that has to wait is left out of the
 * engine's cycles, which go on for all others; the tier wakes the engine when it has answered.
 *
 * Only whole prompts ask, in one fetch for all of their misses. A span of an answer is encoded in less time than a
 * round trip takes.
 *
 * While another daemon encodes some of the spans, this one encodes those that are its own, gives them to the fleet, and
 * then asks for the others again: so each daemon does its part first, and two that share a document out between them
 * do not wait for each other. It waits no longer than a lease lasts. Engine thread only. */
#ifndef LT_DAEMON_FETCHING_H
#define LT_DAEMON_FETCHING_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/cache.h"
#include "daemon/remote.h"

struct lt_task;

/* Zeroed to begin with. */
struct lt_fetching {
    struct lt_remote_fetch *fetch; /* NULL: none is under way */
    uint32_t *spans;               /* [count] which of the task's spans it asks for */
    size_t count;
    double asked;  /* lt_clock_seconds of this fetch */
    double until;  /* when spans that others are encoding are waited for no longer; 0: they never were */
    bool finished; /* nothing more to ask in this cycle */
};

/* Without a remote tier there is nothing to do. Asks for what the task's prompt misses, or takes up what was answered.
 * Spans that are resolved are marked `ready`. *ret_waits: the task must wait (lt_fetching_waits tells when to call this
 * again). LT_ENOMEM. */
int lt_fetching_step(struct lt_cache *cache, struct lt_task *task, bool *ret_waits);

/* Whether a fetch is under way and not done. */
bool lt_fetching_waits(const struct lt_fetching *fetching);

void lt_fetching_finish(struct lt_fetching *fetching);

#endif
