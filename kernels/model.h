/* One model file, open: hyperparameters, tokenizer, span rule, tensors, fingerprints. Read-only after lt_model_open and
 * shared by all threads.
 *
 * The file is GGUF version 3 with general.architecture "islet", the latent-per-span model, or "llama", a token-level
 * transformer as the rival (docs/MODEL-FILE.md lists keys and tensors). */
#ifndef LT_KERNELS_MODEL_H
#define LT_KERNELS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/limits.h"

struct lt_model;
struct lt_tokenizer;
struct lt_span_rule;

enum lt_architecture { LT_ARCHITECTURE_ISLET, LT_ARCHITECTURE_LLAMA };

/* A llama model has no encoder, refiner and mixer (0 layers, spans of 0 tokens), and its decoder's window is its
 * context. */
struct lt_model_shape {
    uint32_t vocabulary;
    uint32_t width; /* D: of every sub-network and of a latent */
    uint32_t heads;
    uint32_t feed_forward;
    uint32_t encoder_layers;
    uint32_t refiner_layers;
    uint32_t mixer_layers;
    uint32_t decoder_layers;
    uint32_t recall;  /* width of the head that reads details back out of latents; 0: none */
    uint32_t window;  /* raw tokens that the decoder sees, the newest included */
    uint32_t context; /* tokens of prompt and answer together */
    uint32_t trained; /* tokens that it saw together in training, at most `context`: beyond, it does less well */
    uint32_t span_minimum;
    uint32_t span_maximum; /* tokens of a span at most; slots of the encoder */
};

/* The control tokens that the model was trained with: each starts a segment of its kind. */
struct lt_prompt_format {
    uint32_t document;
    uint32_t user;
    uint32_t answer;
    uint32_t end; /* the model's own sign that it is done */
};

/* How matrices are kept in memory; the encoder's are always as stored, so that latents are the same in either case. */
enum lt_precision {
    LT_PRECISION_STORED, /* as the file has them */
    LT_PRECISION_INT8    /* rounded when the file is opened */
};

/* Opens and checks a model file. Every number in it is checked against proto/limits.h and against the file's size
 * before it is used. Errors: LT_EMODEL with the reason in `error`, LT_ENOMEM. The caller owns *ret_model. */
int lt_model_open(const char *path, enum lt_precision precision, struct lt_model **ret_model, struct lt_error *error);

/* Frees everything; NULL is allowed. */
void lt_model_close(struct lt_model *model);

/* All of these live as long as the model. */
const char *lt_model_name(const struct lt_model *model); /* general.name */
const char *lt_model_path(const struct lt_model *model);
const char *lt_model_architecture(const struct lt_model *model); /* "islet" or "llama" */
uint64_t lt_model_parameters(const struct lt_model *model);      /* numbers in all tensors */
uint64_t lt_model_file_bytes(const struct lt_model *model);
const struct lt_model_shape *lt_model_shape(const struct lt_model *model);
const struct lt_prompt_format *lt_model_prompt_format(const struct lt_model *model);
const struct lt_tokenizer *lt_model_tokenizer(const struct lt_model *model);
const struct lt_span_rule *lt_model_span_rule(const struct lt_model *model);

/* Whether the model makes latents. Without, there is no span rule, fingerprint, lt_encode or lt_mix. */
bool lt_model_has_encoder(const struct lt_model *model);

/* BLAKE2b-256 of tokenizer, span rule and encoder tensors as stored in the file, tagged and length-prefixed: two models
 * with the same fingerprint make the same latents and share a cache. LT_FINGERPRINT_BYTES bytes. */
const uint8_t *lt_model_encoder_fingerprint(const struct lt_model *model);

/* The same of what the refiner is made of: two models with both fingerprints alike refine a text alike. */
const uint8_t *lt_model_refiner_fingerprint(const struct lt_model *model);

/* The same of the whole file and of how its matrices are kept: two models that are alike in it make the same of the
 * same latents, to the last bit. */
const uint8_t *lt_model_fingerprint(const struct lt_model *model);

#endif
