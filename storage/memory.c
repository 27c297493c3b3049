#include "storage/memory.h"

#include <string.h>
#include <sys/mman.h>

#include "proto/error.h"

#define WAYS 8
#define CACHE_LINE 64
#define AT_ONCE 64

/* 0 is no tag: the way is free. */
struct lt_memory_set {
    _Alignas(CACHE_LINE) uint32_t tags[WAYS];
    uint8_t read[WAYS];
    uint8_t hand;
};

struct slot {
    struct lt_span_key key;
    uint32_t namespace_id, created, expires;
    float scale;
    uint16_t dimension;
    uint8_t type, token_count;
    uint8_t payload[];
};

/* --- making --- */

/* Memory that is zero and takes no room until it is written to, in large pages where the system has them. */
static void *reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

int lt_memory_init(struct lt_memory *memory, uint64_t bytes, size_t payload_bytes)
{
    size_t slot_bytes = (sizeof(struct slot) + payload_bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    size_t of_a_set = sizeof(struct lt_memory_set) + WAYS * slot_bytes, set_count = 1;
    *memory = (struct lt_memory){.slot_bytes = slot_bytes, .payload_bytes = payload_bytes};
    pthread_mutex_init(&memory->mutex, NULL);
    if (bytes < of_a_set)
        return LT_OK;
    while (2 * set_count * of_a_set <= bytes)
        set_count *= 2;
    memory->set_count = set_count;
    memory->sets = reserve(set_count * sizeof *memory->sets);
    memory->slots = reserve(set_count * WAYS * slot_bytes);
    return memory->sets && memory->slots ? LT_OK : LT_ENOMEM;
}

void lt_memory_finish(struct lt_memory *memory)
{
    if (memory->sets)
        munmap(memory->sets, memory->set_count * sizeof *memory->sets);
    if (memory->slots)
        munmap(memory->slots, memory->set_count * WAYS * memory->slot_bytes);
    pthread_mutex_destroy(&memory->mutex);
    *memory = (struct lt_memory){0};
}

/* --- finding --- */

static struct lt_memory_set *set_of(const struct lt_memory *memory, const struct lt_span_key *key, uint32_t *ret_tag)
{
    uint64_t hash;
    memcpy(&hash, key->bytes + 16, sizeof hash);
    *ret_tag = (uint32_t)(hash >> 32) | 1;
    return &memory->sets[hash & (memory->set_count - 1)];
}

static struct slot *slot_of(const struct lt_memory *memory, const struct lt_memory_set *set, int way)
{
    return (struct slot *)(memory->slots + ((size_t)(set - memory->sets) * WAYS + way) * memory->slot_bytes);
}

static int way_of(const struct lt_memory_set *set, uint32_t tag)
{
    for (int way = 0; way < WAYS; way++)
        if (set->tags[way] == tag)
            return way;
    return -1;
}

static bool copy_out(const struct slot *slot, uint32_t now, struct lt_latent *latent)
{
    if (memcmp(&slot->key, &latent->key, sizeof slot->key) != 0 || slot->type != latent->type ||
        slot->dimension != latent->dimension || (slot->expires && slot->expires <= now))
        return false;
    latent->namespace_id = slot->namespace_id;
    latent->created = slot->created;
    latent->expires = slot->expires;
    latent->scale = slot->scale;
    latent->token_count = slot->token_count;
    memcpy(latent->payload, slot->payload, lt_latent_payload_bytes(latent->type, latent->dimension));
    return true;
}

/* Up to AT_ONCE of them; tags and slots are asked for ahead. */
static size_t get_some(struct lt_memory *memory, struct lt_latent *latents, size_t count, uint32_t now,
                       enum lt_lookup *lookups)
{
    const struct slot *slots[AT_ONCE];
    size_t found = 0;
    uint32_t tag;
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(set_of(memory, &latents[i].key, &tag));
    for (size_t i = 0; i < count; i++) {
        struct lt_memory_set *set = set_of(memory, &latents[i].key, &tag);
        int way = lt_lookup_is_hit(lookups[i]) ? -1 : way_of(set, tag);
        slots[i] = way < 0 ? NULL : slot_of(memory, set, way);
        if (!slots[i])
            continue;
        set->read[way] = 1;
        for (size_t byte = 0; byte < memory->slot_bytes; byte += CACHE_LINE)
            __builtin_prefetch((const uint8_t *)slots[i] + byte);
    }
    for (size_t i = 0; i < count; i++)
        if (slots[i] && copy_out(slots[i], now, &latents[i])) {
            lookups[i] = LT_LOOKUP_HIT_MEMORY;
            found++;
        }
    return found;
}

size_t lt_memory_get(struct lt_memory *memory, struct lt_latent *latents, size_t count, uint32_t now,
                     enum lt_lookup *lookups)
{
    size_t found = 0;
    if (!memory->set_count)
        return 0;
    pthread_mutex_lock(&memory->mutex);
    for (size_t first = 0; first < count; first += AT_ONCE)
        found +=
            get_some(memory, latents + first, count - first < AT_ONCE ? count - first : AT_ONCE, now, lookups + first);
    pthread_mutex_unlock(&memory->mutex);
    return found;
}

/* --- keeping --- */

/* The way of this tag, or a free one, or one whose latent was not read lately. */
static int choose_way(struct lt_memory_set *set, uint32_t tag)
{
    int way = way_of(set, tag);
    if (way < 0)
        way = way_of(set, 0);
    while (way < 0) {
        int next = set->hand;
        set->hand = (uint8_t)((next + 1) % WAYS);
        if (!set->read[next])
            way = next;
        set->read[next] = 0;
    }
    return way;
}

void lt_memory_keep(struct lt_memory *memory, const struct lt_latent *latent, uint64_t age)
{
    uint32_t tag;
    size_t bytes = lt_latent_payload_bytes(latent->type, latent->dimension);
    if (!memory->set_count || bytes > memory->payload_bytes)
        return;
    pthread_mutex_lock(&memory->mutex);
    if (lt_memory_age(memory) != age) {
        pthread_mutex_unlock(&memory->mutex);
        return;
    }
    struct lt_memory_set *set = set_of(memory, &latent->key, &tag);
    int way = choose_way(set, tag);
    struct slot *slot = slot_of(memory, set, way);
    memory->entries += !set->tags[way];
    set->tags[way] = tag;
    set->read[way] = 0;
    *slot = (struct slot){.key = latent->key,
                          .namespace_id = latent->namespace_id,
                          .created = latent->created,
                          .expires = latent->expires,
                          .scale = latent->scale,
                          .dimension = (uint16_t)latent->dimension,
                          .type = (uint8_t)latent->type,
                          .token_count = (uint8_t)latent->token_count};
    memcpy(slot->payload, latent->payload, bytes);
    pthread_mutex_unlock(&memory->mutex);
}

void lt_memory_drop(struct lt_memory *memory, const struct lt_span_key *keys, size_t count)
{
    if (!memory->set_count)
        return;
    pthread_mutex_lock(&memory->mutex);
    atomic_fetch_add(&memory->age, 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t tag;
        struct lt_memory_set *set = set_of(memory, &keys[i], &tag);
        int way = way_of(set, tag);
        if (way < 0) /* should another key have the tag, it goes in vain */
            continue;
        set->tags[way] = 0;
        memory->entries--;
    }
    pthread_mutex_unlock(&memory->mutex);
}

void lt_memory_clear(struct lt_memory *memory)
{
    if (!memory->set_count)
        return;
    pthread_mutex_lock(&memory->mutex);
    atomic_fetch_add(&memory->age, 1);
    memset(memory->sets, 0, memory->set_count * sizeof *memory->sets);
    memory->entries = 0;
    pthread_mutex_unlock(&memory->mutex);
}

size_t lt_memory_entries(struct lt_memory *memory)
{
    pthread_mutex_lock(&memory->mutex);
    size_t entries = memory->entries;
    pthread_mutex_unlock(&memory->mutex);
    return entries;
}
