/* Requests: the vectors of proto/PROTOCOL.md, every default, every way in which a parameter can be wrong, and bytes
 * that are no request at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "proto/messages.h"
#include "proto/roles.h"
#include "proto/writer.h"
#include "written.h"

/* A vector of PROTOCOL.md as bytes; freed by the caller. */
static uint8_t *read_vector(const char *name, size_t *ret_bytes)
{
    char path[4096], line[4096], *hex = NULL;
    size_t name_bytes = strlen(name);
    snprintf(path, sizeof path, "%s/../../proto/PROTOCOL.md", getenv("LATENTD_VECTORS"));
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("cannot open %s; is LATENTD_VECTORS set?", path);
    bool within = false;
    while (!hex && fgets(line, sizeof line, file)) {
        if (strncmp(line, "```", 3) == 0)
            within = strcmp(line, "```vectors\n") == 0;
        else if (within && strncmp(line, name, name_bytes) == 0 && line[name_bytes] == ' ')
            hex = line + name_bytes + 1;
    }
    fclose(file);
    if (!hex)
        fail_msg("PROTOCOL.md has no vector %s", name);
    size_t bytes = strcspn(hex, "\n") / 2;
    uint8_t *vector = malloc(bytes);
    assert_non_null(vector);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &vector[i]), 1);
    *ret_bytes = bytes;
    return vector;
}

static struct lt_request *decode_vector(const char *name, uint32_t expected_id)
{
    struct lt_request *request = NULL;
    struct lt_error error = {0};
    uint32_t id = 0;
    bool known = false;
    size_t bytes;
    uint8_t *vector = read_vector(name, &bytes);
    int code = lt_request_decode(vector, bytes, &request, &id, &known, &error);
    memset(vector, 0xee, bytes); /* the request must own all that it needs */
    free(vector);
    if (code)
        fail_msg("%s: %s", name, error.message);
    assert_true(known);
    assert_int_equal(id, expected_id);
    assert_int_equal(request->id, expected_id);
    return request;
}

static void expect_text(const char *text, size_t bytes, const char *expected)
{
    assert_int_equal(bytes, strlen(expected));
    assert_memory_equal(text, expected, bytes);
}

static void takes_the_vectors(void **state)
{
    (void)state;
    struct lt_request *request = decode_vector("hello", 1);
    assert_int_equal(request->method, LT_METHOD_HELLO);
    assert_int_equal(request->hello.version, 1);
    lt_request_destroy(request);

    request = decode_vector("ping", 2);
    assert_int_equal(request->method, LT_METHOD_PING);
    lt_request_destroy(request);
    request = decode_vector("ping-bare-map", 2);
    assert_int_equal(request->method, LT_METHOD_PING);
    lt_request_destroy(request);

    request = decode_vector("encode", 5);
    assert_int_equal(request->method, LT_METHOD_ENCODE);
    assert_int_equal(request->encode.segment.role, LT_ROLE_DOCUMENT);
    expect_text(request->encode.segment.text, request->encode.segment.bytes, "na\xc3\xafve");
    lt_request_destroy(request);

    request = decode_vector("latent-get", 6);
    assert_int_equal(request->latent_get.key_count, 2);
    for (uint8_t i = 0; i < LT_SPAN_KEY_BYTES; i++)
        assert_int_equal(request->latent_get.keys[0][i], i);
    assert_memory_equal(request->latent_get.keys[1], request->latent_get.keys[0], LT_SPAN_KEY_BYTES);
    lt_request_destroy(request);

    request = decode_vector("latent-put", 7);
    const struct lt_latent_put_request *put = &request->latent_put;
    assert_string_equal(put->model, "");
    assert_int_equal(put->encoder[31], 31);
    assert_int_equal(put->type, LT_LATENT_I8);
    assert_int_equal(put->dimension, 4);
    assert_int_equal(put->latent_count, 2);
    assert_int_equal(put->latents[0].token_count, 3);
    assert_int_equal(put->latents[0].tokens[2], 3);
    assert_true(put->latents[0].scale == 0.5f);
    assert_memory_equal(put->latents[0].payload, "\x01\xff\x7f\x81", 4);
    assert_int_equal(put->latents[1].token_count, 1);
    assert_int_equal(put->latents[1].tokens[0], 65536);
    assert_true(put->latents[1].scale == 0.25f);
    assert_memory_equal(put->latents[1].payload, "\0\0\0\x7f", 4);
    lt_request_destroy(request);

    request = decode_vector("cancel", UINT32_MAX);
    assert_int_equal(request->cancel.id, 4);
    lt_request_destroy(request);
}

