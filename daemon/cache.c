#include "daemon/cache.h"

#include <string.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/precision.h"
#include "daemon/verify_sample.h"
#include "proto/alloc.h"

struct lt_cache {
    struct lt_store *store;
    enum lt_latent_type type;
    struct lt_counters *counters;
    struct lt_remote *remote; /* or NULL */
    struct lt_verify_sample sample;
    void (*distrust)(void *context); /* or NULL */
    void *context;
};

/* Working memory of one call; n spans of which u are distinct. */
struct resolving {
    const struct lt_model *model;
    enum lt_latent_type type; /* of stored latents */
    uint32_t dimension;
    struct lt_cache_span **spans; /* [n] */
    size_t count;                 /* n */
    uint32_t *distinct_of;        /* [n] index of the span's distinct latent */
    uint32_t *first;              /* [u] index of the first span that has it */
    size_t distinct;              /* u */
    struct lt_latent *latents;    /* [u] */
    enum lt_lookup *lookups;      /* [u] */
    bool *verified;               /* [u] hits that are encoded again */
    uint16_t *payloads;           /* [u][dimension] of the type; room for the larger one */
    uint32_t *table;              /* [table_size] open addressing over keys: distinct index + 1 */
    size_t table_size;            /* a power of two, at least 2n */
    struct lt_encode_item *items; /* [encoding] */
    uint32_t *item_of;            /* [encoding] distinct index */
    float *encoded;               /* [encoding][dimension] */
    size_t encoding;              /* misses, and hits that are verified */
    size_t misses;                /* of them */
};

int lt_cache_create(const struct lt_cache_options *options, struct lt_cache **ret_cache)
{
    struct lt_cache *cache = lt_malloc(sizeof *cache);
    if (!cache)
        return LT_ENOMEM;
    *cache = (struct lt_cache){.store = options->store,
                               .type = options->type,
                               .counters = options->counters,
                               .remote = options->remote,
                               .distrust = options->distrust,
                               .context = options->context};
    lt_verify_sample_init(&cache->sample, options->verify_sample);
    *ret_cache = cache;
    return LT_OK;
}

void lt_cache_destroy(struct lt_cache *cache)
{
    lt_free(cache);
}

bool lt_cache_shares(const struct lt_namespace *space)
{
    return space->salt_bytes == 0;
}

struct lt_remote *lt_cache_remote(const struct lt_cache *cache)
{
    return cache->remote;
}

const char *lt_cache_span_outcome(const struct lt_cache_span *span)
{
    return span->joined ? "joined" : lt_lookup_name(span->lookup);
}

bool lt_cache_span_hit(const struct lt_cache_span *span)
{
    return span->joined || lt_lookup_is_hit(span->lookup);
}

static int prepare(struct resolving *r)
{
    r->table_size = 16;
    while (r->table_size < 2 * r->count)
        r->table_size *= 2;
    r->distinct_of = lt_malloc(r->count * sizeof *r->distinct_of);
    r->first = lt_malloc(r->count * sizeof *r->first);
    r->latents = lt_calloc(r->count, sizeof *r->latents);
    r->lookups = lt_calloc(r->count, sizeof *r->lookups);
    r->verified = lt_calloc(r->count, sizeof *r->verified);
    r->payloads = lt_malloc(r->count * r->dimension * sizeof *r->payloads);
    r->table = lt_calloc(r->table_size, sizeof *r->table);
    return r->distinct_of && r->first && r->latents && r->lookups && r->verified && r->payloads && r->table ? LT_OK
                                                                                                            : LT_ENOMEM;
}

static void finish(struct resolving *r)
{
    lt_free(r->distinct_of);
    lt_free(r->first);
    lt_free(r->latents);
    lt_free(r->lookups);
    lt_free(r->verified);
    lt_free(r->payloads);
    lt_free(r->table);
    lt_free(r->items);
    lt_free(r->item_of);
    lt_free(r->encoded);
}

