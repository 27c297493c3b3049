/* Every call into LMDB, and every allocation, that a store makes is made to fail, one after the other, for everything
 * that can be asked of it. It says so, or does without; it does not crash, and what it had acknowledged is there and
 * right afterwards, also for those who open it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "proto/alloc.h"
#include "tests/unit/failing_lmdb.h"
#include "tests/unit/store_requests.h"

#define ACKNOWLEDGED 1000 /* number of the first latent that no request touches */

/* Latents that nobody touched are there, and each is what it was: get checks that. */
static void check(struct lt_store *store)
{
    for (uint32_t i = 0; i < LATENTS; i++)
        assert_int_equal(get(store, ACKNOWLEDGED + i), LT_LOOKUP_HIT_DISK);
}

static struct lt_store *begin(void)
{
    struct lt_store *store = open_relaxed();
    prepare(store);
    for (uint32_t i = 0; i < LATENTS; i++)
        assert_int_equal(put(store, ACKNOWLEDGED + i), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    return store;
}

/* Asks again and again, and lets one thing more work each time, until nothing fails. */
static void fail_everything(size_t (*fail_at)(size_t number))
{
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct lt_store *store = begin();
        size_t number = 1, errors = 0;
        for (bool failed = true; failed; number++) {
            prepare(store);
            fail_at(number);
            int code = requests[i].ask(store);
            failed = fail_at(0) == 0;
            errors += code != LT_OK;
            if (!failed && code)
                fail_msg("%s: nothing failed, and it says %s", requests[i].name, lt_error_name(code));
            if (code > 0)
                fail_msg("%s: %d is no error of ours", requests[i].name, code);
            check(store);
        }
        print_message("%-30s %3zu things failed, %3zu times it said so\n", requests[i].name, number - 2, errors);
        lt_store_close(store);
        store = open_relaxed();
        check(store);
        lt_store_close(store);
        remove_folder(NULL);
        make_folder(NULL);
    }
}

static void every_call_may_find_the_disk_broken(void **state)
{
    (void)state;
    failing_code = EIO;
    fail_everything(fail_lmdb_at);
}

static void every_call_may_find_the_disk_full(void **state)
{
    (void)state;
    failing_code = MDB_MAP_FULL;
    fail_everything(fail_lmdb_at);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    fail_everything(lt_alloc_fail_at);
}

/* Opening, for the first time and later, with each thing failing in turn. */
static void fail_opening(size_t (*fail_at)(size_t number))
{
    static const uint8_t fingerprint[LT_FINGERPRINT_BYTES] = {7};
    const uint8_t *const encoders[] = {fingerprint};
    const struct lt_store_options options = {.path = path,
                                             .budget_bytes = 64 << 20,
                                             .memory_bytes = 1 << 20,
                                             .memory_payload_bytes = 2 * DIMENSION,
                                             .encoders = encoders,
                                             .encoder_count = 1,
                                             .commit_milliseconds = 10,
                                             .commit_bytes = 1 << 20};
    for (size_t number = 1;; number++) {
        struct lt_store *store = NULL;
        struct lt_error error = {0};
        fail_at(number);
        int code = lt_store_open(&options, &store, &error);
        bool failed = fail_at(0) == 0;
        if (code) {
            assert_null(store);
            assert_true(strlen(error.message) > 0 && error.code == code);
        } else {
            lt_store_close(store);
        }
        if (!failed) {
            assert_int_equal(code, LT_OK);
            return;
        }
    }
}

static void opening_says_what_failed(void **state)
{
    (void)state;
    failing_code = EIO;
    fail_opening(fail_lmdb_at);
    fail_opening(lt_alloc_fail_at);
    struct lt_store *store = begin();
    struct lt_span_key keys[LATENTS];
    struct lt_keys_outcome outcome;
    struct lt_error error;
    keys_from(0, keys);
    assert_int_equal(lt_store_pin(store, 0, keys, LATENTS, &outcome, &error), LT_OK);
    lt_store_close(store);
    fail_opening(fail_lmdb_at);
    fail_opening(lt_alloc_fail_at);
    store = open_relaxed();
    check(store);
    lt_store_close(store);
}

static void everything_may_fail_when_all_is_cleared(void **state)
{
    (void)state;
    uint64_t removed;
    failing_code = EIO;
    for (size_t number = 1;; number++) {
        struct lt_store *store = begin();
        fail_lmdb_at(number);
        int code = number % 2 ? lt_store_clear(store, &removed) : lt_store_evict_share(store, 1, &removed);
        bool failed = fail_lmdb_at(0) == 0;
        if (!failed)
            assert_int_equal(code, LT_OK);
        for (uint32_t i = 0; i < LATENTS; i++) /* there or not: never another's */
            (void)get(store, ACKNOWLEDGED + i);
        lt_store_close(store);
        if (!failed)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(every_call_may_find_the_disk_broken),
        IN_A_FOLDER(every_call_may_find_the_disk_full),
        IN_A_FOLDER(every_allocation_may_fail),
        IN_A_FOLDER(opening_says_what_failed),
        IN_A_FOLDER(everything_may_fail_when_all_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