static void fills_in_the_defaults_of_generate(void **state)
{
    (void)state;
    struct lt_request *request = decode_vector("generate-prompt", 3);
    const struct lt_generate_request *generate = &request->generate;
    assert_int_equal(generate->segment_count, 1);
    assert_int_equal(generate->segments[0].role, LT_ROLE_USER);
    expect_text(generate->segments[0].text, generate->segments[0].bytes, "Hi.");
    assert_string_equal(generate->model, "");
    assert_int_equal(generate->format, LT_FORMAT_CHAT);
    assert_int_equal(generate->max_tokens, 16);
    assert_true(generate->temperature == 0); /* sent as an integer */
    assert_int_equal(generate->top_k, 40);
    assert_true(generate->top_p == 0.95);
    assert_true(generate->repetition_penalty == 1.2);
    assert_int_equal(generate->seed, 0);
    assert_int_equal(generate->stop_count, 0);
    assert_true(generate->stream);
    lt_request_destroy(request);
}

static void reads_segments_and_stops(void **state)
{
    (void)state;
    struct lt_request *request = decode_vector("generate-segments", 4);
    const struct lt_generate_request *generate = &request->generate;
    assert_int_equal(generate->segment_count, 2);
    assert_int_equal(generate->segments[0].role, LT_ROLE_DOCUMENT);
    expect_text(generate->segments[0].text, generate->segments[0].bytes, "The sea is cold.");
    assert_int_equal(generate->segments[1].role, LT_ROLE_USER);
    expect_text(generate->segments[1].text, generate->segments[1].bytes, "Is it?");
    assert_int_equal(generate->max_tokens, 128);
    assert_true(generate->temperature == 0.7);
    assert_true(generate->top_p == 0.5);
    assert_true(generate->seed == UINT64_MAX);
    assert_int_equal(generate->stop_count, 1);
    expect_text(generate->stop[0].text, generate->stop[0].bytes, "\n");
    assert_false(generate->stream);
    lt_request_destroy(request);
}

/* ---- Requests made here ---- */

static void expect_vector(const char *name)
{
    size_t bytes;
    uint8_t *vector = read_vector(name, &bytes);
    assert_int_equal(writer.error, LT_OK);
    assert_int_equal(buffer.size, bytes);
    assert_memory_equal(buffer.data, vector, bytes);
    free(vector);
    buffer.size = 0;
}

static void writes_the_vectors(void **state)
{
    (void)state;
    struct lt_error error;
    lt_write_response(&writer, 2);
    lt_write_map(&writer, 1);
    lt_write_text(&writer, "pong");
    lt_write_bool(&writer, true);
    expect_vector("pong");

    lt_write_notification(&writer, "token");
    lt_write_map(&writer, 2);
    lt_write_text(&writer, "id");
    lt_write_uint(&writer, 4);
    lt_write_text(&writer, "text");
    lt_write_text(&writer, "No, \xc3\xa9");
    expect_vector("token");

    lt_fail(&error, LT_EPARAM, "generate: unknown parameter \"colour\"");
    lt_write_error(&writer, true, 3, &error);
    expect_vector("error");

    lt_fail_code(&error, LT_EMALFORMED);
    lt_write_error(&writer, false, 0, &error);
    expect_vector("error-without-id");
}

/* ---- Broken envelopes ---- */

