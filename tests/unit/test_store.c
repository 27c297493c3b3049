/* The store: put and get, reopening, kinds of records, expiry, eviction, the queue's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "tests/unit/store_folder.h"

static uint64_t evictions(struct lt_store *store)
{
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    return stats.evictions;
}

static void put_is_found_at_once_and_after_reopening(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    assert_int_equal(get(store, 1), LT_LOOKUP_MISS_NEW);
    assert_int_equal(put(store, 1), LT_OK);
    assert_true(lt_lookup_is_hit(get(store, 1)));
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(get(store, 1), LT_LOOKUP_HIT_DISK);
    assert_int_equal(put(store, 2), LT_OK); /* not flushed: closing writes it */
    lt_store_close(store);
    store = open_store();
    assert_int_equal(get(store, 1), LT_LOOKUP_HIT_DISK);
    assert_int_equal(get(store, 2), LT_LOOKUP_HIT_DISK);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_int_equal(stats.entries, 2);
    lt_store_close(store);
}

static void another_dimension_is_a_miss(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    uint16_t payload[2 * DIMENSION];
    assert_int_equal(put(store, 1), LT_OK);
    struct lt_latent wider = {.key = key_of(1), .type = LT_LATENT_F16, .dimension = 2 * DIMENSION, .payload = payload};
    for (int flushed = 0; flushed < 2; flushed++) {
        enum lt_lookup lookup;
        assert_int_equal(lt_store_get(store, &wider, 1, &lookup), LT_OK);
        assert_false(lt_lookup_is_hit(lookup));
        assert_int_equal(lt_store_flush(store), LT_OK);
    }
    lt_store_close(store);
}

/* A sound record of another type is replaced as a damaged one is. */
static void the_type_is_part_of_what_is_wanted(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    static const uint32_t tokens[] = {1, 2, 3};
    int8_t numbers[DIMENSION] = {1, -2, 3}, read[DIMENSION];
    struct lt_latent latent = {.key = key_of(1),
                               .type = LT_LATENT_I8,
                               .dimension = DIMENSION,
                               .scale = 0.25f,
                               .token_count = 3,
                               .tokens = tokens,
                               .payload = numbers};
    enum lt_lookup lookup;
    assert_int_equal(put(store, 1), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(lt_store_put(store, &latent, 1, NULL), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(get(store, 1), LT_LOOKUP_MISS_NEW);
    latent.scale = 0;
    latent.payload = read;
    assert_int_equal(lt_store_get(store, &latent, 1, &lookup), LT_OK);
    assert_int_equal(lookup, LT_LOOKUP_HIT_DISK);
    assert_memory_equal(read, numbers, sizeof read);
    assert_true(latent.scale == 0.25f);
    lt_store_close(store);
}

static void what_is_no_latent_is_not_queued(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct lt_latent empty = {.key = key_of(1), .type = LT_LATENT_I8, .dimension = DIMENSION};
    size_t queued = 7;
    assert_int_equal(lt_store_put(store, &empty, 1, &queued), LT_EPARAM);
    assert_int_equal(queued, 0);
    lt_store_close(store);
}

#define LONG_AGO 1
#define FAR_AWAY UINT32_MAX

/* On its way to the disk as on the disk. */
static void what_has_expired_is_a_miss_and_is_replaced(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct lt_store_stats stats;
    for (int flushed = 0; flushed < 2; flushed++) {
        assert_int_equal(put_expiring(store, 1, LONG_AGO), LT_OK);
        if (flushed)
            assert_int_equal(lt_store_flush(store), LT_OK);
        assert_int_equal(get(store, 1), LT_LOOKUP_MISS_EXPIRED);
    }
    assert_int_equal(put_expiring(store, 1, FAR_AWAY), LT_OK);
    assert_true(lt_lookup_is_hit(get(store, 1)));
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(get(store, 1), LT_LOOKUP_HIT_DISK);
    lt_store_stats(store, &stats);
    assert_int_equal(stats.entries, 1);
    lt_store_close(store);
}

/* Both in one group: the younger one is found and remains. */
static void a_latent_replaces_an_expired_one_that_waits(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    assert_int_equal(put_expiring(store, 1, LONG_AGO), LT_OK);
    assert_int_equal(put_expiring(store, 1, FAR_AWAY), LT_OK);
    assert_true(lt_lookup_is_hit(get(store, 1)));
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(get(store, 1), LT_LOOKUP_HIT_DISK);
    lt_store_close(store);
}

static void putting_twice_keeps_one(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(put(store, 1), LT_OK);
        assert_int_equal(lt_store_flush(store), LT_OK);
    }
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_int_equal(stats.entries, 1);
    lt_store_close(store);
}

/* Spans of one text lie together and are found one from the other; what is asked for across that is found as well. */
static void batches_in_any_order_find_the_same(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct lt_store *store = open_store();
    for (uint32_t number = 0; number < COUNT; number++) {
        assert_int_equal(put(store, number), LT_OK);
        if (number % 50 == 0)
            assert_int_equal(lt_store_flush(store), LT_OK);
    }
    assert_int_equal(lt_store_flush(store), LT_OK);
    static uint16_t payloads[COUNT][DIMENSION];
    for (uint32_t stride = 1; stride < COUNT; stride += 23) {
        struct lt_latent latents[COUNT];
        enum lt_lookup lookups[COUNT];
        for (uint32_t i = 0; i < COUNT; i++)
            latents[i] = (struct lt_latent){.key = key_of(i % 7 ? i * stride % COUNT : COUNT + i),
                                            .type = LT_LATENT_F16,
                                            .dimension = DIMENSION,
                                            .payload = payloads[i]};
        assert_int_equal(lt_store_get(store, latents, COUNT, lookups), LT_OK);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint16_t expected[DIMENSION];
            fill(i * stride % COUNT, expected);
            assert_int_equal(lookups[i], i % 7 ? LT_LOOKUP_HIT_DISK : LT_LOOKUP_MISS_NEW);
            if (i % 7)
                assert_memory_equal(payloads[i], expected, sizeof expected);
        }
    }
    lt_store_close(store);
}

