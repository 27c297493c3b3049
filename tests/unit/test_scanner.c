/* The bounded scanner: it must find the ends that msgpack-c finds, need every byte, and refuse what is declared too
 * large before any of it has come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack.h>

#include "proto/error.h"
#include "proto/scanner.h"

static int scan(const void *bytes, size_t size, size_t *ret_bytes)
{
    struct lt_scanner scanner;
    lt_scanner_init(&scanner, LT_FRAME_BYTES_MAX, LT_FRAME_ELEMENTS_MAX);
    return lt_scan(&scanner, bytes, size, ret_bytes);
}

/* That `bytes` is one object: whole at once, not complete at any prefix, and the same if it comes byte by byte. */
static void expect_object(const uint8_t *bytes, size_t size)
{
    struct lt_scanner scanner;
    size_t found = 12345;
    for (size_t prefix = 0; prefix < size; prefix++)
        assert_int_equal(scan(bytes, prefix, &found), LT_EBUSY);
    assert_int_equal(found, 12345);
    assert_int_equal(scan(bytes, size, &found), LT_OK);
    assert_int_equal(found, size);
    lt_scanner_init(&scanner, LT_FRAME_BYTES_MAX, LT_FRAME_ELEMENTS_MAX);
    for (size_t received = 0; received < size; received++)
        assert_int_equal(lt_scan(&scanner, bytes, received, &found), LT_EBUSY);
    assert_int_equal(lt_scan(&scanner, bytes, size, &found), LT_OK);
    assert_int_equal(found, size);
    assert_int_equal(scanner.scanned, 0);
}

