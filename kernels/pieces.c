/* Creation and lookup of the vocabulary. Pieces of text (normal, user-defined) and names (everything else) share one
 * hash table but never match each other, so a text cannot name a control token. */
#include "kernels/pieces.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/limits.h"
#include "proto/utf8.h"

static bool is_text(enum lt_token_kind kind)
{
    return kind == LT_TOKEN_NORMAL || kind == LT_TOKEN_USER_DEFINED;
}

static uint32_t hash_of(const char *text, size_t bytes, bool of_text)
{
    uint32_t hash = of_text ? 2166136261u : 84696351u; /* FNV-1a */
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return hash ^ hash >> 15;
}

/* The slot that holds the piece, or the free one where it would go. */
static uint32_t find_slot(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes, bool of_text)
{
    uint32_t slot = hash_of(text, bytes, of_text) & tokenizer->slot_mask;
    for (;; slot = (slot + 1) & tokenizer->slot_mask) {
        uint32_t token = tokenizer->slots[slot];
        if (token == LT_NO_TOKEN)
            return slot;
        const struct lt_piece *piece = &tokenizer->pieces[token];
        if (is_text(piece->kind) != of_text)
            continue;
        const char *key = of_text ? piece->text : piece->name;
        if ((of_text ? piece->text_bytes : piece->name_bytes) == bytes && memcmp(key, text, bytes) == 0)
            return slot;
    }
}

uint32_t lt_piece_of_text(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes)
{
    return bytes > tokenizer->longest ? LT_NO_TOKEN : tokenizer->slots[find_slot(tokenizer, text, bytes, true)];
}

bool lt_tokenizer_control(const struct lt_tokenizer *tokenizer, const char *name, uint32_t *ret_token)
{
    uint32_t token = tokenizer->slots[find_slot(tokenizer, name, strlen(name), false)];
    if (token == LT_NO_TOKEN || tokenizer->pieces[token].kind != LT_TOKEN_CONTROL)
        return false;
    *ret_token = token;
    return true;
}

