/* What a prompt costs, counted from shapes alone: rows, attention matrices, operations and bytes of each stage, for a
 * latent-per-span model and for a token-level one by the same code. Nothing is run and no weights are needed, so it
 * also counts models that nobody has made.
 *
 * Operations are counted as kernels/islet.h says, and are exactly those that lt_encode, lt_mix and lt_decode report for
 * the same work; tests/unit/test_cost.c compares them. Bytes are those of the weights, once for every pass of rows
 * through a layer, and of keys and values (and what else a sequence keeps), whenever a row writes or reads them; what a
 * layer hands to the next is not counted. Pure; any thread. */
#ifndef LT_KERNELS_COST_H
#define LT_KERNELS_COST_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/model.h"

enum lt_stage { LT_STAGE_ENCODE, LT_STAGE_REFINE, LT_STAGE_MIX, LT_STAGE_DECODE, LT_STAGE_COUNT };

/* One stage. `entries` of one head's attention matrix are what is in sight, the half that causality hides included, as
 * one says that n tokens make a matrix of n squared; operations are of what is computed. Recall, one head that reads
 * every slot of every span, is in operations and bytes only. */
struct lt_cost {
    uint64_t layers;
    uint64_t rows; /* tokens or latents that go through the layers: calls of the first layer's feed-forward network */
    uint64_t queries; /* of the attention matrix; 1 where one row at a time is computed */
    uint64_t keys;    /* the most that a row of it sees */
    uint64_t entries; /* of all matrices of one head in one layer together */
    uint64_t operations;
    uint64_t bytes;
};

/* A text as spans. A token-level model makes nothing of them and only sees their tokens. */
struct lt_text_shape {
    const uint32_t *spans; /* [count] tokens of each */
    const uint8_t *known;  /* [count] 1 where the latent is there and nothing need be encoded; NULL: nowhere */
    const uint8_t *starts; /* [count] 1 where a segment begins; NULL: at the first only */
    size_t count;
};

/* Bytes of one number in the matrices of a model. */
struct lt_weight_bytes {
    uint32_t encoder;
    uint32_t others; /* of a token-level model all */
};

/* Everything up to the logits of the first token of an answer. */
void lt_cost_prompt(const struct lt_model_shape *shape, struct lt_weight_bytes weights,
                    const struct lt_text_shape *prompt, struct lt_cost ret_costs[LT_STAGE_COUNT]);

/* The `tokens` tokens behind the prompt, fed one at a time. `answer` has the spans that they close; those behind the
 * last stay open. */
void lt_cost_answer(const struct lt_model_shape *shape, struct lt_weight_bytes weights,
                    const struct lt_text_shape *prompt, const struct lt_text_shape *answer, size_t tokens,
                    struct lt_cost ret_costs[LT_STAGE_COUNT]);

/* Numbers in all tensors of a model of this shape whose output matrix is its table of embeddings. */
uint64_t lt_cost_parameters(const struct lt_model_shape *shape);

/* The token-level transformer to compare a latent model with: as wide, with as many layers as its four networks have
 * together, and with the feed-forward network that makes the number of parameters the same, but for rounding. */
struct lt_model_shape lt_cost_rival(const struct lt_model_shape *shape);

/* Bytes of one token's keys and values in all layers of the decoder, as they are kept. */
uint64_t lt_cost_token_state(const struct lt_model_shape *shape);

struct lt_weight_bytes lt_cost_weight_bytes(const struct lt_model *model);

#endif
