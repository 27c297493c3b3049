/* Latents in memory: what was kept is found, what was read stays longest, and nothing that does not fit or does not
 * serve is handed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "storage/memory.h"

#define DIMENSION 40
#define NOW 1000

static int8_t numbers[2 * DIMENSION];

/* All share the bytes that choose a set, so that they compete for its ways. */
static struct lt_latent latent(uint32_t number)
{
    struct lt_latent made = {.type = LT_LATENT_I8,
                             .dimension = DIMENSION,
                             .namespace_id = number,
                             .created = NOW - 1,
                             .scale = (float)number,
                             .token_count = 5,
                             .payload = numbers};
    memcpy(made.key.bytes, &number, sizeof number);
    uint32_t tag = 2 * number;
    memcpy(made.key.bytes + 20, &tag, sizeof tag);
    for (int i = 0; i < DIMENSION; i++)
        numbers[i] = (int8_t)(number * 3 + i);
    return made;
}

static void keep(struct lt_memory *memory, uint32_t number)
{
    struct lt_latent made = latent(number);
    lt_memory_keep(memory, &made, lt_memory_age(memory));
}

/* What is found must be right. */
static bool finds(struct lt_memory *memory, uint32_t number)
{
    int8_t read[DIMENSION] = {0};
    struct lt_latent expected = latent(number),
                     wanted = {.key = expected.key, .type = LT_LATENT_I8, .dimension = DIMENSION, .payload = read};
    enum lt_lookup lookup = LT_LOOKUP_MISS_NEW;
    size_t found = lt_memory_get(memory, &wanted, 1, NOW, &lookup);
    assert_int_equal(found, lookup == LT_LOOKUP_HIT_MEMORY);
    if (found) {
        assert_memory_equal(read, numbers, sizeof read);
        assert_int_equal(wanted.namespace_id, number);
        assert_int_equal(wanted.created, NOW - 1);
        assert_int_equal(wanted.token_count, 5);
        assert_true(wanted.scale == (float)number);
    }
    return found;
}

static void what_is_kept_is_found(void **state)
{
    (void)state;
    struct lt_memory memory;
    assert_int_equal(lt_memory_init(&memory, 1 << 20, DIMENSION), LT_OK);
    assert_false(finds(&memory, 1));
    for (uint32_t number = 1; number <= 8; number++)
        keep(&memory, number);
    keep(&memory, 1); /* once more is not one more */
    for (uint32_t number = 1; number <= 8; number++)
        assert_true(finds(&memory, number));
    assert_int_equal(lt_memory_entries(&memory), 8);
    lt_memory_finish(&memory);
}

static void what_was_read_stays_longest(void **state)
{
    (void)state;
    struct lt_memory memory;
    assert_int_equal(lt_memory_init(&memory, 1 << 20, DIMENSION), LT_OK);
    for (uint32_t number = 1; number < 100; number++) {
        keep(&memory, number);
        assert_true(finds(&memory, 1));
    }
    size_t held = 0;
    for (uint32_t number = 1; number < 100; number++)
        held += finds(&memory, number);
    assert_int_equal(held, 8);
    assert_int_equal(lt_memory_entries(&memory), 8);
    lt_memory_finish(&memory);
}

/* What is dropped is gone, and what was being read meanwhile does not come back. */
static void what_is_dropped_is_gone(void **state)
{
    (void)state;
    struct lt_memory memory;
    assert_int_equal(lt_memory_init(&memory, 1 << 20, DIMENSION), LT_OK);
    for (uint32_t number = 1; number <= 4; number++)
        keep(&memory, number);
    uint64_t before = lt_memory_age(&memory);
    const struct lt_span_key keys[] = {latent(2).key, latent(3).key, latent(7).key};
    lt_memory_drop(&memory, keys, 3);
    assert_true(finds(&memory, 1) && !finds(&memory, 2) && !finds(&memory, 3) && finds(&memory, 4));
    assert_int_equal(lt_memory_entries(&memory), 2);
    struct lt_latent late = latent(2);
    lt_memory_keep(&memory, &late, before);
    assert_false(finds(&memory, 2));
    keep(&memory, 2);
    assert_true(finds(&memory, 2));
    lt_memory_clear(&memory);
    assert_true(!finds(&memory, 1) && !finds(&memory, 2) && !finds(&memory, 4));
    assert_int_equal(lt_memory_entries(&memory), 0);
    lt_memory_finish(&memory);
}

static void only_what_serves_is_handed_out(void **state)
{
    (void)state;
    struct lt_memory memory;
    uint16_t read[DIMENSION];
    enum lt_lookup lookup = LT_LOOKUP_MISS_NEW;
    assert_int_equal(lt_memory_init(&memory, 1 << 20, DIMENSION), LT_OK);
    struct lt_latent made = latent(1);
    made.expires = NOW + 1;
    lt_memory_keep(&memory, &made, lt_memory_age(&memory));
    made.payload = read;
    assert_int_equal(lt_memory_get(&memory, &made, 1, NOW + 1, &lookup), 0);
    made.dimension = DIMENSION - 1;
    assert_int_equal(lt_memory_get(&memory, &made, 1, NOW, &lookup), 0);
    made.dimension = DIMENSION;
    made.type = LT_LATENT_F16;
    assert_int_equal(lt_memory_get(&memory, &made, 1, NOW, &lookup), 0);
    made.type = LT_LATENT_I8;
    made.key.bytes[0] ^= 1; /* the same set, the same tag, another key */
    assert_int_equal(lt_memory_get(&memory, &made, 1, NOW, &lookup), 0);
    assert_int_equal(lookup, LT_LOOKUP_MISS_NEW);
    made.key.bytes[0] ^= 1;
    assert_int_equal(lt_memory_get(&memory, &made, 1, NOW, &lookup), 1);
    lt_memory_finish(&memory);
}

static void what_is_found_already_is_left_alone(void **state)
{
    (void)state;
    struct lt_memory memory;
    enum lt_lookup lookup = LT_LOOKUP_HIT_DISK;
    assert_int_equal(lt_memory_init(&memory, 1 << 20, DIMENSION), LT_OK);
    keep(&memory, 1);
    struct lt_latent made = latent(1);
    made.payload = NULL;
    assert_int_equal(lt_memory_get(&memory, &made, 1, NOW, &lookup), 0);
    assert_int_equal(lookup, LT_LOOKUP_HIT_DISK);
    lt_memory_finish(&memory);
}

static void too_large_or_no_room_is_not_kept(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 100, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct lt_memory memory;
        assert_int_equal(lt_memory_init(&memory, sizes[i], DIMENSION - 1), LT_OK);
        keep(&memory, 1);
        assert_false(finds(&memory, 1));
        assert_int_equal(lt_memory_entries(&memory), 0);
        lt_memory_finish(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_found),
        cmocka_unit_test(what_was_read_stays_longest),
        cmocka_unit_test(what_is_dropped_is_gone),
        cmocka_unit_test(only_what_serves_is_handed_out),
        cmocka_unit_test(what_is_found_already_is_left_alone),
        cmocka_unit_test(too_large_or_no_room_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