/* Value of "<0x4F>", or -1. */
static int byte_value(const struct lt_vocabulary_entry *entry)
{
    int value = 0;
    if (entry->bytes != 6 || memcmp(entry->text, "<0x", 3) != 0 || entry->text[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char digit = entry->text[i];
        if (digit >= '0' && digit <= '9')
            value = value * 16 + digit - '0';
        else if (digit >= 'A' && digit <= 'F')
            value = value * 16 + digit - 'A' + 10;
        else
            return -1;
    }
    return value;
}

static int check_entry(const struct lt_vocabulary_entry *entry, uint32_t token, struct lt_error *error)
{
    size_t offset;
    if (entry->bytes == 0 || entry->bytes > LT_PIECE_BYTES_MAX)
        return lt_fail(error, LT_EMODEL, "token %u has %zu bytes; 1 to %d are allowed", token, entry->bytes,
                       LT_PIECE_BYTES_MAX);
    if (lt_utf8_check(entry->text, entry->bytes, &offset) != LT_OK)
        return lt_fail(error, LT_EMODEL, "token %u is not valid UTF-8", token);
    if (!isfinite(entry->score))
        return lt_fail(error, LT_EMODEL, "token %u has a score that is not a number", token);
    if (entry->kind < LT_TOKEN_NORMAL || entry->kind > LT_TOKEN_BYTE)
        return lt_fail(error, LT_EMODEL, "token %u has type %d; 1 to %d are known", token, (int)entry->kind,
                       LT_TOKEN_BYTE);
    if (entry->kind == LT_TOKEN_BYTE && byte_value(entry) < 0)
        return lt_fail(error, LT_EMODEL, "byte token %u is not named like <0x4F>", token);
    return LT_OK;
}

/* Writes what an entry stands for to `to`; returns its bytes, never more than the entry's. */
static uint32_t write_text(const struct lt_vocabulary_entry *entry, char *to)
{
    static const char space[] = "\xe2\x96\x81"; /* U+2581 */
    if (entry->kind == LT_TOKEN_BYTE) {
        *to = (char)byte_value(entry);
        return 1;
    }
    if (!is_text(entry->kind))
        return 0;
    uint32_t written = 0;
    for (size_t at = 0; at < entry->bytes;) {
        if (entry->bytes - at >= 3 && memcmp(entry->text + at, space, 3) == 0) {
            to[written++] = ' ';
            at += 3;
        } else {
            to[written++] = entry->text[at++];
        }
    }
    return written;
}

static int allocate(struct lt_tokenizer *tokenizer, const struct lt_vocabulary_entry *entries, uint32_t count)
{
    size_t characters = 1;
    uint32_t slots = 512;
    for (uint32_t token = 0; token < count; token++)
        characters += 2 * entries[token].bytes;
    while (slots < 2 * count)
        slots *= 2;
    tokenizer->slot_mask = slots - 1;
    tokenizer->pieces = lt_calloc(count, sizeof *tokenizer->pieces);
    tokenizer->characters = lt_malloc(characters);
    tokenizer->slots = lt_malloc(slots * sizeof *tokenizer->slots);
    if (!tokenizer->pieces || !tokenizer->characters || !tokenizer->slots)
        return LT_ENOMEM;
    for (uint32_t slot = 0; slot < slots; slot++)
        tokenizer->slots[slot] = LT_NO_TOKEN;
    for (int byte = 0; byte < 256; byte++)
        tokenizer->byte_tokens[byte] = LT_NO_TOKEN;
    return LT_OK;
}

/* Enters a piece whose name and text are set. */
static int insert(struct lt_tokenizer *tokenizer, uint32_t token, struct lt_error *error)
{
    const struct lt_piece *piece = &tokenizer->pieces[token];
    bool of_text = is_text(piece->kind);
    if (piece->kind == LT_TOKEN_BYTE) {
        uint32_t *slot = &tokenizer->byte_tokens[(uint8_t)piece->text[0]];
        if (*slot != LT_NO_TOKEN)
            return lt_fail(error, LT_EMODEL, "tokens %u and %u are the same byte", *slot, token);
        *slot = token;
    }
    uint32_t slot = find_slot(tokenizer, of_text ? piece->text : piece->name,
                              of_text ? piece->text_bytes : piece->name_bytes, of_text);
    if (tokenizer->slots[slot] != LT_NO_TOKEN)
        return lt_fail(error, LT_EMODEL, "tokens %u and %u are the same piece", tokenizer->slots[slot], token);
    tokenizer->slots[slot] = token;
    if (of_text && piece->text_bytes > tokenizer->longest)
        tokenizer->longest = piece->text_bytes;
    for (uint32_t i = 1; of_text && i < piece->text_bytes; i++) {
        uint8_t left = (uint8_t)piece->text[i - 1], right = (uint8_t)piece->text[i];
        tokenizer->neighbours[left][right / 8] |= (uint8_t)(1 << right % 8);
    }
    if (piece->kind == LT_TOKEN_USER_DEFINED) {
        tokenizer->begins_defined[(uint8_t)piece->text[0]] = true;
        if (piece->text_bytes > tokenizer->longest_defined)
            tokenizer->longest_defined = piece->text_bytes;
    }
    return LT_OK;
}

static int fill(struct lt_tokenizer *tokenizer, const struct lt_vocabulary_entry *entries, struct lt_error *error)
{
    char *to = tokenizer->characters;
    for (uint32_t token = 0; token < tokenizer->count; token++) {
        const struct lt_vocabulary_entry *entry = &entries[token];
        struct lt_piece *piece = &tokenizer->pieces[token];
        *piece = (struct lt_piece){.name_bytes = (uint32_t)entry->bytes, .score = entry->score, .kind = entry->kind};
        piece->name = memcpy(to, entry->text, entry->bytes);
        to += entry->bytes;
        piece->text = to;
        piece->text_bytes = write_text(entry, to);
        to += piece->text_bytes;
        int rc = insert(tokenizer, token, error);
        if (rc != LT_OK)
            return rc;
    }
    for (int byte = 0; byte < 256; byte++)
        if (tokenizer->byte_tokens[byte] == LT_NO_TOKEN)
            return lt_fail(error, LT_EMODEL, "the vocabulary lacks the byte token <0x%02X>", byte);
    return LT_OK;
}

int lt_tokenizer_create(const struct lt_vocabulary_entry *entries, uint32_t count, struct lt_tokenizer **ret_tokenizer,
                        struct lt_error *error)
{
    if (count < 256 || count > LT_VOCABULARY_MAX)
        return lt_fail(error, LT_EMODEL, "a vocabulary of %u tokens; 256 to %d are allowed", count, LT_VOCABULARY_MAX);
    for (uint32_t token = 0; token < count; token++) {
        int rc = check_entry(&entries[token], token, error);
        if (rc != LT_OK)
            return rc;
    }
    struct lt_tokenizer *tokenizer = lt_calloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return lt_fail_code(error, LT_ENOMEM);
    tokenizer->count = count;
    int rc = allocate(tokenizer, entries, count);
    if (rc == LT_OK)
        rc = fill(tokenizer, entries, error);
    else
        lt_fail_code(error, rc);
    if (rc != LT_OK) {
        lt_tokenizer_destroy(tokenizer);
        return rc;
    }
    *ret_tokenizer = tokenizer;
    return LT_OK;
}

void lt_tokenizer_destroy(struct lt_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    lt_free(tokenizer->pieces);
    lt_free(tokenizer->characters);
    lt_free(tokenizer->slots);
    lt_free(tokenizer);
}

uint32_t lt_tokenizer_vocabulary(const struct lt_tokenizer *tokenizer)
{
    return tokenizer->count;
}

const char *lt_tokenizer_text(const struct lt_tokenizer *tokenizer, uint32_t token, size_t *ret_bytes)
{
    *ret_bytes = tokenizer->pieces[token].text_bytes;
    return tokenizer->pieces[token].text;
}

const char *lt_tokenizer_name(const struct lt_tokenizer *tokenizer, uint32_t token, size_t *ret_bytes)
{
    *ret_bytes = tokenizer->pieces[token].name_bytes;
    return tokenizer->pieces[token].name;
}

enum lt_token_kind lt_tokenizer_kind(const struct lt_tokenizer *tokenizer, uint32_t token)
{
    return tokenizer->pieces[token].kind;
}
