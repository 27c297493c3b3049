/* Span keys: the vectors of proto/PROTOCOL.md, made with Python's hashlib, and that each field counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/key.h"

static const uint8_t fingerprint[32] = {1, 2, 3, 4, 5, 6, 7, 8};

static struct lt_span_key key_of(const uint8_t *encoder, const char *salt, const uint32_t *tokens, size_t count)
{
    struct lt_span_key key;
    lt_span_key(encoder, (const uint8_t *)salt, strlen(salt), tokens, count, &key);
    return key;
}

static void assert_differ(struct lt_span_key a, struct lt_span_key b)
{
    assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
}

static void equal_input_gives_equal_keys(void **state)
{
    (void)state;
    const uint32_t tokens[] = {5, 6, 7};
    struct lt_span_key a = key_of(fingerprint, "", tokens, 3), b = key_of(fingerprint, "", tokens, 3);
    assert_memory_equal(a.bytes, b.bytes, sizeof a.bytes);
}

static void every_field_counts(void **state)
{
    (void)state;
    uint8_t other_encoder[32];
    memcpy(other_encoder, fingerprint, sizeof other_encoder);
    other_encoder[31] ^= 1;
    const uint32_t tokens[] = {5, 6, 7}, turned[] = {7, 6, 5}, wide[] = {5, 6, 7 | 1u << 31};
    struct lt_span_key key = key_of(fingerprint, "", tokens, 3);
    assert_differ(key, key_of(other_encoder, "", tokens, 3));
    assert_differ(key, key_of(fingerprint, "tenant", tokens, 3));
    assert_differ(key, key_of(fingerprint, "", tokens, 2));
    assert_differ(key, key_of(fingerprint, "", turned, 3));
    assert_differ(key, key_of(fingerprint, "", wide, 3));
}

/* What stands at the end of one field must not pass for the beginning of the next. */
static void fields_do_not_run_into_each_other(void **state)
{
    (void)state;
    const uint32_t tokens[] = {0x54, 4, 9}, fewer[] = {9};
    const char salt[] = "T";
    assert_differ(key_of(fingerprint, salt, fewer, 1), key_of(fingerprint, "", tokens, 3));
}

static void more_tokens_than_are_hashed_at_once(void **state)
{
    (void)state;
    uint32_t tokens[130];
    for (size_t i = 0; i < 130; i++)
        tokens[i] = (uint32_t)i;
    struct lt_span_key key = key_of(fingerprint, "", tokens, 130);
    tokens[129]++;
    assert_differ(key, key_of(fingerprint, "", tokens, 130));
}

/* The lines of the block "key-vectors" in proto/PROTOCOL.md: name, salt (hex, - for none), tokens, key. */
static void vectors_of_another_implementation(void **state)
{
    (void)state;
    char path[4096], line[1024], name[64], salt_hex[256], list[512], key_hex[128];
    uint8_t encoder[32];
    for (uint8_t i = 0; i < 32; i++)
        encoder[i] = i;
    snprintf(path, sizeof path, "%s/../../proto/PROTOCOL.md", getenv("LATENTD_VECTORS"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && strcmp(line, "```key-vectors\n") != 0)
        continue;
    int vectors = 0;
    while (fgets(line, sizeof line, file) &&
           sscanf(line, "%63s %255s %511s %127s", name, salt_hex, list, key_hex) == 4) {
        uint8_t salt[LT_SALT_BYTES_MAX], expected[32];
        uint32_t tokens[64];
        size_t salt_bytes = 0, count = 0;
        if (*salt_hex != '-')
            sodium_hex2bin(salt, sizeof salt, salt_hex, strlen(salt_hex), NULL, &salt_bytes, NULL);
        sodium_hex2bin(expected, sizeof expected, key_hex, 64, NULL, NULL, NULL);
        for (char *rest = list, *number; (number = strsep(&rest, ",")) != NULL;)
            tokens[count++] = (uint32_t)strtoul(number, NULL, 10);
        struct lt_span_key key;
        lt_span_key(encoder, salt, salt_bytes, tokens, count, &key);
        assert_memory_equal(key.bytes, expected, sizeof expected);
        vectors++;
    }
    fclose(file);
    assert_int_equal(vectors, 4);
}

/* The block "chain-vectors": name, previous (- for none), span key, chain key. */
static void chain_vectors_of_another_implementation(void **state)
{
    (void)state;
    char path[4096], line[1024], name[64], previous_hex[128], span_hex[128], chain_hex[128];
    uint8_t refiner[32];
    int vectors = 0;
    for (uint8_t i = 0; i < 32; i++)
        refiner[i] = i;
    snprintf(path, sizeof path, "%s/../../proto/PROTOCOL.md", getenv("LATENTD_VECTORS"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && strcmp(line, "```chain-vectors\n") != 0)
        continue;
    while (fgets(line, sizeof line, file) &&
           sscanf(line, "%63s %127s %127s %127s", name, previous_hex, span_hex, chain_hex) == 4) {
        struct lt_span_key previous, span, expected, chain;
        bool first = *previous_hex == '-';
        if (!first)
            sodium_hex2bin(previous.bytes, 32, previous_hex, 64, NULL, NULL, NULL);
        sodium_hex2bin(span.bytes, 32, span_hex, 64, NULL, NULL, NULL);
        sodium_hex2bin(expected.bytes, 32, chain_hex, 64, NULL, NULL, NULL);
        lt_chain_key(refiner, 2, first ? NULL : &previous, &span, &chain);
        assert_memory_equal(chain.bytes, expected.bytes, sizeof expected.bytes);
        vectors++;
    }
    fclose(file);
    assert_int_equal(vectors, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_input_gives_equal_keys),      cmocka_unit_test(every_field_counts),
        cmocka_unit_test(fields_do_not_run_into_each_other), cmocka_unit_test(more_tokens_than_are_hashed_at_once),
        cmocka_unit_test(vectors_of_another_implementation), cmocka_unit_test(chain_vectors_of_another_implementation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
