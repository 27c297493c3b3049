/* A hash table over entries that also stand in a list, most recently used first. */
#include "daemon/texts.h"

#include <sodium.h>
#include <string.h>

#include "proto/alloc.h"

#define BUCKETS 4096u
#define BYTES_MIN 256 /* of a text that is kept */
#define KEY_BYTES 32

struct entry {
    struct entry *next_in_bucket;
    struct entry *newer, *older;
    uint8_t key[KEY_BYTES];
    uint32_t *tokens; /* [count] */
    size_t count;
};

struct lt_texts {
    const struct lt_tokenizer *tokenizer;
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    uint64_t bytes, budget;
    const uint8_t *salt; /* of whose texts come */
    size_t salt_bytes;
    uint32_t *unkept; /* tokens of the last text that is not kept */
};

int lt_texts_create(const struct lt_tokenizer *tokenizer, uint64_t budget, struct lt_texts **ret_texts)
{
    struct lt_texts *texts = lt_calloc(1, sizeof *texts);
    if (!texts)
        return LT_ENOMEM;
    texts->tokenizer = tokenizer;
    texts->budget = budget;
    *ret_texts = texts;
    return LT_OK;
}

static struct entry **bucket_of(struct lt_texts *texts, const uint8_t *key)
{
    uint32_t hash;
    memcpy(&hash, key, sizeof hash);
    return &texts->buckets[hash % BUCKETS];
}

static uint64_t entry_bytes(const struct entry *entry)
{
    return sizeof *entry + entry->count * sizeof *entry->tokens;
}

static void unlink_entry(struct lt_texts *texts, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &texts->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &texts->oldest) = entry->newer;
}

static void push_entry(struct lt_texts *texts, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = texts->newest;
    *(entry->older ? &entry->older->newer : &texts->oldest) = entry;
    texts->newest = entry;
}

static void drop_oldest(struct lt_texts *texts)
{
    struct entry *entry = texts->oldest;
    struct entry **link = bucket_of(texts, entry->key);
    while (*link != entry)
        link = &(*link)->next_in_bucket;
    *link = entry->next_in_bucket;
    unlink_entry(texts, entry);
    texts->bytes -= entry_bytes(entry);
    lt_free(entry->tokens);
    lt_free(entry);
}

void lt_texts_destroy(struct lt_texts *texts)
{
    if (!texts)
        return;
    lt_texts_clear(texts);
    lt_free(texts->unkept);
    lt_free(texts);
}

void lt_texts_clear(struct lt_texts *texts)
{
    while (texts->oldest)
        drop_oldest(texts);
}

void lt_texts_enter(struct lt_texts *texts, const uint8_t *salt, size_t salt_bytes)
{
    texts->salt = salt_bytes ? salt : NULL;
    texts->salt_bytes = salt_bytes;
}

static struct entry *find(struct lt_texts *texts, const uint8_t *key)
{
    struct entry *entry = *bucket_of(texts, key);
    while (entry && memcmp(entry->key, key, KEY_BYTES) != 0)
        entry = entry->next_in_bucket;
    return entry;
}

/* Takes over the tokens. False if there is no memory or no room in the budget for them. */
static bool keep(struct lt_texts *texts, const uint8_t *key, uint32_t *tokens, size_t count)
{
    struct entry *entry = lt_calloc(1, sizeof *entry);
    if (!entry)
        return false;
    memcpy(entry->key, key, KEY_BYTES);
    entry->tokens = tokens;
    entry->count = count;
    if (entry_bytes(entry) > texts->budget) {
        lt_free(entry);
        return false;
    }
    while (texts->bytes + entry_bytes(entry) > texts->budget)
        drop_oldest(texts);
    struct entry **bucket = bucket_of(texts, key);
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    push_entry(texts, entry);
    texts->bytes += entry_bytes(entry);
    return true;
}

int lt_texts_tokenize(struct lt_texts *texts, const char *text, size_t bytes, const uint32_t **ret_tokens,
                      size_t *ret_count, struct lt_error *error)
{
    uint8_t key[KEY_BYTES];
    bool keeps = bytes >= BYTES_MIN && texts->budget > 0;
    struct entry *known = NULL;
    if (keeps) {
        crypto_generichash(key, sizeof key, (const uint8_t *)text, bytes, texts->salt, texts->salt_bytes);
        known = find(texts, key);
    }
    if (known) {
        unlink_entry(texts, known);
        push_entry(texts, known);
        *ret_tokens = known->tokens;
        *ret_count = known->count;
        return LT_OK;
    }
    uint32_t *tokens;
    int code = lt_tokenizer_encode(texts->tokenizer, text, bytes, &tokens, ret_count, error);
    if (code)
        return code;
    lt_free(texts->unkept);
    texts->unkept = keeps && keep(texts, key, tokens, *ret_count) ? NULL : tokens;
    *ret_tokens = tokens;
    return LT_OK;
}