/* The index knows the first 8 bytes of a key. Should two share them, the later takes the place of the earlier. */
static void keys_that_begin_alike_are_told_apart(void **state)
{
    (void)state;
    static const uint32_t tokens[] = {1};
    struct lt_store *store = open_store();
    uint16_t payload[DIMENSION];
    fill(1, payload);
    struct lt_latent twin = {.key = key_of(1),
                             .type = LT_LATENT_F16,
                             .dimension = DIMENSION,
                             .token_count = 1,
                             .tokens = tokens,
                             .payload = payload};
    enum lt_lookup lookup;
    twin.key.bytes[31] ^= 1;
    assert_int_equal(put(store, 1), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(lt_store_get(store, &twin, 1, &lookup), LT_OK);
    assert_int_equal(lookup, LT_LOOKUP_MISS_NEW);
    assert_int_equal(lt_store_put(store, &twin, 1, NULL), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(lt_store_get(store, &twin, 1, &lookup), LT_OK);
    assert_int_equal(lookup, LT_LOOKUP_HIT_DISK);
    assert_int_equal(get(store, 1), LT_LOOKUP_MISS_NEW);
    lt_store_close(store);
}

/* From the second time on that it was read from disk. */
static void what_is_read_again_is_kept_in_memory(void **state)
{
    (void)state;
    struct lt_store *store = open_with(64 << 20, 1 << 20);
    struct lt_store_stats stats;
    for (uint32_t number = 0; number < 2; number++)
        assert_int_equal(put(store, number), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(get(store, 0), LT_LOOKUP_HIT_DISK);
    assert_int_equal(get(store, 0), LT_LOOKUP_HIT_DISK);
    assert_int_equal(get(store, 0), LT_LOOKUP_HIT_MEMORY);
    assert_int_equal(get(store, 1), LT_LOOKUP_HIT_DISK);
    lt_store_stats(store, &stats);
    assert_int_equal(stats.memory_entries, 1);
    assert_int_equal(stats.entries, 2);
    lt_store_close(store);
}

static void it_says_what_it_holds(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    assert_int_equal(put(store, 1), LT_OK);
    assert_int_equal(put(store, 3), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    const struct lt_span_key keys[] = {key_of(1), key_of(2), key_of(3)};
    bool holds[3];
    lt_store_holds(store, keys, 3, holds);
    assert_true(holds[0] && !holds[1] && holds[2]);
    lt_store_close(store);
}

/* Those in use first, then the latest; the oldest are forgotten. */
static void encoders_are_remembered(void **state)
{
    (void)state;
    const uint8_t(*fingerprints)[LT_FINGERPRINT_BYTES];
    for (uint8_t encoder = 1; encoder < 2 * LT_STORE_ENCODERS_MAX; encoder++) {
        const uint8_t fingerprint[LT_FINGERPRINT_BYTES] = {encoder}, *const used[] = {fingerprint, fingerprint};
        const struct lt_store_options options = {.path = path,
                                                 .budget_bytes = 64 << 20,
                                                 .commit_milliseconds = 10,
                                                 .commit_bytes = 1 << 20,
                                                 .encoders = used,
                                                 .encoder_count = 2};
        struct lt_store *store;
        struct lt_error error;
        assert_int_equal(lt_store_open(&options, &store, &error), LT_OK);
        size_t count = lt_store_encoders(store, &fingerprints);
        assert_int_equal(count, encoder < LT_STORE_ENCODERS_MAX ? encoder : LT_STORE_ENCODERS_MAX);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(fingerprints[i][0], encoder - i);
        lt_store_close(store);
    }
}

static void lifetime_counters_outlive_the_store(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 3; round++) {
        struct lt_store *store = open_store();
        assert_int_equal(lt_store_lifetime(store, 3), 10 * round);
        lt_store_lifetime_add(store, 3, 10);
        lt_store_lifetime_add(store, LT_LIFETIME_COUNTERS - 1, UINT64_C(1) << 40);
        lt_store_close(store);
    }
    struct lt_store *store = open_store();
    assert_int_equal(lt_store_lifetime(store, LT_LIFETIME_COUNTERS - 1), UINT64_C(3) << 40);
    lt_store_close(store);
}

/* Puts latents from *next on until so many are evicted, reading latent 7 now and then; the budget must hold all the
 * while. */
static void put_until_evicted(struct lt_store *store, uint64_t count, uint32_t *next)
{
    struct lt_store_stats stats;
    uint64_t until = evictions(store) + count;
    do {
        for (int i = 0; i < 500; i++)
            assert_int_equal(put(store, (*next)++), LT_OK);
        assert_int_equal(lt_store_flush(store), LT_OK);
        assert_true(lt_lookup_is_hit(get(store, 7)));
        lt_store_stats(store, &stats);
        assert_true(stats.bytes <= stats.budget_bytes);
        assert_true(*next < 300000);
    } while (stats.evictions < until);
    assert_int_equal(stats.write_failures, 0);
    assert_int_equal(stats.entries + stats.evictions, *next);
}

static void eviction_keeps_the_budget_and_what_is_read(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 0);
    uint32_t next = 0;
    put_until_evicted(store, 1, &next);
    assert_int_equal(get(store, 8), LT_LOOKUP_MISS_EVICTED);
    uint64_t full = next - evictions(store);
    put_until_evicted(store, 60000, &next);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_true(stats.entries > full * 95 / 100);        /* no room is lost to what was evicted */
    assert_int_equal(get(store, 8), LT_LOOKUP_MISS_NEW); /* forgotten after as many evictions as there is room */
    assert_int_equal(get(store, next + 1), LT_LOOKUP_MISS_NEW);
    lt_store_close(store);
}

/* Reads that memory answers count as well. */
static void what_is_read_in_memory_stays_on_disk(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 1 << 20);
    uint32_t next = 0;
    put_until_evicted(store, 60000, &next);
    assert_int_equal(get(store, 7), LT_LOOKUP_HIT_MEMORY);
    lt_store_close(store);
    store = open_with(LT_STORE_BYTES_MIN, 0);
    assert_int_equal(get(store, 7), LT_LOOKUP_HIT_DISK);
    lt_store_close(store);
}

/* A latent that was evicted and is put again outlives those that are new with it. */
static void what_comes_back_stays_longer(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 0);
    struct lt_store_stats stats;
    uint32_t next = 0;
    put_until_evicted(store, 1000, &next);
    uint32_t first_new = next;
    assert_int_equal(get(store, 20), LT_LOOKUP_MISS_EVICTED);
    assert_int_equal(put(store, 20), LT_OK);
    lt_store_stats(store, &stats);
    uint64_t held = stats.entries, until = evictions(store) + held + held / 2;
    while (evictions(store) < until) {
        for (int i = 0; i < 500; i++)
            assert_int_equal(put(store, next++), LT_OK);
        assert_int_equal(lt_store_flush(store), LT_OK);
        assert_true(next < 300000);
    }
    assert_int_equal(get(store, first_new), LT_LOOKUP_MISS_EVICTED);
    assert_int_equal(get(store, 20), LT_LOOKUP_HIT_DISK);
    lt_store_close(store);
}

