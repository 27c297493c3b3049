/* For tests of the store: a folder made anew for each case, and in it latents made from numbers, so that what is found
 * can be checked. */
#ifndef LT_TESTS_UNIT_STORE_FOLDER_H
#define LT_TESTS_UNIT_STORE_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/store.h"

#define DIMENSION 256
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

static char folder[64], path[96];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-store-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/store", folder);
    return 0;
}

static inline int remove_entry(const char *name, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(name);
}

static inline int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct lt_store *open_with(uint64_t budget, uint64_t memory)
{
    const struct lt_store_options options = {.path = path,
                                             .budget_bytes = budget,
                                             .memory_bytes = memory,
                                             .memory_payload_bytes = 2 * DIMENSION,
                                             .commit_milliseconds = 10,
                                             .commit_bytes = 1 << 20};
    struct lt_store *store = NULL;
    struct lt_error error = {0};
    int code = lt_store_open(&options, &store, &error);
    if (code)
        print_error("%s\n", error.message);
    assert_int_equal(code, LT_OK);
    return store;
}

static inline struct lt_store *open_store(void)
{
    return open_with(64 << 20, 0);
}

static inline struct lt_span_key key_of(uint32_t number)
{
    static const uint8_t fingerprint[32] = {1};
    struct lt_span_key key;
    lt_span_key(fingerprint, NULL, 0, &number, 1, &key);
    return key;
}

static inline void fill(uint32_t number, uint16_t *payload)
{
    for (uint32_t i = 0; i < DIMENSION; i++)
        payload[i] = (uint16_t)(number * 31 + i);
}

static inline int put_in(struct lt_store *store, uint32_t space, uint32_t number, uint32_t expires)
{
    static const uint32_t tokens[12] = {5, 6, 7};
    uint16_t payload[DIMENSION];
    fill(number, payload);
    const struct lt_latent latent = {.key = key_of(number),
                                     .type = LT_LATENT_F16,
                                     .dimension = DIMENSION,
                                     .namespace_id = space,
                                     .created = 1000 + number,
                                     .expires = expires,
                                     .token_count = number % 12 + 1,
                                     .tokens = tokens,
                                     .payload = payload};
    return lt_store_put(store, &latent, 1, NULL);
}

static inline int put_expiring(struct lt_store *store, uint32_t number, uint32_t expires)
{
    return put_in(store, 0, number, expires);
}

static inline int put(struct lt_store *store, uint32_t number)
{
    return put_expiring(store, number, 0);
}

/* Looks a latent up; what is found must be right. */
static inline enum lt_lookup get(struct lt_store *store, uint32_t number)
{
    uint16_t payload[DIMENSION] = {0}, expected[DIMENSION];
    struct lt_latent latent = {
        .key = key_of(number), .type = LT_LATENT_F16, .dimension = DIMENSION, .payload = payload};
    enum lt_lookup lookup;
    assert_int_equal(lt_store_get(store, &latent, 1, &lookup), LT_OK);
    if (lt_lookup_is_hit(lookup)) {
        fill(number, expected);
        assert_memory_equal(payload, expected, sizeof expected);
        assert_int_equal(latent.token_count, number % 12 + 1);
        assert_int_equal(latent.created, 1000 + number);
    }
    return lookup;
}

#endif
