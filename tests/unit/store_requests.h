/* Everything that can be asked of a store, each as a function that says what came of it; and what has to be stored for
 * it to have something to do. */
#ifndef LT_TESTS_UNIT_STORE_REQUESTS_H
#define LT_TESTS_UNIT_STORE_REQUESTS_H

#include <time.h>

#include "storage/backup.h"
#include "storage/clearing.h"
#include "storage/documents.h"
#include "storage/listing.h"
#include "storage/namespaces.h"
#include "storage/pins.h"
#include "storage/refined.h"
#include "storage/repair.h"
#include "storage/scan.h"
#include "tests/unit/store_folder.h"

#define LATENTS 24
#define TENANTS 5000 /* number of the first latent that is a tenant's */
#define SPANS 3

static uint32_t tenant;

/* Without waiting for the disk, which nothing here is about. */
static inline struct lt_store *open_relaxed(void)
{
    const struct lt_store_options options = {.path = path,
                                             .budget_bytes = 64 << 20,
                                             .durability = LT_DURABILITY_RELAXED,
                                             .commit_milliseconds = 1,
                                             .commit_bytes = 1 << 20};
    struct lt_store *store = NULL;
    struct lt_error error;
    assert_int_equal(lt_store_open(&options, &store, &error), LT_OK);
    return store;
}

/* --- what is stored --- */

static inline void keys_from(uint32_t first, struct lt_span_key *keys)
{
    for (uint32_t i = 0; i < LATENTS; i++)
        keys[i] = key_of(first + i);
}

static inline void note_code(void *context, int code)
{
    *(int *)context = code;
}

static inline int write_changes(struct lt_store *store, struct lt_changes *changes)
{
    int code = 1;
    lt_store_change(store, changes, note_code, &code);
    (void)lt_store_flush(store);
    assert_int_not_equal(code, 1);
    return code;
}

static inline int put_document(struct lt_store *store)
{
    static const uint8_t lengths[SPANS] = {1, 1, 1};
    static const uint32_t ids[SPANS] = {1, 2, 3};
    struct lt_span_key keys[SPANS] = {key_of(1), key_of(2), key_of(3)};
    const struct lt_document_part part = {
        .spans = SPANS, .tokens = SPANS, .bytes = 4, .keys = keys, .ids = ids, .lengths = lengths, .text = "text"};
    const struct lt_document document = {
        .count = 1, .versions = {{.number = 1, .parts = 1, .bytes = 4, .tokens = SPANS, .spans = SPANS}}};
    struct lt_changes *changes = lt_changes_create(0);
    int code = changes ? lt_document_part_put(changes, "name", 1, 0, &part) : LT_ENOMEM;
    if (code == LT_OK)
        code = lt_document_put(changes, "name", &document);
    if (code) {
        lt_changes_destroy(changes);
        return code;
    }
    return write_changes(store, changes);
}

static inline int put_refined(struct lt_store *store)
{
    static uint32_t times;
    float refined[4] = {1, 2, 3, 4};
    struct lt_changes *changes = lt_changes_create(0);
    struct lt_span_key chain[2] = {key_of(++times), key_of(0)};
    int code = changes ? LT_OK : LT_ENOMEM;
    for (int i = 0; i < 2 && code == LT_OK; i++)
        code = lt_refined_put(changes, &chain[i], 4, refined);
    if (code) {
        lt_changes_destroy(changes);
        return code;
    }
    return write_changes(store, changes);
}

/* Puts everything back that a request may have removed. */
static inline void prepare(struct lt_store *store)
{
    struct lt_namespace space;
    struct lt_error error;
    bool created;
    uint64_t quota = 20000;
    assert_int_equal(lt_namespace_put(store, "tenant", &(struct lt_namespace_settings){.quota_bytes = &quota}, &space,
                                      &created, &error),
                     LT_OK);
    tenant = space.id;
    for (uint32_t i = 0; i < LATENTS; i++) {
        assert_int_equal(put(store, i), LT_OK);
        assert_int_equal(put_in(store, tenant, TENANTS + i, 0), LT_OK);
    }
    assert_int_equal(lt_store_flush(store), LT_OK);
}