/* The distinct index of a key, new or known. Keys are hashes: their first bytes serve as the table's hash. */
static uint32_t find_distinct(struct resolving *r, uint32_t span, const struct lt_span_key *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes, sizeof hash);
    for (size_t slot = hash & (r->table_size - 1);; slot = (slot + 1) & (r->table_size - 1)) {
        if (!r->table[slot]) {
            uint32_t index = (uint32_t)r->distinct++;
            r->table[slot] = index + 1;
            r->first[index] = span;
            r->latents[index] = (struct lt_latent){.key = *key,
                                                   .type = r->type,
                                                   .dimension = r->dimension,
                                                   .token_count = r->spans[span]->count,
                                                   .tokens = r->spans[span]->tokens,
                                                   .payload = r->payloads + (size_t)index * r->dimension};
            return index;
        }
        uint32_t index = r->table[slot] - 1;
        if (memcmp(&r->latents[index].key, key, sizeof *key) == 0)
            return index;
    }
}

static void look_up(struct lt_cache *cache, struct resolving *r)
{
    const uint8_t *fingerprint = lt_model_encoder_fingerprint(r->model);
    for (uint32_t i = 0; i < r->count; i++) {
        struct lt_cache_span *span = r->spans[i];
        lt_span_key(fingerprint, span->space->salt, span->space->salt_bytes, span->tokens, span->count, &span->key);
        r->distinct_of[i] = find_distinct(r, i, &span->key);
    }
    for (size_t start = 0; cache->store && start < r->distinct; start += LT_LATENT_BATCH_MAX) {
        size_t batch = r->distinct - start < LT_LATENT_BATCH_MAX ? r->distinct - start : LT_LATENT_BATCH_MAX;
        /* A store that cannot be read is a store full of misses: it says so itself in its counters. */
        (void)lt_store_get(cache->store, r->latents + start, batch, r->lookups + start);
    }
}

/* Says of spans that seem to be new which of them another encoder has encoded. */
static int look_for_other_encoders(struct lt_cache *cache, struct resolving *r)
{
    const uint8_t(*encoders)[LT_FINGERPRINT_BYTES] = NULL, *own = lt_model_encoder_fingerprint(r->model);
    size_t encoder_count = cache->store ? lt_store_encoders(cache->store, &encoders) : 0, unknown = 0;
    for (size_t d = 0; d < r->distinct; d++)
        unknown += r->lookups[d] == LT_LOOKUP_MISS_NEW;
    if (!unknown || encoder_count < 2)
        return LT_OK;
    struct lt_span_key *keys = lt_malloc(unknown * sizeof *keys);
    bool *holds = lt_malloc(unknown * sizeof *holds);
    int code = keys && holds ? LT_OK : LT_ENOMEM;
    for (size_t e = 0; code == LT_OK && e < encoder_count; e++) {
        size_t count = 0, next = 0;
        if (memcmp(encoders[e], own, LT_FINGERPRINT_BYTES) == 0)
            continue;
        for (size_t d = 0; d < r->distinct; d++) {
            const struct lt_cache_span *span = r->spans[r->first[d]];
            if (r->lookups[d] == LT_LOOKUP_MISS_NEW)
                lt_span_key(encoders[e], span->space->salt, span->space->salt_bytes, span->tokens, span->count,
                            &keys[count++]);
        }
        lt_store_holds(cache->store, keys, count, holds);
        for (size_t d = 0; d < r->distinct; d++)
            if (r->lookups[d] == LT_LOOKUP_MISS_NEW && holds[next++])
                r->lookups[d] = LT_LOOKUP_MISS_ENCODER;
    }
    lt_free(keys);
    lt_free(holds);
    return code;
}

/* Which hits are to be encoded again: those that were chosen when they were found, and a share of the others. */
static void choose_verified(struct lt_cache *cache, struct resolving *r)
{
    for (uint32_t d = 0; d < r->distinct; d++)
        r->verified[d] = lt_lookup_is_hit(r->lookups[d]) &&
                         (r->spans[r->first[d]]->verified || lt_verify_sample_next(&cache->sample));
    for (size_t i = 0; i < r->count; i++)
        r->spans[i]->verified = false;
}

