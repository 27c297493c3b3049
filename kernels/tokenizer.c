/* Encoding: byte-pair merging as sentencepiece's bpe_model.cc does it. The text falls into symbols (user-defined
 * pieces, longest first, else characters); neighbours are joined, best score first, leftmost among equals, as long as
 * what they make is a piece; a symbol that is none in the end becomes bytes. A heap holds the candidate pairs, so cost
 * is O(n log n).
 *
 * Symbols are stretches of the text itself, because pieces are kept with a space where the vocabulary has U+2581. A
 * U+2581 in a text is therefore not in the vocabulary and becomes bytes, which is how it survives (sentencepiece gives
 * back a space). */
#include "kernels/tokenizer.h"

#include <string.h>

#include "kernels/pieces.h"
#include "proto/alloc.h"
#include "proto/utf8.h"

#define NO_SYMBOL UINT32_MAX

struct symbol {
    uint32_t at;    /* byte offset in the text */
    uint32_t bytes; /* 0: joined to the symbol on its left */
    uint32_t previous;
    uint32_t next;
    bool fixed; /* a user-defined piece, joined to nothing */
};

struct pair {
    float score;
    uint32_t left;
    uint32_t right;
    uint32_t bytes; /* of both together when the pair was seen; another number now means that it is out of date */
};

struct merge {
    const struct lt_tokenizer *tokenizer;
    const char *text;
    struct symbol *symbols;
    uint32_t symbol_count;
    struct pair *pairs; /* a heap */
    size_t pair_count;
    size_t pair_room;
};

static bool goes_first(const struct pair *a, const struct pair *b)
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static int push(struct merge *merge, struct pair pair)
{
    if (merge->pair_count == merge->pair_room) {
        size_t room = merge->pair_room ? merge->pair_room * 2 : 256;
        struct pair *pairs = lt_realloc(merge->pairs, room * sizeof *pairs);
        if (!pairs)
            return LT_ENOMEM;
        merge->pairs = pairs;
        merge->pair_room = room;
    }
    size_t at = merge->pair_count++;
    for (; at > 0 && goes_first(&pair, &merge->pairs[(at - 1) / 2]); at = (at - 1) / 2)
        merge->pairs[at] = merge->pairs[(at - 1) / 2];
    merge->pairs[at] = pair;
    return LT_OK;
}

static struct pair pop(struct merge *merge)
{
    struct pair first = merge->pairs[0], last = merge->pairs[--merge->pair_count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < merge->pair_count) {
        if (child + 1 < merge->pair_count && goes_first(&merge->pairs[child + 1], &merge->pairs[child]))
            child++;
        if (!goes_first(&merge->pairs[child], &last))
            break;
        merge->pairs[at] = merge->pairs[child];
        at = child;
    }
    merge->pairs[at] = last;
    return first;
}

static int consider(struct merge *merge, uint32_t left, uint32_t right)
{
    if (left == NO_SYMBOL || right == NO_SYMBOL)
        return LT_OK;
    const struct symbol *a = &merge->symbols[left], *b = &merge->symbols[right];
    if (a->fixed || b->fixed)
        return LT_OK;
    uint32_t bytes = a->bytes + b->bytes;
    uint32_t token = lt_piece_of_text(merge->tokenizer, merge->text + a->at, bytes);
    if (token == LT_NO_TOKEN)
        return LT_OK;
    return push(merge, (struct pair){
                           .score = merge->tokenizer->pieces[token].score,
                           .left = left,
                           .right = right,
                           .bytes = bytes,
                       });
}

/* Bytes of the longest user-defined piece that begins here, 0 if there is none. */
static uint32_t defined_bytes(const struct lt_tokenizer *tokenizer, const char *text, size_t left)
{
    if (!tokenizer->begins_defined[(uint8_t)*text])
        return 0;
    uint32_t bytes = left < tokenizer->longest_defined ? (uint32_t)left : tokenizer->longest_defined;
    for (; bytes > 0; bytes--) {
        uint32_t token = lt_piece_of_text(tokenizer, text, bytes);
        if (token != LT_NO_TOKEN && tokenizer->pieces[token].kind == LT_TOKEN_USER_DEFINED)
            return bytes;
    }
    return 0;
}

