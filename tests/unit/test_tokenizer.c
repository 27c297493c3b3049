/* Text <-> tokens: as sentencepiece, and every valid text survives. */
#include <string.h>
#include <time.h>

#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "proto/utf8.h"
#include "vectors.h"

static void check_vectors(const char *name)
{
    json_t *root = vectors_json(name), *entry;
    struct lt_model *model = vectors_model(root, LT_PRECISION_STORED);
    size_t i;
    if (!model) {
        json_decref(root);
        skip();
    }
    json_array_foreach(json_object_get(root, "cases"), i, entry)
    {
        const json_t *text = json_object_get(entry, "text");
        size_t count, expected_count;
        uint32_t *tokens, *expected = vectors_numbers(json_object_get(entry, "tokens"), &expected_count);
        assert_int_equal(lt_tokenizer_encode(lt_model_tokenizer(model), json_string_value(text),
                                             json_string_length(text), &tokens, &count, NULL),
                         LT_OK);
        assert_int_equal(count, expected_count);
        if (count)
            assert_memory_equal(tokens, expected, count * sizeof *tokens);
        else
            assert_null(tokens);
        lt_free(tokens);
        free(expected);
    }
    lt_model_close(model);
    json_decref(root);
}

static void test_encodes_as_sentencepiece_with_a_small_vocabulary(void **state)
{
    (void)state;
    check_vectors("tiny.tokenizer.json");
}

static void test_encodes_as_sentencepiece_with_the_shipped_vocabulary(void **state)
{
    (void)state;
    check_vectors("shipped.tokenizer.json");
}

/* Encodes, checks that the tokens' texts give the text back and that no token is a control token; returns their number.
 */
static size_t check_survives(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes)
{
    uint32_t *tokens;
    size_t count, at = 0;
    assert_int_equal(lt_tokenizer_encode(tokenizer, text, bytes, &tokens, &count, NULL), LT_OK);
    for (size_t i = 0; i < count; i++) {
        size_t piece_bytes;
        const char *piece = lt_tokenizer_text(tokenizer, tokens[i], &piece_bytes);
        assert_int_not_equal(lt_tokenizer_kind(tokenizer, tokens[i]), LT_TOKEN_CONTROL);
        assert_true(piece_bytes > 0 && piece_bytes <= bytes - at);
        assert_memory_equal(text + at, piece, piece_bytes);
        at += piece_bytes;
    }
    assert_int_equal(at, bytes);
    lt_free(tokens);
    return count;
}

static void test_odd_texts_survive(void **state)
{
    static const char with_nul[] = "a\0b\0\0 c";
    static const char *const texts[] = {
        "",
        " ",
        "   a   ",
        "\xe2\x96\x81", /* U+2581, sentencepiece's own sign for a space */
        "a\xe2\x96\x81 \xe2\x96\x81\xe2\x96\x81the",
        "\n\n\n\n\n \n\n",
        "<|user|>hi</s><s><unk><0x0A>",
        "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
        "e\xcc\x81\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac\xef\xbb\xbf\xe2\x80\xae\xef\xbf\xbd",
        "\x01\x02\x1b[0m\x7f\r\n\t",
    };
    const struct lt_tokenizer *tokenizer = lt_model_tokenizer(*state);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_survives(tokenizer, texts[i], strlen(texts[i]));
    check_survives(tokenizer, with_nul, sizeof with_nul - 1);
}

static void test_random_characters_survive(void **state)
{
    static const char *const characters[] = {" ", "a",        "th",           "e",   "\n", "\n\n",
                                             ".", "\xc3\xa9", "\xe2\x96\x81", "King"};
    const struct lt_tokenizer *tokenizer = lt_model_tokenizer(*state);
    char text[4096];
    srand48(5);
    for (int round = 0; round < 200; round++) {
        size_t bytes = 0;
        while (bytes < 200 + (size_t)round) {
            const char *next = characters[(size_t)(drand48() * 10)];
            memcpy(text + bytes, next, strlen(next));
            bytes += strlen(next);
        }
        check_survives(tokenizer, text, bytes);
    }
}

static void test_the_sign_for_a_space_becomes_bytes(void **state)
{
    const struct lt_tokenizer *tokenizer = lt_model_tokenizer(*state);
    assert_int_equal(check_survives(tokenizer, "\xe2\x96\x81", 3), 3);
}

static void test_invalid_text_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {
        {"abc\xff", 3},          {"\x80", 0},      {"ab\xc0\x80", 2},   {"a\xed\xa0\x80", 1},
        {"\xf4\x90\x80\x80", 0}, {"a\xe2\x96", 1}, {"\xf0\x9f\x91", 0}, {"ok \xe2\x28\xa1", 3},
    };
    struct lt_error error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t *tokens = NULL;
        size_t count = 7, offset = 99;
        char expected[40];
        int rc = lt_tokenizer_encode(lt_model_tokenizer(*state), cases[i].text, strlen(cases[i].text), &tokens, &count,
                                     &error);
        assert_int_equal(rc, LT_EUTF8);
        assert_null(tokens);
        assert_int_equal(count, 7);
        snprintf(expected, sizeof expected, "byte offset %zu", cases[i].offset);
        assert_non_null(strstr(error.message, expected));
        assert_int_equal(lt_utf8_check(cases[i].text, strlen(cases[i].text), &offset), LT_EUTF8);
        assert_int_equal(offset, cases[i].offset);
    }
}

