/* Tokens of texts that came before: always those of the tokenizer, never more than the budget, the oldest going first.
 */
#include <string.h>

#include "daemon/texts.h"
#include "kernels/model.h"
#include "proto/alloc.h"
#include "vectors.h"

#define TEXT_BYTES 400

/* A text of TEXT_BYTES bytes, another for each number. */
static const char *numbered_text(unsigned number)
{
    static char text[TEXT_BYTES + 32];
    size_t used = 0;
    for (unsigned i = 0; used < TEXT_BYTES; i++)
        used += (size_t)sprintf(text + used, "The king number %u of %u. ", i, number);
    text[TEXT_BYTES] = '\0';
    return text;
}

/* Asks for the tokens, compares them with the tokenizer's, and says where they lie. */
static const uint32_t *check(struct lt_texts *texts, const struct lt_model *model, const char *text)
{
    const uint32_t *tokens;
    uint32_t *expected;
    size_t count, expected_count;
    assert_int_equal(lt_texts_tokenize(texts, text, strlen(text), &tokens, &count, NULL), LT_OK);
    assert_int_equal(
        lt_tokenizer_encode(lt_model_tokenizer(model), text, strlen(text), &expected, &expected_count, NULL), LT_OK);
    assert_int_equal(count, expected_count);
    if (count)
        assert_memory_equal(tokens, expected, count * sizeof *tokens);
    lt_free(expected);
    return tokens;
}

static void test_a_text_is_tokenized_once(void **state)
{
    struct lt_texts *texts;
    assert_int_equal(lt_texts_create(lt_model_tokenizer(*state), 1 << 20, &texts), LT_OK);
    const uint32_t *first = check(texts, *state, numbered_text(0));
    check(texts, *state, numbered_text(1));
    check(texts, *state, "short");
    check(texts, *state, "");
    assert_ptr_equal(check(texts, *state, numbered_text(0)), first);
    lt_texts_destroy(texts);
}

static void test_the_oldest_text_goes_first(void **state)
{
    const unsigned kept = 50;
    struct lt_texts *texts;
    const uint32_t *at[100];
    size_t count;
    assert_int_equal(lt_texts_create(lt_model_tokenizer(*state), 0, &texts), LT_OK);
    check(texts, *state, numbered_text(0));
    assert_int_equal(lt_texts_tokenize(texts, numbered_text(0), TEXT_BYTES, &at[0], &count, NULL), LT_OK);
    lt_texts_destroy(texts);

    assert_int_equal(lt_texts_create(lt_model_tokenizer(*state), kept * (sizeof **at * count + 200), &texts), LT_OK);
    for (unsigned number = 0; number < 100; number++)
        at[number] = check(texts, *state, numbered_text(number));
    assert_ptr_equal(check(texts, *state, numbered_text(99)), at[99]);
    assert_ptr_equal(check(texts, *state, numbered_text(90)), at[90]);
    for (unsigned number = 100; number < 200; number++)
        check(texts, *state, numbered_text(number));
    for (unsigned number = 0; number < 200; number++) /* whatever went: the tokens are right */
        check(texts, *state, numbered_text(number));
    lt_texts_destroy(texts);
}

static void test_bad_text_is_refused_and_not_kept(void **state)
{
    char text[TEXT_BYTES + 1];
    struct lt_texts *texts;
    struct lt_error error;
    const uint32_t *tokens;
    size_t count;
    memcpy(text, numbered_text(3), sizeof text);
    text[300] = (char)0xff;
    assert_int_equal(lt_texts_create(lt_model_tokenizer(*state), 1 << 20, &texts), LT_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lt_texts_tokenize(texts, text, TEXT_BYTES, &tokens, &count, &error), LT_EUTF8);
        assert_non_null(strstr(error.message, "300"));
    }
    lt_texts_destroy(texts);
}

static void test_every_allocation_may_fail(void **state)
{
    for (size_t number = 1;; number++) {
        struct lt_texts *texts = NULL;
        const uint32_t *tokens;
        size_t count;
        lt_alloc_fail_at(number);
        int code = lt_texts_create(lt_model_tokenizer(*state), 1 << 20, &texts);
        for (unsigned i = 0; code == LT_OK && i < 3; i++)
            code = lt_texts_tokenize(texts, numbered_text(i), TEXT_BYTES, &tokens, &count, NULL);
        lt_texts_destroy(texts);
        if (code == LT_OK && number > 12)
            break;
        assert_true(code == LT_OK || code == LT_ENOMEM); /* without room for its entry a text is not kept */
    }
    lt_alloc_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_text_is_tokenized_once, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_the_oldest_text_goes_first, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_bad_text_is_refused_and_not_kept, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, vectors_open_tiny, vectors_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
