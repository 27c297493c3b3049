/* UTF-8: the borders of the table of well-formed sequences, and beginnings that may still become characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/error.h"
#include "proto/utf8.h"

static void passes_whole_characters(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t offset = 99;
        assert_int_equal(lt_utf8_check(good[i], strlen(good[i]), &offset), LT_OK);
        assert_int_equal(offset, 99);
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\xc2",
                                      "\xe0\x9f\xbf",
                                      "\xe1\x80",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[16] = "ab";
        size_t offset = 99;
        strcat(text, bad[i]);
        assert_int_equal(lt_utf8_check(text, strlen(text), &offset), LT_EUTF8);
        assert_int_equal(offset, 2);
    }
}

static void tells_a_beginning_from_a_mistake(void **state)
{
    (void)state;
    static const uint8_t euro[] = {0xe2, 0x82, 0xac};
    size_t bytes = 0;
    assert_int_equal(lt_utf8_character(euro, 1, &bytes), LT_EBUSY);
    assert_int_equal(lt_utf8_character(euro, 2, &bytes), LT_EBUSY);
    assert_int_equal(bytes, 0);
    assert_int_equal(lt_utf8_character(euro, 3, &bytes), LT_OK);
    assert_int_equal(bytes, 3);
    assert_int_equal(lt_utf8_character((const uint8_t *)"\xe2(", 2, &bytes), LT_EUTF8);
    assert_int_equal(lt_utf8_character((const uint8_t *)"\xed\xa0", 2, &bytes), LT_EUTF8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_whole_characters),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(tells_a_beginning_from_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