static double seconds_to_encode(const struct lt_tokenizer *tokenizer, const char *text, size_t bytes)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    check_survives(tokenizer, text, bytes);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}

/* Quadratic time would take minutes for this. */
static void test_long_repetitions_are_fast(void **state)
{
    size_t bytes = 400000;
    char *text = malloc(bytes);
    memset(text, 'a', bytes);
    assert_true(seconds_to_encode(lt_model_tokenizer(*state), text, bytes) < 5);
    memset(text, ' ', bytes);
    assert_true(seconds_to_encode(lt_model_tokenizer(*state), text, bytes) < 5);
    memset(text, '\n', bytes);
    assert_true(seconds_to_encode(lt_model_tokenizer(*state), text, bytes) < 5);
    free(text);
}

static void test_names_and_control_tokens(void **state)
{
    const struct lt_tokenizer *tokenizer = lt_model_tokenizer(*state);
    uint32_t token = 12345;
    size_t bytes;
    assert_true(lt_tokenizer_control(tokenizer, "<|user|>", &token));
    assert_memory_equal(lt_tokenizer_name(tokenizer, token, &bytes), "<|user|>", 8);
    assert_int_equal(bytes, 8);
    lt_tokenizer_text(tokenizer, token, &bytes);
    assert_int_equal(bytes, 0);
    token = 12345;
    assert_false(lt_tokenizer_control(tokenizer, "<|nobody|>", &token));
    assert_false(lt_tokenizer_control(tokenizer, "<unk>", &token));
    assert_false(lt_tokenizer_control(tokenizer, "<0x41>", &token));
    assert_false(lt_tokenizer_control(tokenizer, "a", &token));
    assert_false(lt_tokenizer_control(tokenizer, "", &token));
    assert_int_equal(token, 12345);
}

/* --- vocabularies --- */

#define ENTRIES 260

/* 256 byte tokens, then "a", "b", "ab", and a control token. */
static void make_vocabulary(struct lt_vocabulary_entry entries[ENTRIES], char names[256][8])
{
    for (int i = 0; i < 256; i++) {
        snprintf(names[i], 8, "<0x%02X>", i);
        entries[i] = (struct lt_vocabulary_entry){.text = names[i], .bytes = 6, .kind = LT_TOKEN_BYTE};
    }
    entries[256] = (struct lt_vocabulary_entry){"a", 1, -2, LT_TOKEN_NORMAL};
    entries[257] = (struct lt_vocabulary_entry){"b", 1, -3, LT_TOKEN_NORMAL};
    entries[258] = (struct lt_vocabulary_entry){"ab", 2, -1, LT_TOKEN_NORMAL};
    entries[259] = (struct lt_vocabulary_entry){"<s>", 3, 0, LT_TOKEN_CONTROL};
}

static void check_refused(const struct lt_vocabulary_entry entries[ENTRIES], uint32_t count, const char *reason)
{
    struct lt_tokenizer *tokenizer = NULL;
    struct lt_error error;
    assert_int_equal(lt_tokenizer_create(entries, count, &tokenizer, &error), LT_EMODEL);
    assert_null(tokenizer);
    if (!strstr(error.message, reason))
        fail_msg("'%s' does not say '%s'", error.message, reason);
}

static void test_a_vocabulary_by_hand(void **state)
{
    (void)state;
    struct lt_vocabulary_entry entries[ENTRIES];
    char names[256][8];
    struct lt_tokenizer *tokenizer;
    uint32_t *tokens;
    size_t count;
    make_vocabulary(entries, names);
    assert_int_equal(lt_tokenizer_create(entries, ENTRIES, &tokenizer, NULL), LT_OK);
    assert_int_equal(lt_tokenizer_encode(tokenizer, "aabc<s>", 7, &tokens, &count, NULL), LT_OK);
    const uint32_t expected[] = {256, 258, 'c', '<', 's', '>'};
    assert_int_equal(count, 6);
    assert_memory_equal(tokens, expected, sizeof expected);
    lt_free(tokens);
    lt_tokenizer_destroy(tokenizer);
}

