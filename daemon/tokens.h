/* The token file: who may come over TCP and HTTP, and what each may do. One token a line, comments with #:
 *
 *     NAME ROLES NAMESPACE SHA-256
 *
 * The name is for people. ROLES are a list with commas, NAMESPACE a name or * for any. The token itself is nowhere:
 * only its hash, as 64 hexadecimal digits. A token that `latentctl token new` made has 256 random bits, so its hash
 * needs neither salt nor slowness. Loop thread. */
#ifndef LT_DAEMON_TOKENS_H
#define LT_DAEMON_TOKENS_H

#include <stddef.h>

#include "daemon/identity.h"

struct lt_tokens;

/* Reads a token file. LT_ECONFIG: it cannot be read, others than its owner and group may read it, or a line is wrong:
 * the message names the line and what would be right, and quotes nothing of it. LT_ENOMEM. A file without tokens is
 * right: nobody gets in. */
int lt_tokens_load(const char *path, struct lt_tokens **ret_tokens, struct lt_error *error);
void lt_tokens_destroy(struct lt_tokens *tokens);

size_t lt_tokens_count(const struct lt_tokens *tokens);
const struct lt_identity *lt_tokens_at(const struct lt_tokens *tokens, size_t index);

/* The identity that a token stands for, or NULL. How long it takes does not tell how much of a token was right, nor
 * which it was: hashes are compared, with all of them, each in constant time. */
const struct lt_identity *lt_tokens_find(const struct lt_tokens *tokens, const char *token);

/* The same for an identity that was found before, maybe in another version of the file. */
const struct lt_identity *lt_tokens_find_again(const struct lt_tokens *tokens, const struct lt_identity *identity);

#endif