static uint32_t character_bytes(char first)
{
    uint8_t byte = (uint8_t)first;
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

static void split(struct merge *merge, size_t bytes)
{
    for (uint32_t at = 0; at < bytes;) {
        uint32_t index = merge->symbol_count++;
        uint32_t defined = defined_bytes(merge->tokenizer, merge->text + at, bytes - at);
        struct symbol *symbol = &merge->symbols[index];
        *symbol = (struct symbol){
            .at = at,
            .bytes = defined ? defined : character_bytes(merge->text[at]),
            .previous = index ? index - 1 : NO_SYMBOL,
            .next = NO_SYMBOL,
            .fixed = defined > 0,
        };
        if (index)
            merge->symbols[index - 1].next = index;
        at += symbol->bytes;
    }
}

static int join(struct merge *merge)
{
    int rc = LT_OK;
    for (uint32_t i = 1; i < merge->symbol_count && rc == LT_OK; i++)
        rc = consider(merge, i - 1, i);
    while (rc == LT_OK && merge->pair_count > 0) {
        struct pair pair = pop(merge);
        struct symbol *left = &merge->symbols[pair.left], *right = &merge->symbols[pair.right];
        if (left->bytes == 0 || right->bytes == 0 || left->bytes + right->bytes != pair.bytes)
            continue;
        left->bytes = pair.bytes;
        left->next = right->next;
        if (right->next != NO_SYMBOL)
            merge->symbols[right->next].previous = pair.left;
        right->bytes = 0;
        rc = consider(merge, left->previous, pair.left);
        if (rc == LT_OK)
            rc = consider(merge, pair.left, left->next);
    }
    return rc;
}

/* A token stands for a byte at least, so `bytes` of the text bound their number. */
static int collect(const struct merge *merge, size_t bytes, uint32_t **ret_tokens, size_t *ret_count)
{
    size_t count = 0;
    uint32_t *tokens = lt_malloc(bytes * sizeof *tokens);
    if (!tokens)
        return LT_ENOMEM;
    for (uint32_t i = 0; i != NO_SYMBOL; i = merge->symbols[i].next) {
        const char *text = merge->text + merge->symbols[i].at;
        uint32_t token = lt_piece_of_text(merge->tokenizer, text, merge->symbols[i].bytes);
        if (token != LT_NO_TOKEN)
            tokens[count++] = token;
        else
            for (uint32_t byte = 0; byte < merge->symbols[i].bytes; byte++)
                tokens[count++] = merge->tokenizer->byte_tokens[(uint8_t)text[byte]];
    }
    uint32_t *fitting = lt_realloc(tokens, count * sizeof *tokens);
    *ret_tokens = fitting ? fitting : tokens;
    *ret_count = count;
    return LT_OK;
}

int lt_tokenizer_encode(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes, uint32_t **ret_tokens,
                        size_t *ret_count, struct lt_error *error)
{
    size_t offset;
    if (bytes >= NO_SYMBOL)
        return lt_fail(error, LT_ETOOLARGE, "a text of %zu bytes", bytes);
    if (lt_utf8_check(text, bytes, &offset) != LT_OK)
        return lt_fail(error, LT_EUTF8, "text is not valid UTF-8 at byte offset %zu", offset);
    if (bytes == 0) {
        *ret_tokens = NULL;
        *ret_count = 0;
        return LT_OK;
    }
    struct merge merge = {.tokenizer = tokenizer, .text = text};
    merge.symbols = lt_malloc(bytes * sizeof *merge.symbols);
    int rc = merge.symbols ? LT_OK : LT_ENOMEM;
    if (rc == LT_OK) {
        split(&merge, bytes);
        rc = join(&merge);
    }
    if (rc == LT_OK)
        rc = collect(&merge, bytes, ret_tokens, ret_count);
    lt_free(merge.symbols);
    lt_free(merge.pairs);
    return rc == LT_OK ? LT_OK : lt_fail_code(error, rc);
}

size_t lt_tokenizer_cut(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes, size_t most)
{
    if (bytes <= most)
        return bytes;
    for (size_t at = most; at > 0; at--) {
        uint8_t left = (uint8_t)text[at - 1], right = (uint8_t)text[at];
        bool inside_character = (right & 0xc0) == 0x80;
        if (!inside_character && !(tokenizer->neighbours[left][right / 8] >> right % 8 & 1))
            return at;
    }
    return 0;
}
