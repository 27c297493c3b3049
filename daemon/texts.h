/* Tokens of texts that were tokenized before: a document that comes with every question is cut into tokens once, as
 * its spans are encoded once. Texts are compared by BLAKE2b-256. In memory only, under a byte budget; the text that was
 * not used for longest goes first. Short texts are not kept: finding their tokens is as fast as making them.
 *
 * They belong to one tokenizer. Engine thread only. */
#ifndef LT_DAEMON_TEXTS_H
#define LT_DAEMON_TEXTS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/tokenizer.h"
#include "proto/error.h"

struct lt_texts;

/* budget: bytes; 0 keeps nothing. LT_ENOMEM. */
int lt_texts_create(const struct lt_tokenizer *tokenizer, uint64_t budget, struct lt_texts **ret_texts);
void lt_texts_destroy(struct lt_texts *texts);

/* Forgets all texts. */
void lt_texts_clear(struct lt_texts *texts);

/* Says whose texts come next: a text is found only by who has the salt that it came with, so that nobody can tell from
 * the time that it takes what others have sent. `salt`: at most 64 bytes, which must live until the next of these
 * calls; none, as created, is a salt as well. */
void lt_texts_enter(struct lt_texts *texts, const uint8_t *salt, size_t salt_bytes);

/* The tokens of a text. They belong to `texts` and are valid until the next call. LT_EUTF8, LT_ENOMEM; `error` is
 * filled. */
int lt_texts_tokenize(struct lt_texts *texts, const char *text, size_t bytes, const uint32_t **ret_tokens,
                      size_t *ret_count, struct lt_error *error);

#endif
