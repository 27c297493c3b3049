/* Pins, listing and removal in the store, under a full budget and with memory running out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "storage/clearing.h"
#include "storage/listing.h"
#include "tests/unit/store_folder.h"

#define PINNED 100

static void keys_from(uint32_t first, size_t count, struct lt_span_key *ret_keys)
{
    for (uint32_t i = 0; i < count; i++)
        ret_keys[i] = key_of(first + i);
}

static void put_many(struct lt_store *store, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (put(store, first + i) == LT_EBUSY) {
            assert_int_equal(lt_store_flush(store), LT_OK);
            assert_int_equal(put(store, first + i), LT_OK);
        }
    assert_int_equal(lt_store_flush(store), LT_OK);
}

static struct lt_keys_outcome pin(struct lt_store *store, uint32_t first, size_t count)
{
    struct lt_span_key keys[PINNED];
    struct lt_keys_outcome outcome = {0};
    struct lt_error error = {0};
    assert_in_range(count, 1, PINNED);
    keys_from(first, count, keys);
    assert_int_equal(lt_store_pin(store, 0, keys, count, &outcome, &error), LT_OK);
    return outcome;
}

/* Far more than the budget goes by; what is pinned was never read. */
static void pins_outlast_a_full_budget_and_a_restart(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 0);
    uint64_t count, bytes;
    put_many(store, 0, PINNED);
    assert_int_equal(pin(store, 0, PINNED).done, PINNED);
    assert_int_equal(pin(store, PINNED, 1).missing, 1);
    for (int reopened = 0; reopened < 2; reopened++) {
        struct lt_store_stats stats;
        put_many(store, 1000 + 100000 * (uint32_t)reopened, 60000);
        lt_store_stats(store, &stats);
        assert_true(stats.evictions > 10000);
        assert_true(stats.bytes <= LT_STORE_BYTES_MIN);
        for (uint32_t i = 0; i < PINNED; i++)
            assert_true(lt_lookup_is_hit(get(store, i)));
        lt_store_pinned(store, &count, &bytes);
        assert_int_equal(count, PINNED);
        lt_store_close(store);
        store = open_with(LT_STORE_BYTES_MIN, 0);
    }
    lt_store_close(store);
}

static void pins_have_a_share_of_the_budget(void **state)
{
    (void)state;
    const uint32_t many = 12000; /* of some 600 bytes: more than a quarter of 16 MiB */
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 0);
    struct lt_span_key *keys = malloc(many * sizeof *keys);
    struct lt_keys_outcome outcome;
    struct lt_error error = {0};
    uint64_t count, bytes;
    put_many(store, 0, many);
    keys_from(0, many, keys);
    assert_int_equal(lt_store_pin(store, 0, keys, many, &outcome, &error), LT_EFULL);
    lt_store_pinned(store, &count, &bytes);
    assert_int_equal(count, 0);
    assert_int_equal(lt_store_pin(store, 0, keys, many / 2, &outcome, &error), LT_OK);
    assert_int_equal(outcome.done, many / 2);
    lt_store_pinned(store, &count, &bytes);
    assert_true(bytes <= LT_STORE_BYTES_MIN / LT_PINS_SHARE);
    assert_int_equal(lt_store_unpin(store, 0, keys, many, &outcome, &error), LT_OK);
    assert_int_equal(outcome.done, many / 2);
    assert_int_equal(outcome.already, many - many / 2);
    lt_store_pinned(store, &count, &bytes);
    assert_int_equal(count, 0);
    assert_int_equal(bytes, 0);
    free(keys);
    lt_store_close(store);
}

static void evicting_all_ends_at_what_is_pinned(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    uint64_t evicted = 0;
    put_many(store, 0, 3 * PINNED);
    pin(store, PINNED, PINNED);
    assert_int_equal(lt_store_evict_share(store, 1, &evicted), LT_OK);
    assert_int_equal(evicted, 2 * PINNED);
    for (uint32_t i = 0; i < 3 * PINNED; i++)
        assert_int_equal(get(store, i), i / PINNED == 1 ? LT_LOOKUP_HIT_DISK : LT_LOOKUP_MISS_EVICTED);
    lt_store_close(store);
}

