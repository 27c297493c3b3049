/* JSON that a peer sent: read within limits, and turned into the protocol's values and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack/unpack.h>

#include "proto/json.h"
#include "proto/limits.h"

static int parse(const char *text, size_t bytes, struct lt_error *error)
{
    json_t *json;
    int code = lt_json_parse(text, bytes, &json, error);
    if (code == LT_OK)
        json_decref(json);
    return code;
}

/* An array of that many zeros, or of that depth. */
static int parse_zeros(size_t zeros, struct lt_error *error)
{
    size_t bytes = 2 * zeros + 1;
    char *text = malloc(bytes);
    assert_non_null(text);
    for (size_t i = 0; i < zeros; i++)
        memcpy(text + 1 + 2 * i, "0,", 2);
    text[0] = '[';
    text[bytes - 1] = ']';
    int code = parse(text, bytes, error);
    free(text);
    return code;
}

static int parse_nested(size_t depth, struct lt_error *error)
{
    char text[256];
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return parse(text, 2 * depth, error);
}

static void keeps_to_the_limits(void **state)
{
    (void)state;
    struct lt_error error;
    assert_int_equal(parse_nested(LT_FRAME_DEPTH_MAX, &error), LT_OK);
    assert_int_equal(parse_nested(LT_FRAME_DEPTH_MAX + 1, &error), LT_ETOOLARGE);
    assert_int_equal(parse_zeros(LT_FRAME_ELEMENTS_MAX - 2, &error), LT_OK);
    assert_int_equal(parse_zeros(LT_FRAME_ELEMENTS_MAX, &error), LT_ETOOLARGE);
}

static void counts_nothing_inside_strings(void **state)
{
    (void)state;
    struct lt_error error;
    const char *text = "[\"[[[[[[[[[[[[[[[[[[[[\", \"\\\"[[[[[[[[[[[[[[[[[[[[\", \"\\\\\"]";
    assert_int_equal(parse(text, strlen(text), &error), LT_OK);
}

static void says_where_it_is_wrong_in_ascii(void **state)
{
    (void)state;
    struct lt_error error;
    static const char *const wrong[] = {"",   "{",    "[1,]", "[\"\xff\xfe\"]", "{\"a\":1,\"a\":2}", "]",
                                        "\"", "\"\\", "nul"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(parse(wrong[i], strlen(wrong[i]), &error), LT_EMALFORMED);
        assert_non_null(strstr(error.message, "line"));
        for (const char *at = error.message; *at; at++)
            assert_true(*at >= 0x20 && *at < 0x7f);
    }
}

static void goes_to_messagepack_and_back(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,-2,0.5,true,null,\"\\u0000\xc3\xa9\"],\"b\":{}}";
    struct lt_error error;
    struct lt_buffer bytes;
    struct lt_writer writer;
    msgpack_unpacked unpacked;
    json_t *json;
    assert_int_equal(lt_json_parse(text, strlen(text), &json, &error), LT_OK);
    lt_buffer_init(&bytes, 1024);
    lt_writer_init(&writer, &bytes);
    lt_json_write(&writer, json);
    assert_int_equal(writer.error, LT_OK);
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)bytes.data, bytes.size, NULL),
                     MSGPACK_UNPACK_SUCCESS);
    json_t *again = lt_json_of(&unpacked.data);
    assert_true(json_equal(json, again));
    json_decref(again);
    json_decref(json);
    msgpack_unpacked_destroy(&unpacked);
    lt_buffer_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_to_the_limits),
        cmocka_unit_test(counts_nothing_inside_strings),
        cmocka_unit_test(says_where_it_is_wrong_in_ascii),
        cmocka_unit_test(goes_to_messagepack_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
