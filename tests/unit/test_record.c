/* Records: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/record.h"

#define DIMENSION 48
#define TOKENS 9
#define HEADER (26 + LT_SPAN_KEY_BYTES)

static uint16_t numbers[DIMENSION];
static uint32_t tokens[LT_SPAN_TOKENS_MAX];

static struct lt_latent latent(enum lt_latent_type type)
{
    struct lt_latent made = {.type = type,
                             .dimension = DIMENSION,
                             .namespace_id = 7,
                             .created = 1700000000,
                             .expires = 1700086400,
                             .scale = type == LT_LATENT_I8 ? 0.03125f : 0,
                             .token_count = TOKENS,
                             .tokens = tokens,
                             .payload = numbers};
    for (size_t i = 0; i < sizeof made.key.bytes; i++)
        made.key.bytes[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < DIMENSION; i++)
        numbers[i] = (uint16_t)(i * 1021);
    for (uint32_t i = 0; i < LT_SPAN_TOKENS_MAX; i++)
        tokens[i] = i * 1000;
    return made;
}

static void check_written_is_read(const struct lt_latent *written, size_t expected_bytes)
{
    uint8_t data[LT_RECORD_BYTES_MAX], payload[2 * DIMENSION];
    uint32_t ids[LT_SPAN_TOKENS_MAX];
    struct lt_record record;
    size_t bytes = lt_record_bytes(written);
    assert_int_equal(bytes, expected_bytes);
    lt_record_write(written, data);
    assert_int_equal(lt_record_read(data, bytes, &record), LT_OK);
    assert_true(lt_record_has_key(&record, &written->key));
    assert_int_equal(record.type, written->type);
    assert_int_equal(record.dimension, DIMENSION);
    assert_int_equal(record.namespace_id, 7);
    assert_int_equal(record.created, 1700000000);
    assert_int_equal(record.expires, 1700086400);
    assert_true(record.scale == written->scale);
    assert_int_equal(record.token_count, written->token_count);
    lt_record_copy_tokens(&record, ids);
    assert_memory_equal(ids, written->tokens, written->token_count * sizeof *ids);
    lt_record_copy_payload(&record, payload);
    assert_memory_equal(payload, numbers, lt_latent_payload_bytes(written->type, DIMENSION));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct lt_latent written = latent(LT_LATENT_F16);
    check_written_is_read(&written, HEADER + 2 * TOKENS + 2 * DIMENSION + 8);
    written = latent(LT_LATENT_I8);
    check_written_is_read(&written, HEADER + 2 * TOKENS + DIMENSION + 8);
    written.token_count = LT_SPAN_TOKENS_MAX;
    check_written_is_read(&written, HEADER + 2 * LT_SPAN_TOKENS_MAX + DIMENSION + 8);
}

static void a_large_token_id_widens_them_all(void **state)
{
    (void)state;
    struct lt_latent written = latent(LT_LATENT_I8);
    tokens[3] = 65535;
    check_written_is_read(&written, HEADER + 2 * TOKENS + DIMENSION + 8);
    tokens[3] = 65536;
    check_written_is_read(&written, HEADER + 4 * TOKENS + DIMENSION + 8);
    tokens[3] = UINT32_MAX;
    check_written_is_read(&written, HEADER + 4 * TOKENS + DIMENSION + 8);
}

static void no_record_has_an_absurd_shape(void **state)
{
    (void)state;
    static const struct {
        enum lt_latent_type type;
        uint32_t dimension, token_count;
    } absurd[] = {
        {LT_LATENT_F16, 0, 1},
        {LT_LATENT_I8, 0, 1},
        {LT_LATENT_F16, DIMENSION, 0},
        {LT_LATENT_I8, LT_LATENT_DIMENSION_MAX + 1, 1},
        {(enum lt_latent_type)77, DIMENSION, 1},
        {LT_LATENT_I8, DIMENSION, LT_SPAN_TOKENS_MAX + 1},
    };
    struct lt_latent made = latent(LT_LATENT_F16);
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        made.type = absurd[i].type;
        made.dimension = absurd[i].dimension;
        made.token_count = absurd[i].token_count;
        assert_int_equal(lt_record_bytes(&made), 0);
    }
    made.type = LT_LATENT_F16;
    made.dimension = LT_LATENT_DIMENSION_MAX;
    made.token_count = LT_SPAN_TOKENS_MAX;
    tokens[0] = UINT32_MAX;
    assert_int_equal(lt_record_bytes(&made), LT_RECORD_BYTES_MAX);
}

static void it_serves_its_key_and_kind_until_it_expires(void **state)
{
    (void)state;
    struct lt_latent written = latent(LT_LATENT_I8);
    uint8_t data[LT_RECORD_BYTES_MAX];
    size_t bytes = lt_record_bytes(&written);
    lt_record_write(&written, data);
    assert_true(lt_record_serves(&written.key, data, bytes, LT_LATENT_I8, DIMENSION, written.expires - 1));
    assert_false(lt_record_serves(&written.key, data, bytes, LT_LATENT_I8, DIMENSION, written.expires));
    assert_false(lt_record_serves(&written.key, data, bytes, LT_LATENT_F16, DIMENSION, 0));
    assert_false(lt_record_serves(&written.key, data, bytes, LT_LATENT_I8, DIMENSION + 1, 0));
    assert_false(lt_record_serves(&written.key, data, bytes - 1, LT_LATENT_I8, DIMENSION, 0));
    for (size_t bit = 0; bit < 8 * sizeof written.key.bytes; bit++) {
        struct lt_span_key key = written.key;
        key.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(lt_record_serves(&key, data, bytes, LT_LATENT_I8, DIMENSION, 0));
    }
    written.expires = 0;
    lt_record_write(&written, data);
    assert_true(lt_record_serves(&written.key, data, bytes, LT_LATENT_I8, DIMENSION, UINT32_MAX));
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct lt_latent written = latent(LT_LATENT_I8);
    uint8_t data[LT_RECORD_BYTES_MAX];
    struct lt_record record;
    size_t bytes = lt_record_bytes(&written);
    lt_record_write(&written, data);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(lt_record_read(data, bytes, &record), LT_ECORRUPT);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(lt_record_read(data, bytes, &record), LT_OK);
}

static void every_other_length_is_noticed(void **state)
{
    (void)state;
    struct lt_latent written = latent(LT_LATENT_I8);
    uint8_t data[LT_RECORD_BYTES_MAX] = {0};
    struct lt_record record;
    size_t bytes = lt_record_bytes(&written);
    lt_record_write(&written, data);
    for (size_t length = 0; length < bytes + 64; length++) {
        uint8_t *exact = malloc(length + !length); /* so that a sanitizer sees a read behind it */
        assert_non_null(exact);
        memcpy(exact, data, length);
        assert_int_equal(lt_record_read(exact, length, &record), length == bytes ? LT_OK : LT_ECORRUPT);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_large_token_id_widens_them_all),
        cmocka_unit_test(it_serves_its_key_and_kind_until_it_expires),
        cmocka_unit_test(no_record_has_an_absurd_shape),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_other_length_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