/* --- what is asked --- */

static inline int ask_get(struct lt_store *store)
{
    uint16_t payloads[LATENTS][DIMENSION];
    struct lt_latent latents[LATENTS];
    enum lt_lookup lookups[LATENTS];
    for (uint32_t i = 0; i < LATENTS; i++)
        latents[i] =
            (struct lt_latent){.key = key_of(i), .type = LT_LATENT_F16, .dimension = DIMENSION, .payload = payloads[i]};
    return lt_store_get(store, latents, LATENTS, lookups);
}

static inline int ask_holds(struct lt_store *store)
{
    struct lt_span_key keys[LATENTS];
    bool holds[LATENTS];
    keys_from(0, keys);
    lt_store_holds(store, keys, LATENTS, holds);
    return LT_OK;
}

static inline int ask_put(struct lt_store *store)
{
    static uint32_t number = 20000;
    uint32_t soon = (uint32_t)time(NULL) + 1;
    int code = put(store, number++);
    if (code == LT_OK)
        code = put_expiring(store, number++, soon);
    if (code == LT_OK)
        code = put_in(store, tenant, number++, soon);
    return code ? code : lt_store_flush(store);
}

static inline int ask_put_in_place_of_expired_ones(struct lt_store *store)
{
    int code = put_expiring(store, 90, 1);
    if (code == LT_OK)
        code = lt_store_flush(store);
    if (code == LT_OK)
        code = put_expiring(store, 90, 0);
    return code ? code : lt_store_flush(store);
}

static inline int ask_replace(struct lt_store *store)
{
    static const uint32_t tokens[1] = {5};
    uint16_t payload[DIMENSION];
    fill(60, payload);
    const struct lt_latent latent = {.key = key_of(60),
                                     .type = LT_LATENT_F16,
                                     .dimension = DIMENSION,
                                     .created = 1060,
                                     .token_count = 1,
                                     .tokens = tokens,
                                     .payload = payload};
    int code = lt_store_replace(store, &latent);
    return code ? code : lt_store_flush(store);
}

static inline int ask_pin(struct lt_store *store)
{
    struct lt_span_key keys[LATENTS];
    struct lt_keys_outcome outcome;
    struct lt_error error;
    keys_from(0, keys);
    int code = lt_store_pin(store, 0, keys, LATENTS, &outcome, &error);
    return code ? code : lt_store_unpin(store, 0, keys, LATENTS, &outcome, &error);
}

static inline int ask_evict_keys(struct lt_store *store)
{
    struct lt_span_key keys[LATENTS];
    struct lt_keys_outcome outcome;
    keys_from(0, keys);
    return lt_store_evict_keys(store, 0, keys, LATENTS, &outcome);
}

static inline int ask_evict_share_of(struct lt_store *store)
{
    uint64_t evicted;
    return lt_store_evict_share_of(store, tenant, 0.5, &evicted);
}

static inline int ask_empty(struct lt_store *store)
{
    uint64_t removed;
    return lt_store_empty(store, tenant, &removed);
}

static inline int ask_remove(struct lt_store *store)
{
    struct lt_span_key keys[LATENTS];
    uint64_t removed;
    keys_from(0, keys);
    return lt_store_remove(store, keys, LATENTS, &removed);
}

static inline int ask_fill_a_quota(struct lt_store *store)
{
    static uint32_t number = 30000;
    int code = LT_OK;
    for (int i = 0; i < 30 && code == LT_OK; i++)
        code = put_in(store, tenant, number++, 0);
    return code ? code : lt_store_flush(store);
}

