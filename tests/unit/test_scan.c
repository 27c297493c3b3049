/* Walking over all records: each once, in slices of any size, without those that expired, while others are put. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "storage/scan.h"
#include "tests/unit/store_folder.h"

#define RECORDS 100
#define LONG_AGO 1

/* Which of the numbered latents were met, and how often. */
struct meetings {
    unsigned times[2 * RECORDS];
    unsigned all;
};

static void meet(void *context, const struct lt_span_key *key, const struct lt_record *record)
{
    struct meetings *meetings = context;
    uint32_t number = record->created - 1000; /* put_expiring says it there */
    uint16_t payload[DIMENSION], expected[DIMENSION];
    struct lt_span_key right = key_of(number);
    assert_in_range(number, 0, 2 * RECORDS - 1);
    assert_memory_equal(key, &right, sizeof right);
    assert_int_equal(record->dimension, DIMENSION);
    assert_int_equal(record->token_count, number % 12 + 1);
    lt_record_copy_payload(record, payload);
    fill(number, expected);
    assert_memory_equal(payload, expected, sizeof payload);
    meetings->times[number]++;
    meetings->all++;
}

/* Walks to the end. Returns how many records were there. */
static size_t walk(struct lt_store *store, size_t slice, struct meetings *meetings)
{
    struct lt_scan scan = {0};
    size_t count = slice, all = 0;
    *meetings = (struct meetings){0};
    while (count == slice) {
        assert_int_equal(lt_store_scan(store, &scan, slice, meet, meetings, &count), LT_OK);
        assert_true(count <= slice);
        all += count;
    }
    return all;
}

static void nothing_is_met_in_an_empty_store(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct meetings meetings;
    assert_int_equal(walk(store, 10, &meetings), 0);
    assert_int_equal(meetings.all, 0);
    assert_int_equal(get(store, 1), LT_LOOKUP_MISS_NEW);
    lt_store_close(store);
}

static void every_record_is_met_once_whatever_the_slices(void **state)
{
    (void)state;
    static const size_t slices[] = {1, 7, RECORDS - 1, RECORDS, RECORDS + 1, 1000};
    struct lt_store *store = open_store();
    struct meetings meetings;
    for (uint32_t number = 0; number < RECORDS; number++)
        assert_int_equal(put(store, number), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        assert_int_equal(walk(store, slices[i], &meetings), RECORDS);
        for (uint32_t number = 0; number < RECORDS; number++)
            assert_int_equal(meetings.times[number], 1);
    }
    lt_store_close(store);
}

static void what_has_expired_is_passed_over(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct meetings meetings;
    for (uint32_t number = 0; number < RECORDS; number++)
        assert_int_equal(put_expiring(store, number, number % 3 ? 0 : LONG_AGO), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(walk(store, 8, &meetings), RECORDS);
    for (uint32_t number = 0; number < RECORDS; number++)
        assert_int_equal(meetings.times[number], number % 3 ? 1 : 0);
    lt_store_close(store);
}

static void what_is_put_meanwhile_disturbs_no_other(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct meetings meetings = {0};
    struct lt_scan scan = {0};
    size_t count = 5;
    for (uint32_t number = 0; number < RECORDS; number++)
        assert_int_equal(put(store, number), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    for (uint32_t more = RECORDS; count == 5; more++) {
        assert_int_equal(lt_store_scan(store, &scan, 5, meet, &meetings, &count), LT_OK);
        if (more < 2 * RECORDS) {
            assert_int_equal(put(store, more), LT_OK);
            assert_int_equal(lt_store_flush(store), LT_OK);
        }
    }
    for (uint32_t number = 0; number < 2 * RECORDS; number++)
        assert_in_range(meetings.times[number], number < RECORDS, 1);
    lt_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(nothing_is_met_in_an_empty_store),
        IN_A_FOLDER(every_record_is_met_once_whatever_the_slices),
        IN_A_FOLDER(what_has_expired_is_passed_over),
        IN_A_FOLDER(what_is_put_meanwhile_disturbs_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