/* Whether a stored latent is what was encoded afresh, which else is to take its place. */
static bool is_right(struct lt_cache *cache, struct resolving *r, size_t item)
{
    uint32_t d = r->item_of[item];
    lt_count(cache->counters, LT_COUNTER_HITS_VERIFIED, 1);
    if (lt_verify_sample_agrees(&r->latents[d], lt_model_encoder_fingerprint(r->model), r->items[item].latent)) {
        lt_count(cache->counters, LT_COUNTER_OPERATIONS, r->items[item].operations); /* no request's own */
        return true;
    }
    lt_count(cache->counters, LT_COUNTER_HITS_WRONG, 1);
    r->lookups[d] = LT_LOOKUP_MISS_CORRUPT;
    return false;
}

/* Takes up a latent that was encoded, and offers it to the store. */
static int take_encoded(struct lt_cache *cache, struct resolving *r, size_t item)
{
    uint32_t d = r->item_of[item];
    struct lt_latent *latent = &r->latents[d];
    struct lt_cache_span *span = r->spans[r->first[d]];
    int code = LT_OK;
    lt_latent_narrow(r->items[item].latent, latent);
    if (!r->verified[d]) { /* one that is replaced keeps its namespace and its times */
        latent->namespace_id = span->space->id;
        latent->expires = lt_namespace_expiry(span->space);
    }
    if (cache->counters)
        code = r->verified[d] ? lt_store_replace(cache->store, latent) : lt_store_put(cache->store, latent, 1, NULL);
    if (cache->counters && cache->remote && lt_cache_shares(span->space))
        lt_remote_put(cache->remote, latent);
    span->operations = r->items[item].operations;
    r->misses++;
    return code;
}

static int encode(struct resolving *r, struct lt_workspace *workspace)
{
    for (size_t d = 0; d < r->distinct; d++)
        r->encoding += r->verified[d] || !lt_lookup_is_hit(r->lookups[d]);
    if (!r->encoding)
        return LT_OK;
    r->items = lt_calloc(r->encoding, sizeof *r->items);
    r->item_of = lt_malloc(r->encoding * sizeof *r->item_of);
    r->encoded = lt_malloc(r->encoding * r->dimension * sizeof *r->encoded);
    if (!r->items || !r->item_of || !r->encoded)
        return LT_ENOMEM;
    size_t filled = 0;
    for (uint32_t d = 0; d < r->distinct; d++) {
        if (!r->verified[d] && lt_lookup_is_hit(r->lookups[d]))
            continue;
        const struct lt_cache_span *span = r->spans[r->first[d]];
        r->item_of[filled] = d;
        r->items[filled] = (struct lt_encode_item){
            .tokens = span->tokens, .count = span->count, .latent = r->encoded + filled * r->dimension};
        filled++;
    }
    return lt_encode(workspace, r->items, r->encoding);
}

/* Encodes every distinct latent that was missed, and a sample of those that were found, in one batch. */
static int encode_misses(struct lt_cache *cache, struct resolving *r, struct lt_workspace *workspace)
{
    choose_verified(cache, r);
    int code = encode(r, workspace);
    if (code)
        return code;
    size_t unstored = 0;
    bool wrong = false;
    for (size_t i = 0; i < r->encoding; i++) {
        bool verified = r->verified[r->item_of[i]];
        if (verified && is_right(cache, r, i))
            continue;
        wrong |= verified;
        unstored += take_encoded(cache, r, i) != LT_OK;
    }
    if (cache->counters && r->misses) {
        lt_count(cache->counters, LT_COUNTER_SPANS_ENCODED, r->misses);
        lt_observe(cache->counters, LT_HISTOGRAM_ENCODE_BATCH, (double)r->misses);
        lt_count(cache->counters, LT_COUNTER_SPANS_UNSTORED, unstored);
    }
    if (wrong && cache->distrust)
        cache->distrust(cache->context);
    return LT_OK;
}

static void hand_out(struct resolving *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        struct lt_cache_span *span = r->spans[i];
        uint32_t d = r->distinct_of[i];
        span->lookup = r->lookups[d];
        span->joined = r->first[d] != i && !lt_lookup_is_hit(span->lookup);
        lt_latent_widen(&r->latents[d], span->latent);
    }
}