/* On the disk, in memory, on its way to the disk: nothing is found afterwards. */
static void what_is_cleared_is_found_nowhere(void **state)
{
    (void)state;
    struct lt_store *store = open_with(64 << 20, 8 << 20);
    struct lt_store_stats stats;
    uint64_t removed = 0;
    for (int all = 0; all < 2; all++) {
        put_many(store, 0, PINNED);
        pin(store, 0, 10);
        for (int reads = 0; reads < 3; reads++)
            for (uint32_t i = 0; i < PINNED; i++)
                assert_true(lt_lookup_is_hit(get(store, i)));
        lt_store_stats(store, &stats);
        assert_true(stats.memory_entries > 0);
        assert_int_equal(put(store, PINNED), LT_OK); /* waits for the writer */
        assert_int_equal(all ? lt_store_clear(store, &removed) : lt_store_empty(store, 0, &removed), LT_OK);
        assert_int_equal(removed, PINNED + 1);
        for (uint32_t i = 0; i <= PINNED; i++)
            assert_int_equal(get(store, i), LT_LOOKUP_MISS_NEW);
        lt_store_stats(store, &stats);
        assert_int_equal(stats.entries + stats.memory_entries, 0);
    }
    lt_store_close(store);
}

struct seen {
    size_t count;
    struct lt_span_key last;
};

static int see(void *context, const struct lt_listed *listed)
{
    struct seen *seen = context;
    struct lt_span_key key = key_of(listed->record.created - 1000);
    assert_true(listed->sound);
    assert_memory_equal(&listed->key, &key, sizeof key);
    seen->count++;
    return LT_OK;
}

/* Also while records move and go. */
static void a_listing_meets_what_stays_once(void **state)
{
    (void)state;
    for (size_t slice = 1; slice < 200; slice += 33) {
        struct lt_store *store = open_store();
        struct lt_listing listing = {.begun = false};
        struct seen seen = {0};
        uint64_t removed;
        put_many(store, 0, 3 * PINNED);
        while (!listing.ended) {
            size_t before = seen.count;
            assert_int_equal(lt_store_list(store, &listing, LT_LIST_ALL, slice, see, &seen), LT_OK);
            assert_true(seen.count - before <= slice);
        }
        assert_int_equal(seen.count, 3 * PINNED);
        assert_int_equal(lt_store_clear(store, &removed), LT_OK);
        lt_store_close(store);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct lt_span_key keys[PINNED];
    struct lt_keys_outcome outcome;
    struct lt_error error;
    uint64_t evicted = 0;
    put_many(store, 0, PINNED);
    keys_from(0, PINNED, keys);
    for (size_t n = 1, failed = true; failed; n++) {
        lt_alloc_fail_at(n);
        int code = lt_store_pin(store, 0, keys, PINNED, &outcome, &error);
        lt_alloc_fail_at(0);
        assert_true(code == LT_OK || code == LT_ENOMEM);
        failed = code != LT_OK;
        assert_true(n < 100);
    }
    for (size_t n = 1; n < 4; n++) {
        lt_alloc_fail_at(n);
        int code = lt_store_evict_share(store, 1, &evicted);
        lt_alloc_fail_at(0);
        assert_true(code == LT_OK || code == LT_ENOMEM);
        assert_int_equal(evicted, 0); /* all are pinned */
    }
    assert_int_equal(lt_store_unpin(store, 0, keys, PINNED, &outcome, &error), LT_OK);
    lt_alloc_fail_at(1);
    int code = lt_store_evict_keys(store, 0, keys, PINNED, &outcome);
    lt_alloc_fail_at(0);
    assert_int_equal(code, LT_OK);
    assert_int_equal(outcome.done, PINNED);
    for (uint32_t i = 0; i < PINNED; i++)
        assert_false(lt_lookup_is_hit(get(store, i)));
    lt_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(pins_outlast_a_full_budget_and_a_restart), IN_A_FOLDER(pins_have_a_share_of_the_budget),
        IN_A_FOLDER(evicting_all_ends_at_what_is_pinned),      IN_A_FOLDER(what_is_cleared_is_found_nowhere),
        IN_A_FOLDER(a_listing_meets_what_stays_once),          IN_A_FOLDER(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