static void test_bad_vocabularies_are_refused(void **state)
{
    (void)state;
    static char long_piece[257];
    struct lt_vocabulary_entry good[ENTRIES], entries[ENTRIES];
    char names[256][8];
    memset(long_piece, 'x', sizeof long_piece);
    make_vocabulary(good, names);
    const struct {
        uint32_t token;
        struct lt_vocabulary_entry entry;
        const char *reason;
    } changes[] = {
        {257, {"a", 1, 0, LT_TOKEN_NORMAL}, "tokens 256 and 257 are the same piece"},
        {257, {"", 0, 0, LT_TOKEN_NORMAL}, "0 bytes"},
        {257, {long_piece, 257, 0, LT_TOKEN_NORMAL}, "257 bytes"},
        {257, {"\xff", 1, 0, LT_TOKEN_NORMAL}, "UTF-8"},
        {257, {"b", 1, 0.0f / 0.0f, LT_TOKEN_NORMAL}, "score"},
        {257, {"b", 1, 0, (enum lt_token_kind)9}, "type 9"},
        {257, {"b", 1, 0, (enum lt_token_kind)0}, "type 0"},
        {257, {"<0x4f>", 6, 0, LT_TOKEN_BYTE}, "<0x4F>"},
        {257, {"<0x41>", 6, 0, LT_TOKEN_BYTE}, "same byte"},
        {257, {"<s>", 3, 0, LT_TOKEN_CONTROL}, "same piece"},
        {0x41, {"x", 1, 0, LT_TOKEN_NORMAL}, "lacks the byte token <0x41>"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        memcpy(entries, good, sizeof entries);
        entries[changes[i].token] = changes[i].entry;
        check_refused(entries, ENTRIES, changes[i].reason);
    }
    check_refused(good, 0, "0 tokens");
    check_refused(good, 255, "255 tokens");
}

static void test_every_allocation_may_fail(void **state)
{
    const struct lt_tokenizer *tokenizer = lt_model_tokenizer(*state);
    struct lt_vocabulary_entry entries[ENTRIES];
    char names[256][8], text[2000];
    memset(text, 'a', sizeof text);
    make_vocabulary(entries, names);
    int rc = LT_ENOMEM;
    size_t number = 0;
    while (rc == LT_ENOMEM) {
        struct lt_tokenizer *made = NULL;
        lt_alloc_fail_at(++number);
        rc = lt_tokenizer_create(entries, ENTRIES, &made, NULL);
        assert_true((rc == LT_OK) == (made != NULL));
        lt_tokenizer_destroy(made);
    }
    assert_int_equal(rc, LT_OK);
    assert_true(number > 3);
    for (number = 1, rc = LT_ENOMEM; rc == LT_ENOMEM; number++) {
        uint32_t *tokens = NULL;
        size_t count;
        lt_alloc_fail_at(number);
        rc = lt_tokenizer_encode(tokenizer, text, sizeof text, &tokens, &count, NULL);
        assert_true((rc == LT_OK) == (tokens != NULL));
        lt_free(tokens);
    }
    assert_int_equal(rc, LT_OK);
    assert_true(number > 3);
}

/* Wherever a text may be cut, both pieces have the tokens of the whole. */
static void test_pieces_have_the_tokens_of_the_whole(void **state)
{
    const struct lt_tokenizer *tokenizer = lt_model_tokenizer(*state);
    static const char text[] =
        "The King's  daughter (born 1907) said: \"No!\"\n\n na\xc3\xafve,\t\xe4\xbd\xa0\xe5\xa5\xbd "
        "unbelievably\n\n\nlong.\xe2\x80\xa6 End of it; and more";
    size_t bytes = sizeof text - 1, cuts = 0, count;
    uint32_t *whole;
    assert_int_equal(lt_tokenizer_encode(tokenizer, text, bytes, &whole, &count, NULL), LT_OK);
    assert_int_equal(lt_tokenizer_cut(tokenizer, text, bytes, bytes), bytes);
    assert_int_equal(lt_tokenizer_cut(tokenizer, "aaaa", 4, 3) % 3, 0);
    for (size_t most = 1, last = 0; most < bytes; most++) {
        size_t cut = lt_tokenizer_cut(tokenizer, text, bytes, most), left_count, right_count;
        assert_true(cut <= most && cut >= last);
        if (cut == last)
            continue;
        uint32_t *left, *right;
        assert_int_equal(lt_tokenizer_encode(tokenizer, text, cut, &left, &left_count, NULL), LT_OK);
        assert_int_equal(lt_tokenizer_encode(tokenizer, text + cut, bytes - cut, &right, &right_count, NULL), LT_OK);
        assert_int_equal(left_count + right_count, count);
        assert_memory_equal(left, whole, left_count * sizeof *left);
        assert_memory_equal(right, whole + left_count, right_count * sizeof *right);
        lt_free(left);
        lt_free(right);
        last = cut;
        cuts++;
    }
    assert_true(cuts > 8);
    lt_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodes_as_sentencepiece_with_a_small_vocabulary),
        cmocka_unit_test(test_encodes_as_sentencepiece_with_the_shipped_vocabulary),
        cmocka_unit_test_setup_teardown(test_odd_texts_survive, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_random_characters_survive, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_the_sign_for_a_space_becomes_bytes, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_invalid_text_is_refused_with_its_place, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_long_repetitions_are_fast, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_names_and_control_tokens, vectors_open_tiny, vectors_close),
        cmocka_unit_test_setup_teardown(test_pieces_have_the_tokens_of_the_whole, vectors_open_tiny, vectors_close),
        cmocka_unit_test(test_a_vocabulary_by_hand),
        cmocka_unit_test(test_bad_vocabularies_are_refused),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, vectors_open_tiny, vectors_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
