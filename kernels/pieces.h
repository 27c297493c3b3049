/* The vocabulary behind a tokenizer: pieces by id and ids by text. Read-only after creation. */
#ifndef LT_KERNELS_PIECES_H
#define LT_KERNELS_PIECES_H

#include "kernels/tokenizer.h"

#define LT_NO_TOKEN UINT32_MAX

struct lt_piece {
    const char *name; /* as the vocabulary has it */
    const char *text; /* what it stands for */
    uint32_t name_bytes;
    uint32_t text_bytes;
    float score;
    enum lt_token_kind kind;
};

struct lt_tokenizer {
    uint32_t count;
    struct lt_piece *pieces;
    char *characters;         /* all names and texts */
    uint32_t *slots;          /* open hashing: id, or LT_NO_TOKEN */
    uint32_t slot_mask;       /* slots - 1, a power of two less one */
    uint32_t longest;         /* bytes of the longest piece of text */
    uint32_t longest_defined; /* and of the longest user-defined one */
    bool begins_defined[256]; /* first bytes of user-defined pieces */
    uint32_t byte_tokens[256];
    uint8_t neighbours[256][256 / 8]; /* a bit for each two bytes that stand side by side in any piece of text */
};

/* The normal or user-defined piece that stands for this text, or LT_NO_TOKEN. */
uint32_t lt_piece_of_text(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes);

#endif
