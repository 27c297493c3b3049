/* Packs: what was written is read; whatever was changed, cut or added is noticed before an entry is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "storage/pack.h"

#define ENTRIES 300
#define MOST (1u << 20)

static void fill(uint32_t number, uint8_t *content, size_t *ret_bytes)
{
    *ret_bytes = number % 97 + 1;
    for (size_t i = 0; i < *ret_bytes; i++)
        content[i] = (uint8_t)(number * 7 + i);
}

/* A pack in a file without a name. */
static int make_pack(struct lt_pack_manifest *ret_manifest)
{
    char path[] = "/tmp/test-pack-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    struct lt_pack_manifest manifest = {.type = LT_LATENT_I8, .dimension = 32};
    memset(manifest.encoder, 0xab, sizeof manifest.encoder);
    struct lt_pack_writer *writer;
    assert_int_equal(lt_pack_writer_create(file, &manifest, &writer), LT_OK);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint8_t content[128];
        size_t bytes;
        fill(i, content, &bytes);
        assert_int_equal(lt_pack_write(writer, LT_PACK_LATENT, content, bytes), LT_OK);
    }
    assert_int_equal(lt_pack_writer_finish(writer, ret_manifest), LT_OK);
    lt_pack_writer_destroy(writer);
    return file;
}

static void read_all(struct lt_pack_reader *reader)
{
    const uint8_t *content;
    uint8_t expected[128], kind;
    size_t bytes, expected_bytes;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        assert_int_equal(lt_pack_read(reader, &kind, &content, &bytes), LT_OK);
        fill(i, expected, &expected_bytes);
        assert_int_equal(kind, LT_PACK_LATENT);
        assert_int_equal(bytes, expected_bytes);
        assert_memory_equal(content, expected, bytes);
    }
    assert_int_equal(lt_pack_read(reader, &kind, &content, &bytes), LT_ENOTFOUND);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct lt_pack_manifest written, manifest;
    struct lt_pack_reader *reader;
    struct lt_error error = {0};
    int file = make_pack(&written);
    assert_int_equal(lt_pack_reader_create(file, MOST, &reader, &manifest, &error), LT_OK);
    assert_memory_equal(&written, &manifest, sizeof manifest);
    assert_int_equal(manifest.entries, ENTRIES);
    assert_true(manifest.body_bytes < manifest.whole_bytes);
    read_all(reader);
    lt_pack_rewind(reader);
    read_all(reader);
    lt_pack_reader_destroy(reader);
    close(file);
}

static int open_code(int file, uint64_t most)
{
    struct lt_pack_manifest manifest;
    struct lt_pack_reader *reader = NULL;
    struct lt_error error = {0};
    int code = lt_pack_reader_create(file, most, &reader, &manifest, &error);
    lt_pack_reader_destroy(reader);
    assert_int_equal(error.code, code);
    return code;
}

static void every_bit_counts(void **state)
{
    (void)state;
    struct lt_pack_manifest manifest;
    int file = make_pack(&manifest);
    size_t size = LT_PACK_HEADER_BYTES + manifest.body_bytes;
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit += at < LT_PACK_HEADER_BYTES ? 1 : 3) {
            uint8_t byte, changed;
            assert_int_equal(pread(file, &byte, 1, (off_t)at), 1);
            changed = (uint8_t)(byte ^ 1 << bit);
            assert_int_equal(pwrite(file, &changed, 1, (off_t)at), 1);
            int code = open_code(file, UINT64_MAX);
            assert_true(code == LT_ECORRUPT || code == LT_EFORMAT);
            assert_int_equal(pwrite(file, &byte, 1, (off_t)at), 1);
        }
    assert_int_equal(open_code(file, UINT64_MAX), LT_OK);
    close(file);
}

static void every_other_length_is_noticed(void **state)
{
    (void)state;
    struct lt_pack_manifest manifest;
    int file = make_pack(&manifest);
    size_t size = LT_PACK_HEADER_BYTES + manifest.body_bytes;
    assert_int_equal(ftruncate(file, (off_t)size + 1), 0);
    assert_int_equal(open_code(file, MOST), LT_ECORRUPT);
    for (size_t shorter = size; shorter-- > 0;) {
        assert_int_equal(ftruncate(file, (off_t)shorter), 0);
        assert_int_equal(open_code(file, MOST), LT_ECORRUPT);
    }
    close(file);
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    struct lt_pack_manifest manifest;
    int file = make_pack(&manifest);
    assert_int_equal(open_code(file, manifest.whole_bytes - 1), LT_ETOOLARGE);
    assert_int_equal(open_code(file, manifest.whole_bytes), LT_OK);
    close(file);
}

/* A head that promises other things than the body holds, with checksums that are right. */
static void a_manifest_that_lies_is_caught(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        int64_t change;
    } lies[] = {{16, -1}, {16, 1}, {16, INT32_MAX}, {24, -1}, {24, 1}};
    for (size_t lie = 0; lie < sizeof lies / sizeof *lies; lie++) {
        struct lt_pack_manifest manifest;
        struct lt_pack_reader *reader;
        struct lt_error error;
        uint8_t header[LT_PACK_HEADER_BYTES], kind;
        const uint8_t *content;
        size_t bytes;
        uint64_t number;
        int file = make_pack(&manifest), code = LT_OK;
        assert_int_equal(pread(file, header, sizeof header, 0), sizeof header);
        memcpy(&number, header + lies[lie].at, sizeof number);
        number += (uint64_t)lies[lie].change;
        memcpy(header + lies[lie].at, &number, sizeof number);
        crypto_generichash(header + 112, 32, header, 112, NULL, 0);
        assert_int_equal(pwrite(file, header, sizeof header, 0), sizeof header);
        assert_int_equal(lt_pack_reader_create(file, MOST, &reader, &manifest, &error), LT_OK);
        while (code == LT_OK)
            code = lt_pack_read(reader, &kind, &content, &bytes);
        assert_int_equal(code, LT_ECORRUPT);
        lt_pack_reader_destroy(reader);
        close(file);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct lt_pack_manifest manifest;
    struct lt_error error;
    int file = make_pack(&manifest);
    struct lt_pack_reader *reader;
    struct lt_pack_writer *writer;
    lt_alloc_fail_at(1);
    assert_int_equal(lt_pack_reader_create(file, MOST, &reader, &manifest, &error), LT_ENOMEM);
    lt_alloc_fail_at(1);
    assert_int_equal(lt_pack_writer_create(file, &manifest, &writer), LT_ENOMEM);
    lt_alloc_fail_at(0);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),       cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(every_other_length_is_noticed),  cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(a_manifest_that_lies_is_caught), cmocka_unit_test(every_allocation_may_fail),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
