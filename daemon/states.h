/* Mixed states of prompts that were answered: what refiner and mixer made of their latents, ready for the decoder. A
 * prompt that begins as an earlier one did is mixed from where the two part; one that is repeated is not mixed at all.
 * States live in memory only, under a byte budget; the one that was not used for longest goes first.
 *
 * They belong to one model. Prompts are compared by their span keys, so a match is as exact as the cache's own. Engine
 * thread only. */
#ifndef LT_DAEMON_STATES_H
#define LT_DAEMON_STATES_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/cache.h"

struct lt_states;

/* budget: bytes; 0 keeps nothing. LT_ENOMEM. */
int lt_states_create(uint64_t budget, struct lt_states **ret_states);
void lt_states_destroy(struct lt_states *states);

/* Copies into `sequence`, which is empty, the state of the longest beginning of the prompt that is known and can be
 * gone on from, and returns its spans; 0 if none is, or if memory is short. `starts` says where segments begin. */
size_t lt_states_restore(struct lt_states *states, const struct lt_cache_span *spans, const uint8_t *starts,
                         size_t count, struct lt_sequence *sequence);

/* Takes over a sequence that began with the prompt; what came behind it is of no matter. It is freed at once if it is
 * not worth its memory. */
void lt_states_keep(struct lt_states *states, const struct lt_cache_span *spans, const uint8_t *starts, size_t count,
                    struct lt_sequence *sequence);

#endif
