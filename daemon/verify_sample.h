/* Which hits are encoded again, and what comes of it: a latent can be sound and wrong all the same, if it was wrong
 * when its checksum was made, by broken memory or by whoever gave it. A share of hits is therefore compared with what
 * the encoder makes of their tokens. Engine thread only. */
#ifndef LT_DAEMON_VERIFY_SAMPLE_H
#define LT_DAEMON_VERIFY_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/store.h"

struct lt_verify_sample {
    double share;  /* of hits, 0..1 */
    uint64_t left; /* hits that pass before the next is verified */
};

void lt_verify_sample_init(struct lt_verify_sample *sample, double share);

/* To be asked once for each hit: whether it is to be verified. Each is with the same probability, whatever became of
 * those before, so that no rhythm of requests can evade it. */
bool lt_verify_sample_next(struct lt_verify_sample *sample);

/* Whether a stored latent is what its encoder makes of its tokens, fresh: [dimension]. Equal, once `fresh` is rounded
 * as the stored one is, or as near as another processor's may be (LT_LATENT_TOLERANCE). If not, the log says so. */
bool lt_verify_sample_agrees(const struct lt_latent *stored, const uint8_t *encoder, const float *fresh);

#endif
