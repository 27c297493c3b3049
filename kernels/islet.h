/* The forward pass of the latent-per-span model: encode, refine, mix, decode; and of a llama model: decode. kernels/
 * has one file a stage behind this header.
 *
 * A `struct lt_workspace` holds scratch memory and belongs to one thread. A `struct lt_sequence` is the state of one
 * prompt and its answer: keys and values of refiner, mixer and decoder. All that is handed over is float32, row-major;
 * D is the model's width.
 *
 * Calls take many items at once and run each matrix product over all of them. A row's result does not depend on which
 * other rows are in the call, to the last bit: equal answers of cold and warm, alone and in company rest on it, and
 * tests/unit checks it.
 *
 * Operations are floating-point operations of the matrix products and attention done for an item (a multiply-add is
 * two); norms, rotations and activations, under one in a hundred, are not counted. */
#ifndef LT_KERNELS_ISLET_H
#define LT_KERNELS_ISLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/model.h"

struct lt_workspace;
struct lt_sequence;

int lt_workspace_create(const struct lt_model *model, struct lt_workspace **ret_workspace);
void lt_workspace_destroy(struct lt_workspace *workspace);

/* Lets calls with many items, and large matrix products, run on `threads` threads, this one included; 1 as created.
 * Each has memory of its own, which it touches when it works. Changes no bit of any result.
 * LT_ENOMEM: as before. */
int lt_workspace_set_threads(struct lt_workspace *workspace, uint32_t threads);

/* Which instructions the matrix products use on this processor: "avx512vnni", "avx512", "avx2" or "plain". */
const char *lt_compute_kernel(void);

/* --- encode: tokens of a span -> latent --- */

struct lt_encode_item {
    const uint32_t *tokens; /* [count] */
    uint32_t count;         /* 1..span_maximum */
    float *latent;          /* [D] written: RMS-normalised */
    uint64_t operations;    /* written */
};

/* LT_EINTERNAL: a count or a token is out of range; nothing was written. */
int lt_encode(struct lt_workspace *workspace, struct lt_encode_item *items, size_t count);

/* --- sequence --- */

/* An empty sequence with room for `spans` latents. LT_ENOMEM. */
int lt_sequence_create(const struct lt_model *model, size_t spans, struct lt_sequence **ret_sequence);
void lt_sequence_destroy(struct lt_sequence *sequence);

/* Makes room for so many spans in all, and for a segment of so many; until there are more, mixing allocates nothing.
 * LT_ENOMEM: what is there stays. */
int lt_sequence_reserve(struct lt_sequence *sequence, size_t spans, size_t segment);

/* Makes `sequence`, which must be empty, stand where `from` stood after its first `spans` spans, of which the last
 * `segment` were in one segment: those that `from` began last, or none. Tokens that either was fed are of no matter.
 * Memory is shared where it can be, so both must stay with one thread. LT_ENOMEM: it stays empty. */
int lt_sequence_copy(struct lt_sequence *sequence, const struct lt_sequence *from, size_t spans, size_t segment);

/* Remembers where the sequence stands and the logits of its next token, [vocabulary], in place of an earlier mark.
 * LT_ENOMEM: no mark is left. */
int lt_sequence_mark(struct lt_sequence *sequence, const float *logits);

/* Makes `sequence`, which holds the spans of `from`'s mark and no others, stand where the mark was set, and gives the
 * logits of then. False if there is no mark at so many spans. */
bool lt_sequence_resume(struct lt_sequence *sequence, const struct lt_sequence *from, float *ret_logits);

/* Memory that a sequence takes, what it shares with others included. */
size_t lt_sequence_bytes(const struct lt_sequence *sequence);

/* Spans mixed so far, and those of them in the newest segment. */
size_t lt_sequence_spans(const struct lt_sequence *sequence);
size_t lt_sequence_segment(const struct lt_sequence *sequence);

/* --- refine and mix: latents -> states that the decoder attends to --- */

/* What the refiner has to do for a latent. */
enum lt_refiner_work {
    LT_REFINE,         /* all of it */
    LT_REFINE_KEYS,    /* the refined latent is given; what latents behind it in the segment attend to is made */
    LT_REFINE_NOTHING, /* it is given, and so are all behind it in the segment */
};

struct lt_mix_item {
    struct lt_sequence *sequence; /* each at most once a call */
    const float *latents;         /* [count][D], in the precision in which they are stored, widened to float */
    const uint8_t *starts; /* [count] 1 where a latent begins a new segment (the refiner does not look past it) */
    size_t count;
    const uint8_t *refining;    /* [count] enum lt_refiner_work; NULL: LT_REFINE */
    const float *refined;       /* [count][D] refined latents, where they are given; NULL if none is */
    uint64_t refine_operations; /* written */
    uint64_t saved_operations;  /* written: that the refiner would have done without what is given */
    uint64_t mix_operations;    /* written */
    double refine_seconds;      /* written: the whole call's time in the refiner, and in the mixer */
    double mix_seconds;
};

/* Appends latents to sequences. LT_ENOMEM: no sequence was changed. */
int lt_mix(struct lt_workspace *workspace, struct lt_mix_item *items, size_t count);

struct lt_refine_item {
    struct lt_sequence *sequence; /* whose newest segment goes on with them */
    const float *latents;         /* [count][D] as in a mix */
    size_t count;
    size_t known;        /* of them, the first that many have been refined */
    float *refined;      /* [count][D] those are given, the others are written; NULL if all are known */
    uint64_t operations; /* written */
};

/* Refines latents without mixing them: the same to the last bit as what lt_mix would mix. With all of them known it
 * only reminds the refiner of what a mix will attend to: of latents that are mixed and that the sequence, truncated or
 * copied, knows no more. LT_ENOMEM. */
int lt_refine(struct lt_workspace *workspace, struct lt_refine_item *item);

/* --- decode: raw tokens + mixed latents -> logits of the next token --- */

struct lt_decode_item {
    struct lt_sequence *sequence; /* each at most once a call */
    const uint32_t *tokens;       /* [count] the newest tokens, in order */
    const uint32_t *closed;       /* [count] spans of the sequence that are closed once that token was read */
    size_t count;
    float *logits;           /* [vocabulary] written: after the last of the tokens; NULL if not wanted */
    const uint32_t *targets; /* [count] the token that came after each; NULL: nothing is scored */
    float *nats;             /* [count] written if there are targets: -ln of the probability that each had */
    uint64_t operations;     /* written */
};

/* Feeds tokens; the decoder keeps its window by itself. The position of the first token ever fed is 0 (only differences
 * matter). LT_EINTERNAL: a token or target does not exist, or more spans are called closed than were mixed; no sequence
 * was changed. */
int lt_decode(struct lt_workspace *workspace, struct lt_decode_item *items, size_t count);

/* How many of a prompt's last tokens must be fed so that the next logits equal those of feeding it whole:
 * decoder_layers * (window - 1) + 1. */
size_t lt_decode_reach(const struct lt_model *model);

#endif
