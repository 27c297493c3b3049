/* Records: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "storage/record.h"

#define DIMENSION 48

static uint16_t numbers[DIMENSION];

static struct lt_latent latent(void)
{
    struct lt_latent made = {.type = LT_LATENT_F16, .dimension = DIMENSION, .tokens = 9, .payload = numbers};
    for (size_t i = 0; i < sizeof made.key.bytes; i++)
        made.key.bytes[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < DIMENSION; i++)
        numbers[i] = (uint16_t)(i * 1021);
    return made;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct lt_latent written = latent();
    uint8_t data[LT_RECORD_BYTES_MAX];
    uint16_t read[DIMENSION];
    struct lt_record record;
    size_t bytes = lt_record_bytes(written.type, written.dimension);
    assert_int_equal(bytes, 16 + 2 * DIMENSION + 8);
    lt_record_write(&written, data);
    assert_int_equal(lt_record_read(&written.key, data, bytes, &record), LT_OK);
    assert_int_equal(record.type, LT_LATENT_F16);
    assert_int_equal(record.dimension, DIMENSION);
    assert_int_equal(record.tokens, 9);
    lt_record_copy_payload(&record, read);
    assert_memory_equal(read, numbers, sizeof read);
}

static void no_record_has_an_absurd_shape(void **state)
{
    (void)state;
    assert_int_equal(lt_record_bytes(LT_LATENT_F16, 0), 0);
    assert_int_equal(lt_record_bytes(LT_LATENT_F16, LT_LATENT_DIMENSION_MAX + 1), 0);
    assert_int_equal(lt_record_bytes((enum lt_latent_type)77, 16), 0);
    assert_true(lt_record_bytes(LT_LATENT_F16, LT_LATENT_DIMENSION_MAX) <= LT_RECORD_BYTES_MAX);
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct lt_latent written = latent();
    uint8_t data[LT_RECORD_BYTES_MAX];
    struct lt_record record;
    size_t bytes = lt_record_bytes(written.type, written.dimension);
    lt_record_write(&written, data);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(lt_record_read(&written.key, data, bytes, &record), LT_ECORRUPT);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof written.key.bytes; bit++) {
        struct lt_span_key key = written.key;
        key.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(lt_record_read(&key, data, bytes, &record), LT_ECORRUPT);
    }
    assert_int_equal(lt_record_read(&written.key, data, bytes, &record), LT_OK);
}

static void every_other_length_is_noticed(void **state)
{
    (void)state;
    struct lt_latent written = latent();
    uint8_t data[LT_RECORD_BYTES_MAX] = {0};
    struct lt_record record;
    size_t bytes = lt_record_bytes(written.type, written.dimension);
    lt_record_write(&written, data);
    for (size_t length = 0; length < bytes + 64; length++) {
        uint8_t *exact = malloc(length + !length); /* so that a sanitizer sees a read behind it */
        assert_non_null(exact);
        memcpy(exact, data, length);
        assert_int_equal(lt_record_read(&written.key, exact, length, &record), length == bytes ? LT_OK : LT_ECORRUPT);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(no_record_has_an_absurd_shape),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_other_length_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
