/* The weights of an islet model, by role, ready for use: matrices packed for lt_gemm, in the file's type or as int8,
 * the table of embeddings in the file's type, gains and positions as float32. */
#ifndef LT_KERNELS_TENSORS_H
#define LT_KERNELS_TENSORS_H

#include "kernels/gemm.h"
#include "kernels/gguf.h"
#include "kernels/hyperparameters.h"
#include "kernels/model.h"

/* Attention and feed-forward, as every sub-network has them. */
struct lt_layer {
    float *attention_norm;    /* [D] */
    float *query_norm;        /* [head width]; NULL in llama */
    float *key_norm;          /* [head width]; NULL in llama */
    float *feed_forward_norm; /* [D] */
    struct lt_matrix query, key, value, output;
    struct lt_matrix gate, up, down;
};

struct lt_stack {
    uint32_t count;
    struct lt_layer *layers; /* [count] */
    float *norm;             /* [D] after the last layer */
};

/* How a decoder layer sees mixed latents. */
struct lt_memory {
    float *norm; /* [D] */
    struct lt_matrix key, value;
};

/* How details are read back out of latents. R: recall's width, M: span maximum. */
struct lt_recall {
    struct lt_matrix unfold;                     /* [M * D][D] raw latent -> a vector a slot */
    float *norm;                                 /* [D] of the asking token */
    struct lt_matrix query, key, context, value; /* [R][D] */
    float *query_norm, *key_norm;                /* [R] */
    struct lt_matrix output;                     /* [D][R] */
    float nothing;                               /* score of finding nothing */
};

/* Rows that are looked up. */
struct lt_table {
    uint32_t width;
    bool half;
    void *rows; /* float or, with `half`, uint16_t: binary16 */
};

/* A llama model has embedding, logits and decoder only. */
struct lt_weights {
    struct lt_table embedding; /* [vocabulary][D] */
    float embedding_scale;     /* what its rows are multiplied with: sqrt(D) in islet, 1 in llama */
    struct lt_matrix logits;   /* [vocabulary][D] packed: the same table, or one of its own */
    float *positions;          /* [span maximum][D] */
    struct lt_matrix project;
    struct lt_stack encoder, refiner, mixer, decoder;
    struct lt_matrix condition, skip;
    struct lt_memory *memories; /* [decoder layers] */
    struct lt_recall recall;    /* if the shape says so */
    float epsilon;              /* of every norm */
    float rope_base;
};

/* Fills *ret_weights from the tensors. LT_EMODEL names the tensor that is missing or not of
 * the shape that the hyperparameters ask for; LT_ENOMEM. Nothing is left to free on failure. */
int lt_weights_load(const struct lt_gguf *gguf, const char *path, const struct lt_hyperparameters *hyperparameters,
                    enum lt_precision precision, struct lt_weights *ret_weights, struct lt_error *error);
void lt_weights_finish(struct lt_weights *weights);

/* One row of a table as float32. */
void lt_table_row(const struct lt_table *table, size_t row, float *to);

/* The weights of an open model. */
const struct lt_weights *lt_model_weights(const struct lt_model *model);

#endif