static void queue_has_an_end(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    int code = LT_OK;
    uint32_t number = 0;
    while (code == LT_OK && number < 4 * LT_WRITER_QUEUE_MAX)
        code = put(store, number++);
    assert_true(code == LT_OK || code == LT_EBUSY);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_true(stats.waiting <= LT_WRITER_QUEUE_MAX);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(put(store, number), LT_OK);
    lt_store_close(store);
}

/* Lets the n-th allocation fail, n = 1, 2, ... until none fails any more. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    const struct lt_store_options options = {
        .path = path, .budget_bytes = 64 << 20, .commit_milliseconds = 10, .commit_bytes = 1 << 20};
    bool clean = false;
    for (size_t n = 1; !clean; n++) {
        struct lt_store *store = NULL;
        struct lt_error error = {0};
        assert_true(n < 100);
        lt_alloc_fail_at(n);
        int code = lt_store_open(&options, &store, &error);
        if (code == LT_OK) {
            int put_code = put(store, (uint32_t)n);
            assert_true(put_code == LT_OK || put_code == LT_ENOMEM);
            clean = put_code == LT_OK;
            lt_alloc_fail_at(0);
            assert_int_equal(lt_lookup_is_hit(get(store, (uint32_t)n)), clean);
            assert_int_equal(lt_store_flush(store), LT_OK);
            lt_store_close(store);
        } else {
            lt_alloc_fail_at(0);
            assert_int_equal(code, LT_ENOMEM);
            assert_int_equal(error.code, LT_ENOMEM);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(put_is_found_at_once_and_after_reopening),
        IN_A_FOLDER(another_dimension_is_a_miss),
        IN_A_FOLDER(the_type_is_part_of_what_is_wanted),
        IN_A_FOLDER(what_is_no_latent_is_not_queued),
        IN_A_FOLDER(what_has_expired_is_a_miss_and_is_replaced),
        IN_A_FOLDER(a_latent_replaces_an_expired_one_that_waits),
        IN_A_FOLDER(putting_twice_keeps_one),
        IN_A_FOLDER(it_says_what_it_holds),
        IN_A_FOLDER(encoders_are_remembered),
        IN_A_FOLDER(lifetime_counters_outlive_the_store),
        IN_A_FOLDER(batches_in_any_order_find_the_same),
        IN_A_FOLDER(keys_that_begin_alike_are_told_apart),
        IN_A_FOLDER(what_is_read_again_is_kept_in_memory),
        IN_A_FOLDER(what_is_read_in_memory_stays_on_disk),
        IN_A_FOLDER(what_comes_back_stays_longer),
        IN_A_FOLDER(eviction_keeps_the_budget_and_what_is_read),
        IN_A_FOLDER(queue_has_an_end),
        IN_A_FOLDER(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