#define EXPECT_OBJECT(...) expect_object((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void knows_every_type(void **state)
{
    (void)state;
    EXPECT_OBJECT(0x00);
    EXPECT_OBJECT(0x7f);
    EXPECT_OBJECT(0xe0);
    EXPECT_OBJECT(0xff);
    EXPECT_OBJECT(0xc0);
    EXPECT_OBJECT(0xc2);
    EXPECT_OBJECT(0xc3);
    EXPECT_OBJECT(0xc4, 2, 0xc1, 0xc1); /* 0xc1 inside a payload is nothing special */
    EXPECT_OBJECT(0xc5, 0, 1, 9);
    EXPECT_OBJECT(0xc6, 0, 0, 0, 1, 9);
    EXPECT_OBJECT(0xc7, 2, 5, 8, 9);
    EXPECT_OBJECT(0xc8, 0, 0, 5);
    EXPECT_OBJECT(0xc9, 0, 0, 0, 1, 5, 8);
    EXPECT_OBJECT(0xca, 1, 2, 3, 4);
    EXPECT_OBJECT(0xcb, 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT_OBJECT(0xcc, 1);
    EXPECT_OBJECT(0xcd, 1, 2);
    EXPECT_OBJECT(0xce, 1, 2, 3, 4);
    EXPECT_OBJECT(0xcf, 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT_OBJECT(0xd0, 1);
    EXPECT_OBJECT(0xd1, 1, 2);
    EXPECT_OBJECT(0xd2, 1, 2, 3, 4);
    EXPECT_OBJECT(0xd3, 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT_OBJECT(0xd4, 5, 1);
    EXPECT_OBJECT(0xd5, 5, 1, 2);
    EXPECT_OBJECT(0xd6, 5, 1, 2, 3, 4);
    EXPECT_OBJECT(0xd7, 5, 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT_OBJECT(0xd8, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
    EXPECT_OBJECT(0xd9, 1, 'a');
    EXPECT_OBJECT(0xda, 0, 1, 'a');
    EXPECT_OBJECT(0xdb, 0, 0, 0, 1, 'a');
    EXPECT_OBJECT(0xa0);
    EXPECT_OBJECT(0xa3, 'a', 'b', 'c');
    EXPECT_OBJECT(0x90);
    EXPECT_OBJECT(0x92, 1, 0x91, 2);
    EXPECT_OBJECT(0xdc, 0, 2, 1, 2);
    EXPECT_OBJECT(0xdd, 0, 0, 0, 0);
    EXPECT_OBJECT(0x80);
    EXPECT_OBJECT(0x81, 0xa1, 'k', 0x80);
    EXPECT_OBJECT(0xde, 0, 1, 1, 2);
    EXPECT_OBJECT(0xdf, 0, 0, 0, 1, 1, 0x90);
}

static void stops_between_two_objects(void **state)
{
    (void)state;
    static const uint8_t stream[] = {0x92, 1, 2, 0xa1, 'x', 0x90};
    struct lt_scanner scanner;
    size_t length = 0;
    lt_scanner_init(&scanner, LT_FRAME_BYTES_MAX, LT_FRAME_ELEMENTS_MAX);
    assert_int_equal(lt_scan(&scanner, stream, 6, &length), LT_OK);
    assert_int_equal(length, 3);
    assert_int_equal(lt_scan(&scanner, stream + 3, 3, &length), LT_OK);
    assert_int_equal(length, 2);
    assert_int_equal(lt_scan(&scanner, stream + 5, 1, &length), LT_OK);
    assert_int_equal(length, 1);
    assert_int_equal(lt_scan(&scanner, stream + 6, 0, &length), LT_EBUSY);
}

static void refuses_the_unused_byte(void **state)
{
    (void)state;
    size_t length = 0;
    assert_int_equal(scan("\xc1", 1, &length), LT_EMALFORMED);
    assert_int_equal(scan("\x92\x01\xc1", 3, &length), LT_EMALFORMED);
    assert_int_equal(scan("\x81\xc1", 2, &length), LT_EMALFORMED);
}

static void survives_being_called_again_after_an_error(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct lt_scanner scanner;
    size_t length = 0;
    memset(bytes, 0xc1, sizeof bytes);
    lt_scanner_init(&scanner, LT_FRAME_BYTES_MAX, LT_FRAME_ELEMENTS_MAX);
    for (size_t size = 1; size <= sizeof bytes; size++)
        assert_int_equal(lt_scan(&scanner, bytes, size, &length), LT_EMALFORMED);
}

/* A declared count is refused at the last byte of its header, however often it is nested. */
static void refuses_declared_counts(void **state)
{
    (void)state;
    static const uint8_t types[] = {0xc6, 0xc9, 0xdb, 0xdd, 0xdf};
    for (size_t i = 0; i < sizeof types; i++) {
        uint8_t header[6] = {0x91, types[i], 0xff, 0xff, 0xff, 0xff};
        size_t length = 0;
        assert_int_equal(scan(header, 5, &length), LT_EBUSY);
        assert_int_equal(scan(header, 6, &length), LT_ETOOLARGE);
        assert_int_equal(scan(header + 1, 5, &length), LT_ETOOLARGE);
    }
    uint8_t nested[31 * 5];
    for (size_t i = 0; i < sizeof nested; i += 5)
        memcpy(nested + i, "\xdd\x00\x00\xff\xff", 5);
    size_t length = 0;
    assert_int_equal(scan(nested, 5, &length), LT_EBUSY);
    assert_int_equal(scan(nested, 10, &length), LT_ETOOLARGE);
    assert_int_equal(scan(nested, sizeof nested, &length), LT_ETOOLARGE);
}

static void allows_depth_16_and_not_17(void **state)
{
    (void)state;
    uint8_t nested[LT_FRAME_DEPTH_MAX + 1];
    size_t length = 0;
    memset(nested, 0x91, sizeof nested);
    nested[LT_FRAME_DEPTH_MAX] = 7;
    expect_object(nested, sizeof nested);
    nested[LT_FRAME_DEPTH_MAX] = 0x91;
    assert_int_equal(scan(nested, sizeof nested, &length), LT_ETOOLARGE);
    nested[LT_FRAME_DEPTH_MAX] = 0x90; /* an empty one is one, too */
    assert_int_equal(scan(nested, sizeof nested, &length), LT_ETOOLARGE);
    nested[LT_FRAME_DEPTH_MAX - 1] = 0x80;
    assert_int_equal(scan(nested, sizeof nested, &length), LT_OK);
    assert_int_equal(length, LT_FRAME_DEPTH_MAX);
}

static int scan_limited(const uint8_t *bytes, size_t size, size_t bytes_max, uint32_t elements_max)
{
    struct lt_scanner scanner;
    size_t length;
    lt_scanner_init(&scanner, bytes_max, elements_max);
    return lt_scan(&scanner, bytes, size, &length);
}

static void counts_elements(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x93, 1, 0x81, 2, 3, 4}; /* array, 1, map, 2, 3, 4 */
    assert_int_equal(scan_limited(bytes, 6, 100, 6), LT_OK);
    assert_int_equal(scan_limited(bytes, 3, 100, 5), LT_ETOOLARGE);
    assert_int_equal(scan_limited(bytes, 2, 100, 5), LT_EBUSY);
    assert_int_equal(scan_limited(bytes, 1, 100, 3), LT_ETOOLARGE);
    assert_int_equal(scan_limited(bytes, 6, 100, 0), LT_ETOOLARGE);
}

static void counts_bytes(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x92, 1, 0xa3, 'a', 'b', 'c'};
    assert_int_equal(scan_limited(bytes, 6, 6, 10), LT_OK);
    assert_int_equal(scan_limited(bytes, 6, 5, 10), LT_ETOOLARGE);
    assert_int_equal(scan_limited(bytes, 3, 5, 10), LT_ETOOLARGE); /* by the declared length of the text */
    assert_int_equal(scan_limited(bytes, 2, 5, 10), LT_EBUSY);
    assert_int_equal(scan_limited(bytes, 2, 2, 10), LT_ETOOLARGE); /* nothing more could come */
    assert_int_equal(scan_limited(bytes, 0, 0, 10), LT_ETOOLARGE);
}

/* A small generator of pseudo-random numbers: the same objects on every machine. */
static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)random_state * bound) >> 32);
}

