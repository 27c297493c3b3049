/* What gguf.c (reading the header) and gguf_values.c (looking things up in it) share. */
#ifndef LT_KERNELS_GGUF_LAYOUT_H
#define LT_KERNELS_GGUF_LAYOUT_H

#include "kernels/gguf.h"

struct lt_gguf_entry {
    struct lt_gguf_text key;
    enum lt_gguf_value_type type;
    struct lt_gguf_array array; /* of an array */
    const uint8_t *data;        /* of anything else; a string's begins with its length */
};

struct lt_gguf {
    const char *path;
    const uint8_t *bytes;
    size_t size;
    bool mapped;
    struct lt_gguf_entry *entries;
    size_t entry_count;
    struct lt_gguf_tensor *tensors;
    size_t tensor_count;
    char path_copy[];
};

/* Order of names: by their bytes, a prefix first. */
int lt_gguf_compare(struct lt_gguf_text a, struct lt_gguf_text b);

#endif
