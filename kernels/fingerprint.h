/* What makes two models' latents the same: see lt_model_encoder_fingerprint. */
#ifndef LT_KERNELS_FINGERPRINT_H
#define LT_KERNELS_FINGERPRINT_H

#include "kernels/gguf.h"
#include "kernels/model.h"

/* Hashes what the encoder reads; docs/MODEL-FILE.md lists the fields. `rule` is the name of the span rule. */
void lt_fingerprint_encoder(const struct lt_gguf *gguf, const struct lt_model_shape *shape, float epsilon,
                            const struct lt_tokenizer *tokenizer, struct lt_gguf_text rule,
                            uint8_t ret_fingerprint[LT_FINGERPRINT_BYTES]);

/* The same of the refiner. */
void lt_fingerprint_refiner(const struct lt_gguf *gguf, const struct lt_model_shape *shape, float epsilon,
                            float rope_base, uint8_t ret_fingerprint[LT_FINGERPRINT_BYTES]);

/* Hashes the whole file, and how its matrices are kept. */
void lt_fingerprint_model(const struct lt_gguf *gguf, enum lt_precision precision,
                          uint8_t ret_fingerprint[LT_FINGERPRINT_BYTES]);

#endif
