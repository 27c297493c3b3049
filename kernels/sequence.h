/* The state of one prompt and its answer. Belongs to whoever runs it; one thread at a time. */
#ifndef LT_KERNELS_SEQUENCE_H
#define LT_KERNELS_SEQUENCE_H

#include "kernels/islet.h"

/* One layer's keys and values, a row of D numbers a slot. */
struct lt_cache {
    float *keys;
    float *values;
};

/* Where a sequence stood and what it was about to say. */
struct lt_mark {
    float *memory; /* the window as it was, then the logits; NULL: no mark */
    size_t spans;
    uint64_t position;
};

struct lt_sequence {
    const struct lt_model_shape *shape;
    size_t spans;      /* mixed so far */
    size_t segment;    /* of them in the newest segment: the refiner's slots in use */
    size_t room;       /* slots for spans in each cache */
    uint64_t position; /* tokens fed to the decoder so far */

    float *span_memory;       /* all that grows with the spans, in one piece */
    struct lt_cache *refiner; /* [refiner layers]: slots of the newest segment only */
    struct lt_cache *mixer;   /* [mixer layers] */
    struct lt_cache *memory;  /* [decoder layers]: mixed latents as the decoder attends to them */
    struct lt_cache recall;   /* [room][span maximum][recall]: unfolded spans; empty if the model has no recall */
    float *conditions;        /* [room][D]: what the last closed span adds to a token's embedding */

    float *window_memory;
    struct lt_cache *window; /* [decoder layers]: a ring, position p in slot p % window */

    struct lt_mark mark;
};

/* Makes room for `spans` in all; what is there stays. LT_ENOMEM: nothing was changed. */
int lt_sequence_reserve(struct lt_sequence *sequence, size_t spans);

#endif
