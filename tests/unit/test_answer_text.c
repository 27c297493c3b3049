/* The text of an answer: characters that arrive in pieces, bytes that are no text, and stop texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/answer_text.h"
#include "proto/alloc.h"

/* Appends each piece as a token's bytes and joins what could be sent after each with '|'. */
static const char *stream(struct lt_answer_text *answer, const char *const *pieces, size_t count)
{
    static char sent[256];
    const char *text;
    size_t bytes, length = 0;
    for (size_t i = 0; i <= count && !answer->stopped; i++) {
        if (i < count)
            assert_int_equal(lt_answer_text_append(answer, pieces[i], strlen(pieces[i])), LT_OK);
        else
            assert_int_equal(lt_answer_text_end(answer), LT_OK);
        lt_answer_text_take(answer, i == count, &text, &bytes);
        assert_true(length + bytes + 2 < sizeof sent);
        memcpy(sent + length, text, bytes);
        length += bytes;
        sent[length++] = '|';
    }
    sent[length] = '\0';
    return sent;
}

#define STREAM(answer, ...)                                                                                            \
    stream(answer, (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static void sends_each_token_at_once(void **state)
{
    (void)state;
    struct lt_answer_text answer;
    lt_answer_text_init(&answer, NULL, 0);
    assert_string_equal(STREAM(&answer, "Leaves", " turn", " red."), "Leaves| turn| red.||");
    assert_int_equal(answer.text.size, 16);
    assert_false(answer.stopped);
    lt_answer_text_finish(&answer);
}

static void holds_back_a_character_until_it_is_complete(void **state)
{
    (void)state;
    struct lt_answer_text answer;
    lt_answer_text_init(&answer, NULL, 0);
    assert_string_equal(STREAM(&answer, "caf", "\xc3", "\xa9", "!"), "caf||\xc3\xa9|!||");
    lt_answer_text_finish(&answer);
}

static void replaces_bytes_that_are_no_text(void **state)
{
    (void)state;
    struct lt_answer_text answer;
    lt_answer_text_init(&answer, NULL, 0);
    /* A lone continuation byte; a character cut short by a letter; one that never ends. */
    assert_string_equal(STREAM(&answer, "\x80", "\xe2\x82", "x", "\xf0\x9f"),
                        "\xef\xbf\xbd||\xef\xbf\xbdx||\xef\xbf\xbd|");
    lt_answer_text_finish(&answer);
}

static void stops_in_front_of_a_stop_text(void **state)
{
    (void)state;
    const struct lt_text stops[] = {{"END", 3}, {"\n\n", 2}};
    struct lt_answer_text answer;
    lt_answer_text_init(&answer, stops, 2);
    assert_string_equal(STREAM(&answer, "one", " E", "ND two"), "one| ||");
    assert_true(answer.stopped);
    assert_int_equal(answer.text.size, 4);
    assert_int_equal(lt_answer_text_end(&answer), LT_OK);
    assert_memory_equal(answer.text.data, "one ", 4);
    lt_answer_text_finish(&answer);
}

static void sends_what_only_looked_like_a_stop_text(void **state)
{
    (void)state;
    const struct lt_text stops[] = {{"END", 3}};
    struct lt_answer_text answer;
    lt_answer_text_init(&answer, stops, 1);
    assert_string_equal(STREAM(&answer, "E", "N", "A", " EN"), "||ENA| |EN|");
    assert_false(answer.stopped);
    lt_answer_text_finish(&answer);
}

static void takes_the_earliest_of_several_stop_texts(void **state)
{
    (void)state;
    const struct lt_text stops[] = {{"three", 5}, {"two", 3}};
    struct lt_answer_text answer;
    lt_answer_text_init(&answer, stops, 2);
    assert_string_equal(STREAM(&answer, "one two three"), "one |");
    assert_true(answer.stopped);
    lt_answer_text_finish(&answer);
}

static void a_stop_text_may_begin_inside_what_came_before(void **state)
{
    (void)state;
    const struct lt_text stops[] = {{"aab", 3}};
    struct lt_answer_text answer;
    lt_answer_text_init(&answer, stops, 1);
    assert_string_equal(STREAM(&answer, "aa", "ab"), "|a|");
    assert_true(answer.stopped);
    lt_answer_text_finish(&answer);
}

static void says_when_memory_runs_out(void **state)
{
    (void)state;
    struct lt_answer_text answer;
    lt_answer_text_init(&answer, NULL, 0);
    lt_alloc_fail_at(1);
    assert_int_equal(lt_answer_text_append(&answer, "text", 4), LT_ENOMEM);
    lt_alloc_fail_at(0);
    assert_int_equal(lt_answer_text_append(&answer, "text", 4), LT_OK);
    lt_answer_text_finish(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_each_token_at_once),
        cmocka_unit_test(holds_back_a_character_until_it_is_complete),
        cmocka_unit_test(replaces_bytes_that_are_no_text),
        cmocka_unit_test(stops_in_front_of_a_stop_text),
        cmocka_unit_test(sends_what_only_looked_like_a_stop_text),
        cmocka_unit_test(takes_the_earliest_of_several_stop_texts),
        cmocka_unit_test(a_stop_text_may_begin_inside_what_came_before),
        cmocka_unit_test(says_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
