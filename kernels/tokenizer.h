/* Text <-> token ids: byte-pair encoding with byte fallback, the same as sentencepiece's (arXiv 1808.06226), from the
 * vocabulary in the model file. Every valid UTF-8 text survives encode and decode unchanged. Read-only after creation;
 * any thread. */
#ifndef LT_KERNELS_TOKENIZER_H
#define LT_KERNELS_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

struct lt_tokenizer;

/* Kinds of vocabulary entries; the numbers are GGUF's tokenizer.ggml.token_type. */
enum lt_token_kind {
    LT_TOKEN_NORMAL = 1,
    LT_TOKEN_UNKNOWN = 2,
    LT_TOKEN_CONTROL = 3,
    LT_TOKEN_USER_DEFINED = 4,
    LT_TOKEN_UNUSED = 5,
    LT_TOKEN_BYTE = 6,
};

/* One vocabulary entry as the model file has it; `text` need not be terminated. */
struct lt_vocabulary_entry {
    const char *text;
    size_t bytes;
    float score;
    enum lt_token_kind kind;
};

/* Copies what it needs from `entries`. LT_EMODEL (with reason) for an entry or a set of entries that cannot serve (a
 * byte token that is missing, an empty or over-long piece, a duplicate), LT_ENOMEM. */
int lt_tokenizer_create(const struct lt_vocabulary_entry *entries, uint32_t count, struct lt_tokenizer **ret_tokenizer,
                        struct lt_error *error);
void lt_tokenizer_destroy(struct lt_tokenizer *tokenizer);

uint32_t lt_tokenizer_vocabulary(const struct lt_tokenizer *tokenizer);

/* Encodes `bytes` bytes of UTF-8; control tokens are never recognised in text. *ret_tokens is allocated (lt_free) and
 * has *ret_count ids; NULL for empty text. LT_EUTF8 (the message names the byte offset), LT_ENOMEM. */
int lt_tokenizer_encode(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes, uint32_t **ret_tokens,
                        size_t *ret_count, struct lt_error *error);

/* Where a text of `bytes` bytes may be cut, so that both pieces together give the tokens of the whole: the last such
 * place up to `most`, itself `bytes` if that is no more. No piece of the vocabulary has the two bytes at a cut side by
 * side, so none reaches across. 0 if there is no such place. */
size_t lt_tokenizer_cut(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes, size_t most);

/* The text that a token stands for (a space where the vocabulary has U+2581; one byte for a byte token; empty for
 * control tokens). Not terminated; lives as long as the tokenizer. `token` must be below the vocabulary's size. */
const char *lt_tokenizer_text(const struct lt_tokenizer *tokenizer, uint32_t token, size_t *ret_bytes);

/* The name of a token as the vocabulary has it ("<|user|>"), for showing control tokens to people. */
const char *lt_tokenizer_name(const struct lt_tokenizer *tokenizer, uint32_t token, size_t *ret_bytes);

enum lt_token_kind lt_tokenizer_kind(const struct lt_tokenizer *tokenizer, uint32_t token);

/* Id of a control token by its name, or false. */
bool lt_tokenizer_control(const struct lt_tokenizer *tokenizer, const char *name, uint32_t *ret_token);

#endif
