/* The MessagePack writer: exact bytes, and a first failure that sticks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "proto/error.h"
#include "proto/writer.h"
#include "written.h"

static void expect_bytes(const char *bytes, size_t size)
{
    assert_int_equal(writer.error, LT_OK);
    assert_int_equal(buffer.size, size);
    assert_memory_equal(buffer.data, bytes, size);
}

#define EXPECT_BYTES(literal) expect_bytes(literal, sizeof(literal) - 1)

static void writes_every_kind(void **state)
{
    (void)state;
    lt_write_array(&writer, 10);
    lt_write_map(&writer, 1);
    lt_write_text(&writer, "k");
    lt_write_nil(&writer);
    lt_write_bool(&writer, true);
    lt_write_bool(&writer, false);
    lt_write_uint(&writer, 300);
    lt_write_uint(&writer, UINT64_MAX);
    lt_write_int(&writer, -1);
    lt_write_int(&writer, INT64_MIN);
    lt_write_real(&writer, 1.0);
    lt_write_text_bytes(&writer, "a\0b", 3);
    lt_write_binary(&writer, "\xff", 1);
    EXPECT_BYTES("\x9a\x81\xa1k\xc0\xc3\xc2\xcd\x01\x2c\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xd3\x80\0\0\0\0\0\0\0"
                 "\xcb\x3f\xf0\0\0\0\0\0\0\xa3"
                 "a\0b\xc4\x01\xff");
}

static void leaves_space_for_bytes_to_come(void **state)
{
    (void)state;
    uint8_t *space = lt_write_binary_space(&writer, 2);
    assert_non_null(space);
    memcpy(space, "xy", 2);
    lt_write_nil(&writer);
    EXPECT_BYTES("\xc4\x02xy\xc0");
    assert_null(lt_write_binary_space(&writer, buffer.max));
    assert_int_equal(writer.error, LT_ETOOLARGE);
    assert_null(lt_write_binary_space(&writer, 1));
}

static void writes_beginnings_of_messages(void **state)
{
    (void)state;
    lt_write_response(&writer, 7);
    lt_write_nil(&writer);
    lt_write_notification(&writer, "token");
    lt_write_nil(&writer);
    lt_write_request(&writer, 4000000000u, "ping");
    lt_write_map(&writer, 0);
    EXPECT_BYTES("\x94\x01\x07\xc0\xc0"
                 "\x93\x02\xa5token\x91\xc0"
                 "\x94\x00\xce\xee\x6b\x28\x00\xa4ping\x91\x80");
}

static void writes_errors(void **state)
{
    (void)state;
    const struct lt_error error = {LT_EBUSY, "later"};
    lt_write_error(&writer, true, 5, &error);
    EXPECT_BYTES("\x94\x01\x05\x83\xa4"
                 "code\xf0\xa4name\xa4"
                 "busy\xa7message\xa5later\xc0");
    buffer.size = 0;
    lt_write_error(&writer, false, 5, &error);
    assert_memory_equal(buffer.data, "\x94\x01\xc0\x83", 4);
}

static void keeps_the_first_failure(void **state)
{
    (void)state;
    buffer.max = 1024;
    char text[2000];
    memset(text, 'x', sizeof text);
    lt_write_text_bytes(&writer, text, sizeof text);
    assert_int_equal(writer.error, LT_ETOOLARGE);
    size_t size = buffer.size;
    lt_write_nil(&writer);
    lt_write_text(&writer, "more");
    assert_int_equal(writer.error, LT_ETOOLARGE);
    assert_int_equal(buffer.size, size);
}

static void tells_that_memory_ran_out(void **state)
{
    (void)state;
    lt_alloc_fail_at(1);
    lt_write_text(&writer, "text");
    lt_alloc_fail_at(0);
    assert_int_equal(writer.error, LT_ENOMEM);
    lt_write_nil(&writer);
    assert_int_equal(buffer.size, 0);
}

#if SIZE_MAX > UINT32_MAX
static void refuses_lengths_of_more_than_32_bits(void **state)
{
    (void)state;
    lt_write_binary(&writer, "", (size_t)UINT32_MAX + 2);
    assert_int_equal(writer.error, LT_ETOOLARGE);
    assert_int_equal(buffer.size, 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_every_kind, begin, end),
        cmocka_unit_test_setup_teardown(leaves_space_for_bytes_to_come, begin, end),
        cmocka_unit_test_setup_teardown(writes_beginnings_of_messages, begin, end),
        cmocka_unit_test_setup_teardown(writes_errors, begin, end),
        cmocka_unit_test_setup_teardown(keeps_the_first_failure, begin, end),
        cmocka_unit_test_setup_teardown(tells_that_memory_ran_out, begin, end),
#if SIZE_MAX > UINT32_MAX
        cmocka_unit_test_setup_teardown(refuses_lengths_of_more_than_32_bits, begin, end),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