/* The same for each namespace. Spans of one request stand together, so it is not asked for each of them. */
static void count_for_namespaces(struct lt_store *store, struct lt_cache_span *const *spans, size_t count)
{
    static const enum lt_namespace_counter counter_of[] = {
        [LT_LOOKUP_MISS_NEW] = LT_NAMESPACE_MISSES_NEW,         [LT_LOOKUP_MISS_EVICTED] = LT_NAMESPACE_MISSES_EVICTED,
        [LT_LOOKUP_MISS_ENCODER] = LT_NAMESPACE_MISSES_ENCODER, [LT_LOOKUP_MISS_CORRUPT] = LT_NAMESPACE_MISSES_CORRUPT,
        [LT_LOOKUP_MISS_EXPIRED] = LT_NAMESPACE_MISSES_EXPIRED, [LT_LOOKUP_HIT_MEMORY] = LT_NAMESPACE_HITS_MEMORY,
        [LT_LOOKUP_HIT_DISK] = LT_NAMESPACE_HITS_DISK,          [LT_LOOKUP_HIT_REMOTE] = LT_NAMESPACE_HITS_REMOTE,
    };
    for (size_t i = 0; i < count;) {
        uint64_t amounts[LT_NAMESPACE_COUNTERS] = {0};
        uint32_t id = spans[i]->space->id;
        for (; i < count && spans[i]->space->id == id; i++)
            amounts[spans[i]->joined ? LT_NAMESPACE_HITS_JOINED : counter_of[spans[i]->lookup]]++;
        lt_namespace_count(store, id, amounts);
    }
}

static void count_span(struct lt_counters *counters, const struct lt_cache_span *span)
{
    static const enum lt_counter counter_of[] = {
        [LT_LOOKUP_MISS_NEW] = LT_COUNTER_MISSES_NEW,         [LT_LOOKUP_MISS_EVICTED] = LT_COUNTER_MISSES_EVICTED,
        [LT_LOOKUP_MISS_CORRUPT] = LT_COUNTER_MISSES_CORRUPT, [LT_LOOKUP_MISS_EXPIRED] = LT_COUNTER_MISSES_EXPIRED,
        [LT_LOOKUP_MISS_ENCODER] = LT_COUNTER_MISSES_ENCODER, [LT_LOOKUP_HIT_MEMORY] = LT_COUNTER_HITS_MEMORY,
        [LT_LOOKUP_HIT_DISK] = LT_COUNTER_HITS_DISK,          [LT_LOOKUP_HIT_REMOTE] = LT_COUNTER_HITS_REMOTE,
    };
    lt_count(counters, span->joined ? LT_COUNTER_SINGLEFLIGHT_JOINED : counter_of[span->lookup], 1);
    lt_count(counters, LT_COUNTER_SPAN_LOOKUPS, 1);
    lt_count(counters, lt_cache_span_hit(span) ? LT_COUNTER_SPAN_HITS : LT_COUNTER_SPAN_MISSES, 1);
}

static void count_hit(struct lt_cache *cache, struct lt_cache_span *span)
{
    if (!cache->counters)
        return;
    count_span(cache->counters, span);
    count_for_namespaces(cache->store, &span, 1);
}

static void count_outcomes(struct lt_counters *counters, const struct resolving *r, const struct lt_cache_time *time)
{
    for (size_t i = 0; i < r->count; i++)
        count_span(counters, r->spans[i]);
    if (r->misses) {
        lt_count(counters, LT_COUNTER_ENCODE_MICROSECONDS, (uint64_t)(1e6 * time->encode));
        lt_observe(counters, LT_HISTOGRAM_ENCODE, time->encode);
    }
}

/* Verifying hits is a part of looking them up. */
static struct lt_cache_time time_spent(const struct resolving *r, double began, double looked_up, double ended)
{
    double share = r->encoding ? (double)r->misses / (double)r->encoding : 1;
    double encode = share * (ended - looked_up);
    return (struct lt_cache_time){ended - began - encode, encode};
}