static void pack_random(msgpack_packer *packer, uint32_t depth)
{
    static const char text[70000];
    uint32_t size = random_below(20) ? random_below(40) : random_below(70000);
    uint32_t items = random_below(30) ? random_below(5) : random_below(40);
    switch (random_below(depth < 8 ? 10 : 8)) {
    case 0:
        msgpack_pack_nil(packer);
        break;
    case 1:
        msgpack_pack_true(packer);
        break;
    case 2:
        msgpack_pack_uint64(packer, (uint64_t)random_below(UINT32_MAX) << random_below(33));
        break;
    case 3:
        msgpack_pack_int64(packer, -(int64_t)random_below(UINT32_MAX) * random_below(1000));
        break;
    case 4:
        msgpack_pack_double(packer, random_below(1000) / 7.0);
        break;
    case 5:
        msgpack_pack_str_with_body(packer, text, size);
        break;
    case 6:
        msgpack_pack_bin_with_body(packer, text, size);
        break;
    case 7:
        msgpack_pack_ext_with_body(packer, text, size, 5);
        break;
    case 8:
        msgpack_pack_array(packer, items);
        for (uint32_t i = 0; i < items; i++)
            pack_random(packer, depth + 1);
        break;
    default:
        msgpack_pack_map(packer, items);
        for (uint32_t i = 0; i < 2 * items; i++)
            pack_random(packer, depth + 1);
    }
}

/* Two random objects, one after the other, that come in random pieces: the ends must be msgpack-c's. */
static void finds_the_ends_that_msgpack_c_finds(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 2000; round++) {
        msgpack_sbuffer packed;
        msgpack_packer packer;
        random_state = round;
        msgpack_sbuffer_init(&packed);
        msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
        pack_random(&packer, 0);
        pack_random(&packer, 0);
        msgpack_unpacked unpacked;
        size_t end = 0;
        msgpack_unpacked_init(&unpacked);
        assert_int_equal(msgpack_unpack_next(&unpacked, packed.data, packed.size, &end), MSGPACK_UNPACK_SUCCESS);
        msgpack_unpacked_destroy(&unpacked);

        struct lt_scanner scanner;
        size_t received = 0, length = 0;
        int code = LT_EBUSY;
        lt_scanner_init(&scanner, 8u << 20, 1u << 20);
        while (code == LT_EBUSY) {
            assert_true(received < packed.size);
            received += 1 + random_below((uint32_t)(packed.size - received));
            code = lt_scan(&scanner, (const uint8_t *)packed.data, received, &length);
        }
        assert_int_equal(code, LT_OK);
        assert_int_equal(length, end);
        assert_int_equal(lt_scan(&scanner, (const uint8_t *)packed.data + end, packed.size - end, &length), LT_OK);
        assert_int_equal(length, packed.size - end);
        msgpack_sbuffer_destroy(&packed);
    }
}

/* Whatever bytes come: the scanner answers, and what it passes msgpack-c unpacks with the same length. */
static void copes_with_random_bytes(void **state)
{
    (void)state;
    unsigned passed = 0;
    random_state = 99;
    for (uint32_t round = 0; round < 200000; round++) {
        uint8_t bytes[24];
        size_t size = 1 + random_below(sizeof bytes), length = 0;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)random_below(256);
        int code = scan(bytes, size, &length);
        if (code != LT_OK) {
            assert_true(code == LT_EBUSY || code == LT_ETOOLARGE || code == LT_EMALFORMED);
            continue;
        }
        msgpack_unpacked unpacked;
        size_t end = 0;
        msgpack_unpacked_init(&unpacked);
        assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)bytes, size, &end), MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(end, length);
        msgpack_unpacked_destroy(&unpacked);
        passed++;
    }
    assert_true(passed > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_type),
        cmocka_unit_test(stops_between_two_objects),
        cmocka_unit_test(refuses_the_unused_byte),
        cmocka_unit_test(survives_being_called_again_after_an_error),
        cmocka_unit_test(refuses_declared_counts),
        cmocka_unit_test(allows_depth_16_and_not_17),
        cmocka_unit_test(counts_elements),
        cmocka_unit_test(counts_bytes),
        cmocka_unit_test(finds_the_ends_that_msgpack_c_finds),
        cmocka_unit_test(copes_with_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