static void expect_broken(const char *bytes, size_t size, int code, bool id_known)
{
    struct lt_request *request = (struct lt_request *)&buffer;
    struct lt_error error = {0};
    uint32_t id = 0;
    bool known = !id_known;
    assert_int_equal(lt_request_decode((const uint8_t *)bytes, size, &request, &id, &known, &error), code);
    assert_int_equal(known, id_known);
    assert_int_equal(error.code, code);
    assert_true(strlen(error.message) > 0);
    assert_ptr_equal(request, &buffer); /* untouched */
    if (id_known)
        assert_int_equal(id, 7);
}

#define EXPECT_BROKEN(literal, code, id_known) expect_broken(literal, sizeof(literal) - 1, code, id_known)

static void refuses_what_is_no_request(void **state)
{
    (void)state;
    EXPECT_BROKEN("", LT_EMALFORMED, false);
    EXPECT_BROKEN("\xc0", LT_EMALFORMED, false);
    EXPECT_BROKEN("\xc1", LT_EMALFORMED, false);
    EXPECT_BROKEN("\x90", LT_EMALFORMED, false);
    EXPECT_BROKEN("\x80", LT_EMALFORMED, false);
    EXPECT_BROKEN("\x94\x00\x07\xa4pin", LT_EMALFORMED, false);                      /* cut off */
    EXPECT_BROKEN("\x94\x00\x07\xa4ping\x90\xc0", LT_EMALFORMED, false);             /* something behind it */
    EXPECT_BROKEN("\x93\x02\xa5token\x90", LT_EMALFORMED, false);                    /* a notification */
    EXPECT_BROKEN("\x94\x01\x07\xc0\xc0", LT_EMALFORMED, false);                     /* a response */
    EXPECT_BROKEN("\x94\x00\xa1x\xa4ping\x90", LT_EMALFORMED, false);                /* id no integer */
    EXPECT_BROKEN("\x94\x00\xff\xa4ping\x90", LT_EMALFORMED, false);                 /* id negative */
    EXPECT_BROKEN("\x94\x00\xcf\0\0\0\1\0\0\0\0\xa4ping\x90", LT_EMALFORMED, false); /* id of 33 bits */
    EXPECT_BROKEN("\x93\x00\x07\xa4ping", LT_EMALFORMED, true);
    EXPECT_BROKEN("\x94\x00\x07\x01\x90", LT_EMALFORMED, true); /* method no string */
    EXPECT_BROKEN("\x94\x00\x07\xa4pong\x90", LT_EMETHOD, true);
    EXPECT_BROKEN("\x94\x00\x07\xa0\x90", LT_EMETHOD, true);
    EXPECT_BROKEN("\x94\x00\x07\xa4ping\x92\x80\x80", LT_EPARAM, true);
    EXPECT_BROKEN("\x94\x00\x07\xa4ping\xc0", LT_EPARAM, true);
    EXPECT_BROKEN("\x94\x00\x07\xa4ping\x91\xc0", LT_EPARAM, true);
    EXPECT_BROKEN("\x94\x00\x07\xa4ping\xdd\xff\xff\xff\xff", LT_ETOOLARGE, false);
}

/* Every prefix of a request, and every byte of it changed to some others, on heap memory of the exact size so that a
 * checking build sees any byte read past its end. */
static void copes_with_damaged_requests(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *vector = read_vector("generate-segments", &bytes);
    for (size_t size = 0; size <= bytes; size++) {
        for (size_t at = 0; at < size; at += size == bytes ? 1 : size) {
            for (unsigned change = 1; change < 256; change += 3) {
                struct lt_request *request = NULL;
                uint32_t id;
                bool known;
                uint8_t *copy = malloc(size);
                assert_non_null(copy);
                memcpy(copy, vector, size);
                if (size == bytes)
                    copy[at] ^= (uint8_t)change;
                int code = lt_request_decode(copy, size, &request, &id, &known, NULL);
                free(copy);
                assert_true(code <= 0);
                lt_request_destroy(request);
            }
        }
    }
    free(vector);
}

