/* What a model file says about its model, apart from tokenizer and tensors. docs/MODEL-FILE.md lists the keys. */
#ifndef LT_KERNELS_HYPERPARAMETERS_H
#define LT_KERNELS_HYPERPARAMETERS_H

#include "kernels/gguf.h"
#include "kernels/model.h"
#include "proto/limits.h"

struct lt_hyperparameters {
    enum lt_architecture architecture;
    char name[LT_MODEL_NAME_MAX + 1];
    struct lt_model_shape shape; /* all but the vocabulary */
    float epsilon;               /* of every norm */
    float rope_base;
};

/* Reads and checks everything against proto/limits.h. LT_EMODEL names the key and what would be right; `path` is for
 * that message. */
int lt_hyperparameters_read(const struct lt_gguf *gguf, const char *path,
                            struct lt_hyperparameters *ret_hyperparameters, struct lt_error *error);

/* "islet" or "llama": the value of general.architecture, and what the names of the architecture's own keys begin with.
 */
const char *lt_architecture_name(enum lt_architecture architecture);

/* The name of one of the architecture's own keys, such as "islet.context_length"; cut to fit. */
#define LT_MODEL_KEY_BYTES 96
void lt_model_key(enum lt_architecture architecture, const char *suffix, char ret_key[LT_MODEL_KEY_BYTES]);

/* Reads a string that must be `wanted`. LT_EMODEL. */
int lt_gguf_expect(const struct lt_gguf *gguf, const char *path, const char *key, const char *wanted,
                   struct lt_error *error);

#endif
