/* Reader for GGUF version 3 files: metadata and tensors, checked once when opened.
 *
 * Every count, length and offset in the file is checked against the file's size and proto/limits.h before it is used,
 * so what the functions below hand out lies inside the file. Keys and tensor names are unique. Read-only after opening;
 * any thread. */
#ifndef LT_KERNELS_GGUF_H
#define LT_KERNELS_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

struct lt_gguf;

enum lt_gguf_tensor_type { LT_GGUF_F32 = 0, LT_GGUF_F16 = 1, LT_GGUF_Q8_0 = 8 };

/* Q8_0: numbers in blocks, each a scale in binary16 and int8. */
#define LT_GGUF_Q8_0_NUMBERS 32
#define LT_GGUF_Q8_0_BYTES 34

/* Types of metadata values, with GGUF's numbers. */
enum lt_gguf_value_type {
    LT_GGUF_U8 = 0,
    LT_GGUF_I8 = 1,
    LT_GGUF_U16 = 2,
    LT_GGUF_I16 = 3,
    LT_GGUF_U32 = 4,
    LT_GGUF_I32 = 5,
    LT_GGUF_FLOAT32 = 6,
    LT_GGUF_BOOL = 7,
    LT_GGUF_STRING = 8,
    LT_GGUF_ARRAY = 9,
    LT_GGUF_U64 = 10,
    LT_GGUF_I64 = 11,
    LT_GGUF_FLOAT64 = 12,
};

/* Bytes in the file; not terminated, not aligned. */
struct lt_gguf_text {
    const char *text;
    size_t bytes;
};

struct lt_gguf_tensor {
    struct lt_gguf_text name;
    enum lt_gguf_tensor_type type;
    uint32_t dimensions; /* 1 or 2 */
    uint64_t inputs;     /* the first dimension: numbers that lie side by side */
    uint64_t outputs;    /* the second, 1 if there is none */
    const uint8_t *data; /* inputs * outputs numbers of `type`, little-endian */
    size_t bytes;
};

/* An array of numbers or strings. */
struct lt_gguf_array {
    enum lt_gguf_value_type type;
    uint64_t count;
    const uint8_t *data;
};

/* Maps and checks a file. LT_EMODEL with the reason, LT_ENOMEM. */
int lt_gguf_open(const char *path, struct lt_gguf **ret_gguf, struct lt_error *error);

/* The same for bytes in memory, which must outlive the reader; `name` stands for the path in messages. */
int lt_gguf_read(const void *bytes, size_t size, const char *name, struct lt_gguf **ret_gguf, struct lt_error *error);

/* Also ends the mapping. NULL is allowed. */
void lt_gguf_close(struct lt_gguf *gguf);

/* The file as a whole. */
const uint8_t *lt_gguf_data(const struct lt_gguf *gguf);
size_t lt_gguf_bytes(const struct lt_gguf *gguf);

/* Values by key. LT_EMODEL names the file, the key and what was wrong: it is missing or of another type. */
int lt_gguf_u32(const struct lt_gguf *gguf, const char *key, uint32_t *ret_value, struct lt_error *error);
int lt_gguf_float(const struct lt_gguf *gguf, const char *key, float *ret_value, struct lt_error *error);
int lt_gguf_bool(const struct lt_gguf *gguf, const char *key, bool *ret_value, struct lt_error *error);
int lt_gguf_string(const struct lt_gguf *gguf, const char *key, struct lt_gguf_text *ret_text, struct lt_error *error);
int lt_gguf_array(const struct lt_gguf *gguf, const char *key, enum lt_gguf_value_type type,
                  struct lt_gguf_array *ret_array, struct lt_error *error);

bool lt_gguf_has(const struct lt_gguf *gguf, const char *key);

/* Elements of an array; `index` must be below its count. */
float lt_gguf_array_float(const struct lt_gguf_array *array, uint64_t index);
int32_t lt_gguf_array_i32(const struct lt_gguf_array *array, uint64_t index);

/* Strings of an array lie one behind the other: reads the one at *cursor (first: array->data) and moves it on. */
struct lt_gguf_text lt_gguf_next_string(const uint8_t **cursor);

size_t lt_gguf_tensor_count(const struct lt_gguf *gguf);

/* In the order of their names. */
const struct lt_gguf_tensor *lt_gguf_tensor_at(const struct lt_gguf *gguf, size_t index);

/* NULL if there is none of that name. */
const struct lt_gguf_tensor *lt_gguf_tensor(const struct lt_gguf *gguf, const char *name);

#endif