/* Lets each allocation fail in turn until the request is decoded. */
static void survives_memory_running_out(void **state)
{
    (void)state;
    static const char *const names[] = {"generate-prompt", "generate-segments", "encode", "latent-get", "latent-put"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t bytes;
        uint8_t *vector = read_vector(names[i], &bytes);
        struct lt_request *request = NULL;
        struct lt_error error;
        uint32_t id;
        bool known;
        int code = LT_ENOMEM;
        size_t number = 0;
        while (code == LT_ENOMEM) {
            lt_alloc_fail_at(++number);
            code = lt_request_decode(vector, bytes, &request, &id, &known, &error);
            assert_true(known);
        }
        lt_alloc_fail_at(0);
        assert_int_equal(code, LT_OK);
        assert_true(number > 2);
        lt_request_destroy(request);
        free(vector);
    }
}

static void names_every_method(void **state)
{
    (void)state;
    assert_string_equal(lt_method_name(LT_METHOD_LATENT_GET), "latent.get");
    assert_string_equal(lt_method_name(LT_METHOD_COUNT), "unknown");
    for (int method = 0; method < LT_METHOD_COUNT; method++)
        assert_true(strlen(lt_method_name((enum lt_method)method)) <= LT_METHOD_NAME_MAX);
}

/* The table of roles in PROTOCOL.md, in the order of the methods. */
static void asks_for_the_roles_of_the_protocol(void **state)
{
    (void)state;
    char path[4096], line[4096], expected[128];
    int method = 0;
    snprintf(path, sizeof path, "%s/../../proto/PROTOCOL.md", getenv("LATENTD_VECTORS"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && strcmp(line, "| method | role |\n") != 0)
        continue;
    assert_non_null(fgets(line, sizeof line, file));
    for (; fgets(line, sizeof line, file) && line[0] == '|'; method++) {
        assert_in_range(method, 0, LT_METHOD_COUNT - 1);
        snprintf(expected, sizeof expected, "| `%s` | %s |\n", lt_method_name((enum lt_method)method),
                 lt_access_name(lt_method_access((enum lt_method)method)));
        assert_string_equal(line, expected);
    }
    assert_int_equal(method, LT_METHOD_COUNT);
    assert_int_equal(lt_method_access(LT_METHOD_COUNT), LT_ACCESS_ADMIN);
    fclose(file);
}

#define WITH_WRITER(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* Which sets of roles are taken, and what each includes. */
static void reads_roles(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",    ",",    "read,",         ",read", "read,read",
                                        "any", "Read", "read generate", "admins"};
    unsigned roles = 77;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(lt_roles_parse(wrong[i], &roles));
    assert_int_equal(roles, 77);
    assert_true(lt_roles_parse("write,read", &roles));
    assert_true(lt_roles_include(roles, LT_ACCESS_READ) && lt_roles_include(roles, LT_ACCESS_WRITE));
    assert_false(lt_roles_include(roles, LT_ACCESS_GENERATE) || lt_roles_include(roles, LT_ACCESS_ADMIN));
    assert_true(lt_roles_include(0, LT_ACCESS_ANY));
    assert_true(lt_roles_parse("admin", &roles));
    for (enum lt_access access = LT_ACCESS_ANY; access <= LT_ACCESS_ADMIN; access++)
        assert_true(lt_roles_include(roles, access));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_vectors),
        cmocka_unit_test(reads_roles),
        cmocka_unit_test(fills_in_the_defaults_of_generate),
        cmocka_unit_test(reads_segments_and_stops),
        WITH_WRITER(writes_the_vectors),
        cmocka_unit_test(refuses_what_is_no_request),
        cmocka_unit_test(copes_with_damaged_requests),
        cmocka_unit_test(survives_memory_running_out),
        cmocka_unit_test(names_every_method),
        cmocka_unit_test(asks_for_the_roles_of_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