int lt_cache_resolve(struct lt_cache *cache, const struct lt_model *model, struct lt_workspace *workspace,
                     struct lt_cache_span **spans, size_t count, struct lt_cache_time *ret_time)
{
    *ret_time = (struct lt_cache_time){0};
    if (count == 0)
        return LT_OK;
    struct resolving r = {
        .model = model, .type = cache->type, .dimension = lt_model_shape(model)->width, .spans = spans, .count = count};
    for (size_t i = 0; i < count; i++)
        spans[i]->operations = 0;
    double began = lt_clock_seconds(), looked_up = began;
    int code = prepare(&r);
    if (code == LT_OK) {
        look_up(cache, &r);
        code = look_for_other_encoders(cache, &r);
        looked_up = lt_clock_seconds();
    }
    if (code == LT_OK)
        code = encode_misses(cache, &r, workspace);
    if (code == LT_OK) {
        hand_out(&r);
        *ret_time = time_spent(&r, began, looked_up, lt_clock_seconds());
        if (cache->counters) {
            count_outcomes(cache->counters, &r, ret_time);
            count_for_namespaces(cache->store, r.spans, r.count);
        }
    }
    finish(&r);
    return code;
}

int lt_cache_find(struct lt_cache *cache, const struct lt_model *model, struct lt_cache_span **spans, size_t count,
                  bool *ret_found, struct lt_cache_time *ret_time)
{
    struct resolving r = {
        .model = model, .type = cache->type, .dimension = lt_model_shape(model)->width, .spans = spans, .count = count};
    double began = lt_clock_seconds();
    int code = prepare(&r);
    if (code == LT_OK)
        look_up(cache, &r);
    for (uint32_t i = 0; code == LT_OK && i < count; i++) {
        struct lt_cache_span *span = spans[i];
        const struct lt_latent *latent = &r.latents[r.distinct_of[i]];
        span->lookup = r.lookups[r.distinct_of[i]];
        span->joined = false;
        span->operations = 0;
        ret_found[i] = lt_lookup_is_hit(span->lookup);
        span->verified = ret_found[i] && lt_verify_sample_next(&cache->sample);
        if (!ret_found[i] || span->verified)
            continue;
        lt_latent_widen(latent, span->latent);
        count_hit(cache, span);
    }
    *ret_time = (struct lt_cache_time){lt_clock_seconds() - began, 0};
    finish(&r);
    return code;
}

size_t lt_cache_record_bytes(const struct lt_cache *cache, const struct lt_model *model,
                             const struct lt_cache_span *span)
{
    const struct lt_latent latent = {.type = cache->type,
                                     .dimension = lt_model_shape(model)->width,
                                     .token_count = span->count,
                                     .tokens = span->tokens};
    return lt_record_bytes(&latent);
}

void lt_cache_refuse(struct lt_cache *cache)
{
    lt_count(cache->counters, LT_COUNTER_REMOTE_REFUSED, 1);
}

bool lt_cache_take(struct lt_cache *cache, const struct lt_model *model, struct lt_cache_span *span,
                   const uint8_t *record, size_t bytes)
{
    uint16_t payload[LT_LATENT_DIMENSION_MAX];
    struct lt_record read;
    double size;
    if (!lt_record_serves(&span->key, record, bytes, cache->type, lt_model_shape(model)->width, (uint32_t)time(NULL)) ||
        lt_record_read(record, bytes, &read) != LT_OK) {
        lt_cache_refuse(cache);
        return false;
    }
    lt_record_copy_payload(&read, payload);
    uint32_t expires = lt_namespace_expiry(span->space); /* or when the other daemon said, if that is earlier */
    if (read.expires && (!expires || read.expires < expires))
        expires = read.expires;
    const struct lt_latent latent = {.key = span->key,
                                     .type = read.type,
                                     .dimension = read.dimension,
                                     .namespace_id = span->space->id,
                                     .created = read.created,
                                     .expires = expires,
                                     .scale = read.scale,
                                     .token_count = span->count,
                                     .tokens = span->tokens,
                                     .payload = payload};
    lt_latent_widen(&latent, span->latent);
    if (!lt_latent_has_size(span->latent, latent.dimension, &size)) {
        lt_cache_refuse(cache);
        return false;
    }
    if (lt_store_put(cache->store, &latent, 1, NULL) != LT_OK)
        lt_count(cache->counters, LT_COUNTER_SPANS_UNSTORED, 1);
    span->lookup = LT_LOOKUP_HIT_REMOTE;
    span->joined = false;
    span->operations = 0;
    count_hit(cache, span);
    return true;
}
