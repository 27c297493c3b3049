/* The state of one prompt and its answer. Belongs to whoever runs it; one thread at a time. */
#ifndef LT_KERNELS_SEQUENCE_H
#define LT_KERNELS_SEQUENCE_H

#include "kernels/islet.h"
#include "kernels/slots.h"

/* One layer's keys and values of raw tokens, [window][D]: position p in row p % window. */
struct lt_ring {
    float *keys;
    float *values;
};

/* Where a sequence stood and what it was about to say. */
struct lt_mark {
    float *memory; /* the window as it was, then the logits; NULL: no mark */
    size_t spans;
    uint64_t position;
};

/* Memory for spans, LT_SLOTS of them a page, in order. Sequences that begin alike share pages. */
struct lt_pages {
    uint8_t **at; /* [count] */
    size_t count;
    size_t room;  /* of `at` */
    size_t bytes; /* of a page */
};

struct lt_sequence {
    const struct lt_model_shape *shape;
    size_t spans;      /* mixed so far */
    size_t segment;    /* of them in the newest segment: the refiner's slots in use */
    uint64_t position; /* tokens fed to the decoder so far */

    struct lt_pages segment_pages; /* of the newest segment's spans; never shared */
    struct lt_slots *refiner;      /* [refiner layers] */

    struct lt_pages span_pages; /* of all spans */
    struct lt_slots *mixer;     /* [mixer layers] */
    struct lt_slots *memory;    /* [decoder layers]: mixed latents as the decoder attends to them */
    struct lt_slots recall;     /* unfolded spans, span maximum slots each; if the model has recall */

    float *window_memory;
    struct lt_ring *window; /* [decoder layers] */

    struct lt_mark mark;
};

/* Pages that so many spans need. */
size_t lt_pages_for(size_t spans);

/* Appends a page of its own, with `bytes` in it if that is not NULL; or one that another sequence has at this place.
 * LT_ENOMEM. */
int lt_pages_add(struct lt_pages *pages, const uint8_t *bytes);
int lt_pages_share(struct lt_pages *pages, uint8_t *page);

/* Tells the caches where the pages' pointers are, after there were more. */
void lt_sequence_place(struct lt_sequence *sequence);

/* Numbers in the windows of all decoder layers. */
size_t lt_sequence_window_numbers(const struct lt_model_shape *shape);

/* What the last closed span adds to a token's embedding: [D], in the span's page. */
float *lt_sequence_condition(const struct lt_sequence *sequence, size_t span);

#endif
