/* The table has a fixed number of buckets, one for every entry that may wait: nothing can fail after opening but the
 * entry's own allocation. Keys are hashes already, so their first bytes choose the bucket. */
#include "storage/pending.h"

#include <assert.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/record.h"

#define BUCKETS LT_WRITER_QUEUE_MAX

static_assert((BUCKETS & (BUCKETS - 1)) == 0, "the number of buckets is a mask plus one");

static struct lt_pending_entry **bucket_of(const struct lt_pending *pending, const struct lt_span_key *key)
{
    uint32_t index;
    memcpy(&index, key->bytes, sizeof index);
    return &pending->buckets[index & (BUCKETS - 1)];
}

int lt_pending_init(struct lt_pending *pending)
{
    *pending = (struct lt_pending){.buckets = lt_calloc(BUCKETS, sizeof(struct lt_pending_entry *))};
    return pending->buckets ? LT_OK : LT_ENOMEM;
}

void lt_pending_finish(struct lt_pending *pending)
{
    lt_pending_pop(pending, pending->count);
    lt_free(pending->buckets);
    *pending = (struct lt_pending){0};
}

struct lt_pending_entry *lt_pending_entry_create(const struct lt_latent *latent)
{
    size_t bytes = lt_record_bytes(latent);
    struct lt_pending_entry *entry = lt_malloc(sizeof *entry + bytes);
    if (!entry)
        return NULL;
    *entry = (struct lt_pending_entry){
        .key = latent->key, .type = latent->type, .dimension = latent->dimension, .bytes = bytes};
    lt_record_write(latent, entry->record);
    return entry;
}

struct lt_pending_entry *lt_pending_find(const struct lt_pending *pending, const struct lt_span_key *key)
{
    struct lt_pending_entry *entry = *bucket_of(pending, key);
    while (entry && memcmp(&entry->key, key, sizeof *key) != 0)
        entry = entry->next_in_bucket;
    return entry;
}

void lt_pending_push(struct lt_pending *pending, struct lt_pending_entry *entry)
{
    assert(pending->count < LT_WRITER_QUEUE_MAX);
    struct lt_pending_entry **bucket = bucket_of(pending, &entry->key);
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    if (pending->last)
        pending->last->next_queued = entry;
    else
        pending->first = entry;
    pending->last = entry;
    pending->count++;
    pending->bytes += entry->bytes;
}

static void unlink_from_bucket(struct lt_pending *pending, const struct lt_pending_entry *entry)
{
    struct lt_pending_entry **link = bucket_of(pending, &entry->key);
    while (*link != entry)
        link = &(*link)->next_in_bucket;
    *link = entry->next_in_bucket;
}

void lt_pending_pop(struct lt_pending *pending, size_t count)
{
    assert(count <= pending->count);
    for (size_t i = 0; i < count; i++) {
        struct lt_pending_entry *entry = pending->first;
        unlink_from_bucket(pending, entry);
        pending->first = entry->next_queued;
        pending->bytes -= entry->bytes;
        lt_free(entry);
    }
    pending->count -= count;
    if (!pending->first)
        pending->last = NULL;
}