static inline int ask_namespace(struct lt_store *store)
{
    struct lt_namespace space;
    struct lt_error error;
    uint32_t ttl = 100;
    uint64_t removed;
    bool created;
    int code = lt_namespace_put(store, "guest", &(struct lt_namespace_settings){.ttl_seconds = &ttl}, &space, &created,
                                &error);
    if (code == LT_OK)
        code = put_in(store, space.id, 7000, lt_namespace_expiry(&space));
    return code ? code : lt_namespace_remove(store, "guest", &removed, &error);
}

static inline int visit(void *context, const struct lt_listed *listed)
{
    (void)listed;
    ++*(size_t *)context;
    return LT_OK;
}

static inline int ask_list(struct lt_store *store)
{
    const uint32_t which[] = {LT_LIST_ALL, 0, tenant};
    int code = LT_OK;
    for (size_t i = 0; i < sizeof which / sizeof *which && code == LT_OK; i++) {
        struct lt_listing listing = {.begun = false};
        size_t count = 0;
        while (code == LT_OK && !listing.ended)
            code = lt_store_list(store, &listing, which[i], 10, visit, &count);
    }
    return code;
}

static inline void look(void *context, const struct lt_span_key *key, const struct lt_record *record)
{
    (void)key;
    (void)record;
    ++*(size_t *)context;
}

static inline int ask_scan(struct lt_store *store)
{
    struct lt_scan scan = {0};
    size_t count = 10, seen = 0;
    int code = LT_OK;
    while (code == LT_OK && count == 10)
        code = lt_store_scan(store, &scan, 10, look, &seen, &count);
    return code;
}

static inline int ask_documents(struct lt_store *store)
{
    char name[LT_DOCUMENT_NAME_MAX + 1];
    struct lt_document document;
    struct lt_document_part part;
    uint64_t bytes, most;
    int code = put_document(store);
    if (code == LT_OK)
        code = lt_document_find(store, 0, "name", &document);
    if (code == LT_OK)
        code = lt_document_next(store, 0, "", name, &document);
    if (code == LT_OK)
        code = lt_documents_used(store, &bytes, &most);
    if (code == LT_OK)
        code = lt_document_part_read(store, 0, "name", 1, 0, &part);
    if (code == LT_OK)
        lt_document_part_finish(&part);
    struct lt_changes *changes = code ? NULL : lt_changes_create(0);
    if (code == LT_OK)
        code = changes ? lt_document_remove(changes, "name", &document) : LT_ENOMEM;
    if (code) {
        lt_changes_destroy(changes);
        return code;
    }
    return write_changes(store, changes);
}

static inline int ask_refined(struct lt_store *store)
{
    struct lt_span_key chain[2] = {key_of(0), key_of(1)};
    float refined[8];
    size_t found;
    int code = put_refined(store);
    return code ? code : lt_refined_get(store, chain, 2, 4, refined, &found);
}

static inline int go_on(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return 0;
}

static inline int ask_backup(struct lt_store *store)
{
    static int number;
    char copy[128];
    struct lt_error error;
    uint64_t bytes;
    snprintf(copy, sizeof copy, "%s/copy-%d", folder, number++);
    return lt_store_backup(store, copy, go_on, NULL, &bytes, &error);
}

static const struct request {
    const char *name;
    int (*ask)(struct lt_store *store);
} requests[] = {
    {"get", ask_get},
    {"holds", ask_holds},
    {"put", ask_put},
    {"put in place of expired ones", ask_put_in_place_of_expired_ones},
    {"replace", ask_replace},
    {"pin", ask_pin},
    {"evict keys", ask_evict_keys},
    {"evict a share of a namespace", ask_evict_share_of},
    {"empty a namespace", ask_empty},
    {"remove", ask_remove},
    {"fill a quota", ask_fill_a_quota},
    {"namespace", ask_namespace},
    {"list", ask_list},
    {"scan", ask_scan},
    {"documents", ask_documents},
    {"refined", ask_refined},
    {"backup", ask_backup},
};

#endif
