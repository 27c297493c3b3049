/* Mixed states of prompts that were answered: what refiner and mixer made of their latents, ready for the decoder, and
 * what the decoder was about to say. A prompt that begins as an earlier one did is mixed from where the two part; one
 * that is repeated is neither mixed nor decoded. States live in memory only, under a byte budget; the one that was not
 * used for longest goes first.
 *
 * The prompt that goes on from a state shares its memory, which never changes, and so pays little however long it is.
 *
 * They belong to one model. Prompts are compared by their span keys, so a match is as exact as the cache's own. Engine
 * thread only. */
#ifndef LT_DAEMON_STATES_H
#define LT_DAEMON_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/cache.h"
#include "kernels/sequence_image.h"

struct lt_states;

/* budget: bytes; 0 keeps nothing. LT_ENOMEM. */
int lt_states_create(uint64_t budget, struct lt_states **ret_states);
void lt_states_destroy(struct lt_states *states);

/* Where a prompt begins. */
struct lt_beginning {
    struct lt_sequence *sequence; /* holds `spans` spans of the prompt, with room for all and `answer` more */
    size_t spans;
    uint64_t age;     /* of the states: how often they were cleared */
    size_t forgotten; /* of them, the last that stand in a segment that goes on: the refiner must see them again */
    bool resumed;     /* nothing is left to be decoded either: the logits of the next token are there */
};

/* Goes on from the state of the longest beginning of the prompt that is known, or from nothing.
 * `starts` says where segments begin; `logits` has room for [vocabulary]. The sequence is the caller's. LT_ENOMEM. */
int lt_states_begin(struct lt_states *states, const struct lt_model *model, const struct lt_cache_span *spans,
                    const uint8_t *starts, size_t count, size_t answer, float *logits,
                    struct lt_beginning *ret_beginning);

/* Takes over a sequence that began with the prompt, all of it mixed; what came behind is of no matter. It is freed at
 * once if it is not worth its memory, or if all states were cleared since it began, when they had the age `age`. */
void lt_states_keep(struct lt_states *states, const struct lt_cache_span *spans, const uint8_t *starts, size_t count,
                    uint64_t age, struct lt_sequence *sequence);

/* Drops all states. Sequences that have begun come in vain. */
void lt_states_clear(struct lt_states *states);

size_t lt_states_count(const struct lt_states *states);

/* Writes all states, most recently used first: their number; of each the number of its spans and of those in its last
 * segment (4 bytes each), keys, a byte for each span that is 1 where a segment starts, and the sequence's image.
 * Errors are put's, and LT_ENOMEM. */
int lt_states_write(const struct lt_states *states, lt_image_put put, void *context);

/* Takes up states that were written, as many of the first as the budget has room for; there must be none yet.
 * LT_ECORRUPT, LT_ENOMEM: those in front of the reason are there. */
int lt_states_read(struct lt_states *states, const struct lt_model *model, struct lt_image *image);

#endif
