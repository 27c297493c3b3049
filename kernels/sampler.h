/* Logits -> next token: repetition penalty (arXiv 1909.05858, section 4.1), temperature, top-k, top-p, a seeded
 * generator, so that the same request gives the same answer. */
#ifndef LT_KERNELS_SAMPLER_H
#define LT_KERNELS_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

struct lt_tokenizer;

struct lt_sampling {
    double temperature; /* 0: always the most likely token (the lowest id among equals) */
    uint32_t top_k;     /* 0: all */
    double top_p;       /* 1: all */
    uint64_t seed;
    double repetition_penalty; /* of tokens among the last LT_REPETITION_TOKENS that were drawn; 1 or 0: none */
};

/* How far back a token counts as repeated. */
#define LT_REPETITION_TOKENS 64

struct lt_sampler;

/* `end` is the one control token that may be drawn; all others, and the unknown token, never are. LT_ENOMEM. */
int lt_sampler_create(const struct lt_tokenizer *tokenizer, uint32_t end, const struct lt_sampling *sampling,
                      struct lt_sampler **ret_sampler);
void lt_sampler_destroy(struct lt_sampler *sampler);

/* logits: [vocabulary], not changed. Advances the generator unless temperature is 0, and remembers what it drew. */
uint32_t lt_sampler_next(struct lt_sampler *sampler, const float *logits);

#endif
