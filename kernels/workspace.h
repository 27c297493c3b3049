/* Scratch memory of one thread, of fixed size: calls of any length go through it in chunks of LT_ROWS rows, so that
 * nothing is allocated, and nothing can fail, while a sequence's state is being changed.
 *
 * There are two ways of using more threads. Where a call has many items of about the same size, each thread takes some
 * of them all the way, with a workspace of its own (lt_workspace_run). Else the threads share each large product. */
#ifndef LT_KERNELS_WORKSPACE_H
#define LT_KERNELS_WORKSPACE_H

#include "kernels/islet.h"
#include "kernels/sequence.h"
#include "kernels/tensors.h"

#define LT_ROWS 384       /* tokens or latents of a chunk */
#define LT_CHUNK_SPANS 64 /* spans of a chunk of the encoder */
#define LT_LOGIT_ROWS 16  /* rows of logits at a time */

/* Which item's which token or latent a row of the chunk is. */
struct lt_row {
    struct lt_sequence *sequence;
    size_t slot;         /* refiner: place in the segment */
    uint64_t position;   /* mixer: span index; decoder: token index */
    const float *latent; /* mix */
    uint32_t token;      /* decode */
    uint32_t closed;     /* decode */
    size_t behind;       /* decode: how far the next token is behind it whose output is wanted; 0: its own is */
    float *logits;       /* decode: where they are wanted, else NULL */
    float *nats;         /* decode: where the score of `target` is wanted, else NULL */
    uint32_t target;     /* decode */
    enum lt_refiner_work refining; /* mix */
    const float *refined;          /* mix: what is given, else NULL */
    size_t first;                  /* encode: first row of the span */
    size_t count;                  /* encode: rows of the span */
};

struct lt_workspace {
    const struct lt_model *model;
    const struct lt_weights *weights;
    const struct lt_model_shape *shape;
    struct lt_crew *crew;          /* for products; NULL: this thread alone */
    struct lt_workspace **helpers; /* [helper_count] of the crew's other threads */
    size_t helper_count;
    size_t head_width;
    double *rates;                /* of rotary positions */
    float *memory;                /* the rest, in one piece */
    float *x;                     /* [LT_ROWS][D] the residual stream */
    float *normed;                /* [LT_ROWS][D] */
    float *query;                 /* [LT_ROWS][D] */
    float *key;                   /* [LT_ROWS][D] */
    float *value;                 /* [LT_ROWS][D] */
    float *attended;              /* [LT_ROWS][D] */
    float *gate;                  /* [LT_ROWS][feed_forward] */
    float *up;                    /* [LT_ROWS][feed_forward] */
    float *turns;                 /* [LT_ROWS][head width] cos and sin of each row's position */
    float *rotated;               /* [D] */
    float *slots;                 /* [LT_CHUNK_SPANS][span maximum][D] */
    float *recall_keys;           /* [LT_CHUNK_SPANS][span maximum][recall] */
    float *recall_values;         /* the same */
    float *logits;                /* [LT_LOGIT_ROWS][vocabulary] */
    struct lt_softmax *softmaxes; /* [LT_ROWS][heads] */
    struct lt_slots_query queries[LT_ROWS];
    struct lt_row rows[LT_ROWS];
    size_t row_count;
    float *refined;                  /* [LT_ROWS][D] refiner: what came of rows so far */
    struct lt_row all_rows[LT_ROWS]; /* refiner: the chunk, while some of its rows are worked on */
    size_t places[LT_ROWS];          /* refiner: which of all_rows these are */
};

/* What a call does with its items, one or more at a time. */
struct lt_work {
    size_t (*rows)(const void *items, size_t index);                                    /* of one item */
    void (*run)(struct lt_workspace *workspace, void *items, size_t first, size_t end); /* of items first..end-1 */
};

/* Runs items 0..count-1, on all threads if that pays; each item's work is done by one of them as if it was alone. */
void lt_workspace_run(struct lt_workspace *workspace, const struct lt_work *work, void *items, size_t count);

/* Sets turns of every row from its position, or its slot if `by_slot`. */
void lt_workspace_turn(struct lt_workspace *workspace, bool by_slot);

#endif
