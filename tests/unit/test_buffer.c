/* The bounded buffer: growth, its limit, and memory that runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "proto/buffer.h"
#include "proto/error.h"

static void grows_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct lt_buffer buffer;
    lt_buffer_init(&buffer, 100000);
    assert_null(buffer.data);
    for (uint32_t i = 0; i < 25000; i++)
        assert_int_equal(lt_buffer_append(&buffer, &i, sizeof i), LT_OK);
    assert_int_equal(buffer.size, 100000);
    for (uint32_t i = 0; i < 25000; i++)
        assert_memory_equal(buffer.data + 4 * i, &i, sizeof i);
    lt_buffer_finish(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.max, 100000);
}

static void stops_at_its_limit(void **state)
{
    (void)state;
    struct lt_buffer buffer;
    lt_buffer_init(&buffer, 5);
    assert_int_equal(lt_buffer_append(&buffer, "abcd", 4), LT_OK);
    assert_int_equal(lt_buffer_append(&buffer, "ef", 2), LT_ETOOLARGE);
    assert_int_equal(buffer.size, 4);
    assert_int_equal(lt_buffer_reserve(&buffer, SIZE_MAX), LT_ETOOLARGE);
    assert_int_equal(lt_buffer_append(&buffer, "e", 1), LT_OK);
    assert_true(buffer.capacity <= 5);
    assert_memory_equal(buffer.data, "abcde", 5);
    lt_buffer_finish(&buffer);
}

static void appends_nothing_to_nothing(void **state)
{
    (void)state;
    struct lt_buffer buffer;
    lt_buffer_init(&buffer, 0);
    assert_int_equal(lt_buffer_append(&buffer, NULL, 0), LT_OK);
    assert_int_equal(lt_buffer_append(&buffer, "a", 1), LT_ETOOLARGE);
    lt_buffer_finish(&buffer);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    struct lt_buffer buffer;
    lt_buffer_init(&buffer, 64);
    assert_int_equal(lt_buffer_append(&buffer, "first second", 12), LT_OK);
    lt_buffer_consume(&buffer, 6);
    assert_int_equal(buffer.size, 6);
    assert_memory_equal(buffer.data, "second", 6);
    lt_buffer_consume(&buffer, 6);
    assert_int_equal(buffer.size, 0);
    lt_buffer_finish(&buffer);
}

static void survives_memory_running_out(void **state)
{
    (void)state;
    struct lt_buffer buffer;
    char block[300];
    memset(block, 'x', sizeof block);
    lt_buffer_init(&buffer, 4096);
    assert_int_equal(lt_buffer_append(&buffer, "kept", 4), LT_OK);
    lt_alloc_fail_at(1);
    assert_int_equal(lt_buffer_append(&buffer, block, sizeof block), LT_ENOMEM);
    lt_alloc_fail_at(0);
    assert_int_equal(buffer.size, 4);
    assert_memory_equal(buffer.data, "kept", 4);
    assert_int_equal(lt_buffer_append(&buffer, block, sizeof block), LT_OK);
    assert_int_equal(buffer.size, 304);
    lt_buffer_finish(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_what_it_has), cmocka_unit_test(stops_at_its_limit),
        cmocka_unit_test(appends_nothing_to_nothing),  cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(survives_memory_running_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
