/* Parameters of requests: every way in which one can be wrong, and a message that names it and says what would be
 * right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/messages.h"
#include "proto/writer.h"
#include "written.h"

/* Decodes what was written and begins anew; the error if there was one. */
static int decode(struct lt_error *error)
{
    struct lt_request *request = NULL;
    uint32_t id = 0;
    bool known = false;
    *error = (struct lt_error){0};
    assert_int_equal(writer.error, LT_OK);
    int code = lt_request_decode(buffer.data, buffer.size, &request, &id, &known, error);
    assert_true(known);
    assert_int_equal(id, 9);
    assert_int_equal(code, error->code);
    for (const char *at = error->message; *at; at++)
        assert_true(*at >= 0x20 && *at < 0x7f);
    lt_request_destroy(request);
    buffer.size = 0;
    return code;
}

static void expect_error(int code, const char *message)
{
    struct lt_error error;
    assert_int_equal(decode(&error), code);
    assert_string_equal(error.message, message);
}

/* A request of one parameter, whose value the caller writes. */
static void write_one(const char *method, const char *name)
{
    lt_write_request(&writer, 9, method);
    lt_write_map(&writer, 1);
    lt_write_text(&writer, name);
}

/* A generate with a prompt and one more parameter. */
static void write_generate(const char *name)
{
    lt_write_request(&writer, 9, "generate");
    lt_write_map(&writer, 2);
    lt_write_text(&writer, "prompt");
    lt_write_text(&writer, "Hi.");
    lt_write_text(&writer, name);
}

static void expect_uint(const char *name, uint64_t value, bool good, const char *right)
{
    struct lt_error error;
    write_generate(name);
    lt_write_uint(&writer, value);
    assert_int_equal(decode(&error), good ? LT_OK : LT_EPARAM);
    if (!good) {
        assert_non_null(strstr(error.message, name));
        assert_non_null(strstr(error.message, right));
    }
}

static void checks_integers(void **state)
{
    (void)state;
    expect_uint("max_tokens", 0, false, "an integer from 1 to 65536; found 0");
    expect_uint("max_tokens", 1, true, NULL);
    expect_uint("max_tokens", 65536, true, NULL);
    expect_uint("max_tokens", 65537, false, "found 65537");
    expect_uint("top_k", 0, true, NULL);
    expect_uint("top_k", 1024, true, NULL);
    expect_uint("top_k", 1025, false, "from 0 to 1024");
    expect_uint("seed", UINT64_MAX, true, NULL);
    write_generate("seed");
    lt_write_int(&writer, -1);
    expect_error(LT_EPARAM, "generate: seed must be an integer from 0 to 18446744073709551615; found -1");
    write_generate("top_k");
    lt_write_real(&writer, 3);
    expect_error(LT_EPARAM, "generate: top_k must be an integer from 0 to 1024; found the float 3");
    write_generate("max_tokens");
    lt_write_nil(&writer);
    expect_error(LT_EPARAM, "generate: max_tokens must be an integer from 1 to 65536; found nil");
    write_generate("max_tokens");
    lt_write_text(&writer, "12\x1b[31m");
    expect_error(LT_EPARAM, "generate: max_tokens must be an integer from 1 to 65536; found the string \"12?[31m\"");
}

static void expect_real(const char *name, double value, bool good)
{
    struct lt_error error;
    write_generate(name);
    lt_write_real(&writer, value);
    assert_int_equal(decode(&error), good ? LT_OK : LT_EPARAM);
    if (!good)
        assert_non_null(strstr(error.message, name));
}

static void checks_reals(void **state)
{
    (void)state;
    expect_real("temperature", 0, true);
    expect_real("temperature", 10, true);
    expect_real("temperature", 10.01, false);
    expect_real("temperature", -0.01, false);
    expect_real("temperature", __builtin_nan(""), false);
    expect_real("temperature", __builtin_inf(), false);
    expect_real("top_p", 0, false);
    expect_real("top_p", 1e-9, true);
    expect_real("top_p", 1, true);
    expect_real("top_p", 1.01, false);
    expect_real("repetition_penalty", 0.99, false);
    expect_real("repetition_penalty", 1, true);
    expect_real("repetition_penalty", 2, true);
    expect_real("repetition_penalty", 2.01, false);
    write_generate("top_p");
    lt_write_uint(&writer, 1);
    assert_int_equal(decode(&(struct lt_error){0}), LT_OK);
    write_generate("top_p");
    lt_write_bool(&writer, true);
    expect_error(LT_EPARAM, "generate: top_p must be a number above 0 and at most 1; found true");
}

static void checks_choices_and_flags(void **state)
{
    (void)state;
    write_generate("format");
    lt_write_text(&writer, "text");
    assert_int_equal(decode(&(struct lt_error){0}), LT_OK);
    write_generate("format");
    lt_write_text(&writer, "html");
    expect_error(LT_EPARAM, "generate: format must be \"chat\" or \"text\"; found the string \"html\"");
    write_generate("stream");
    lt_write_uint(&writer, 1);
    expect_error(LT_EPARAM, "generate: stream must be true or false; found 1");
}

static void checks_names(void **state)
{
    (void)state;
    char name[66];
    memset(name, 'm', sizeof name);
    write_generate("model");
    lt_write_text_bytes(&writer, name, 64);
    assert_int_equal(decode(&(struct lt_error){0}), LT_OK);
    write_generate("model");
    lt_write_text_bytes(&writer, name, 65);
    expect_error(LT_ETOOLARGE, "generate: model has 65 bytes; the most is 64");
    write_generate("model");
    lt_write_text_bytes(&writer, "a\0b", 3);
    expect_error(LT_EPARAM, "generate: model must be a name without control characters; found the string \"a?b\"");
    write_generate("model");
    lt_write_text(&writer, "");
    expect_error(LT_EPARAM, "generate: model must be a string that is not empty; found the string \"\"");
}

static void checks_stops(void **state)
{
    (void)state;
    write_generate("stop");
    lt_write_array(&writer, 0);
    assert_int_equal(decode(&(struct lt_error){0}), LT_OK);
    write_generate("stop");
    lt_write_array(&writer, 9);
    for (int i = 0; i < 9; i++)
        lt_write_text(&writer, "x");
    expect_error(LT_EPARAM, "generate: stop must be an array of 0 to 8; found an array of 9");
    write_generate("stop");
    lt_write_array(&writer, 2);
    lt_write_text(&writer, "x");
    lt_write_text(&writer, "");
    expect_error(LT_EPARAM, "generate: stop[1] must be a string that is not empty; found the string \"\"");
    write_generate("stop");
    lt_write_text(&writer, "x");
    expect_error(LT_EPARAM, "generate: stop must be an array of 0 to 8; found the string \"x\"");
}

static void wants_one_of_prompt_and_segments(void **state)
{
    (void)state;
    lt_write_request(&writer, 9, "generate");
    lt_write_map(&writer, 0);
    expect_error(LT_EPARAM, "generate: exactly one of prompt and segments must be given; found neither");
    write_generate("segments");
    lt_write_array(&writer, 0);
    expect_error(LT_EPARAM, "generate: exactly one of prompt and segments must be given; found both");
    write_one("generate", "prompt");
    lt_write_text(&writer, "");
    expect_error(LT_EPARAM, "generate: prompt must be a string that is not empty; found the string \"\"");
    write_one("generate", "prompt");
    lt_write_text(&writer, "a\xc3(");
    expect_error(LT_EUTF8, "generate: prompt is not valid UTF-8 at byte 1");
}

static void write_segment(const char *role, const char *text, size_t bytes)
{
    lt_write_map(&writer, 2);
    lt_write_text(&writer, "role");
    lt_write_text(&writer, role);
    lt_write_text(&writer, "text");
    lt_write_text_bytes(&writer, text, bytes);
}

static void checks_segments(void **state)
{
    (void)state;
    write_one("generate", "segments");
    lt_write_array(&writer, 2);
    write_segment("user", "a", 1);
    write_segment("system", "b", 1);
    expect_error(
        LT_EPARAM,
        "generate: segments[1]: role must be \"document\" or \"user\" or \"answer\"; found the string \"system\"");
    write_one("generate", "segments");
    lt_write_array(&writer, 1);
    lt_write_text(&writer, "a");
    expect_error(LT_EPARAM,
                 "generate: segments[0] must be a map of \"role\" and \"text\", or of \"doc\"; found the string \"a\"");
    write_one("generate", "segments");
    lt_write_array(&writer, 1);
    lt_write_map(&writer, 1);
    lt_write_text(&writer, "role");
    lt_write_text(&writer, "user");
    expect_error(LT_EPARAM, "generate: segments[0]: text is missing; it must be a string");
    write_one("generate", "segments");
    lt_write_array(&writer, 1);
    lt_write_map(&writer, 1);
    lt_write_text(&writer, "text");
    lt_write_text(&writer, "a");
    expect_error(LT_EPARAM, "generate: segments[0]: role is missing; it must be \"document\", \"user\" or \"answer\"");
    write_one("generate", "segments");
    lt_write_array(&writer, 0);
    expect_error(LT_EPARAM, "generate: segments must be an array of 1 to 256; found an array of 0");
}

static void bounds_all_texts_together(void **state)
{
    (void)state;
    char *text = calloc(1, LT_PROMPT_BYTES_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', LT_PROMPT_BYTES_MAX + 1);
    write_one("generate", "prompt");
    lt_write_text_bytes(&writer, text, LT_PROMPT_BYTES_MAX);
    assert_int_equal(decode(&(struct lt_error){0}), LT_OK);
    write_one("encode", "text");
    lt_write_text_bytes(&writer, text, LT_PROMPT_BYTES_MAX + 1);
    expect_error(LT_ETOOLARGE, "encode: text has 524289 bytes; the most is 524288");
    write_one("generate", "segments");
    lt_write_array(&writer, 2);
    write_segment("document", text, LT_PROMPT_BYTES_MAX);
    write_segment("user", "y", 1);
    expect_error(LT_ETOOLARGE, "generate: segments have 524289 bytes together; the most is 524288");
    free(text);
}

static void names_unknown_and_repeated_parameters(void **state)
{
    (void)state;
    write_generate("colour");
    lt_write_nil(&writer);
    expect_error(LT_EPARAM, "generate: unknown parameter \"colour\"");
    write_generate("prompt");
    lt_write_text(&writer, "Ho.");
    expect_error(LT_EPARAM, "generate: parameter \"prompt\" is given twice");
    write_one("ping", "x");
    lt_write_nil(&writer);
    expect_error(LT_EPARAM, "ping: unknown parameter \"x\"");
    write_one("stats", "a parameter with a name that is longer than anyone needs");
    lt_write_nil(&writer);
    expect_error(LT_EPARAM, "stats: unknown parameter \"a parameter with a name that is longer t...\"");
    lt_write_request(&writer, 9, "info");
    lt_write_map(&writer, 1);
    lt_write_uint(&writer, 1);
    lt_write_nil(&writer);
    expect_error(LT_EPARAM, "info: the name of a parameter must be a string; found 1");
}

static void checks_the_small_methods(void **state)
{
    (void)state;
    write_one("hello", "version");
    lt_write_uint(&writer, 2);
    expect_error(LT_EPARAM, "hello: version must be an integer from 1 to 1; found 2");
    lt_write_request(&writer, 9, "cancel");
    lt_write_map(&writer, 0);
    expect_error(LT_EPARAM, "cancel: id is missing; it must be the id of a request of this connection");
    write_one("cancel", "id");
    lt_write_uint(&writer, 1ull << 32);
    expect_error(LT_EPARAM, "cancel: id must be an integer from 0 to 4294967295; found 4294967296");
    lt_write_request(&writer, 9, "encode");
    lt_write_map(&writer, 0);
    expect_error(LT_EPARAM, "encode: text is missing; it must be a string");
}

static void checks_keys(void **state)
{
    (void)state;
    static const char *const digits = "00112233445566778899aabbccddeeffAABBCCDDEEFF00112233445566778899";
    write_one("latent.get", "keys");
    lt_write_array(&writer, 1);
    lt_write_text(&writer, digits);
    assert_int_equal(decode(&(struct lt_error){0}), LT_OK);
    write_one("latent.get", "keys");
    lt_write_array(&writer, 2);
    lt_write_text(&writer, digits);
    lt_write_text_bytes(&writer, digits, 63);
    expect_error(LT_EPARAM, "latent.get: keys[1] must be 64 hexadecimal digits or 32 bytes of binary; "
                            "found the string \"00112233445566778899aabbccddeeffAABBCCDD...\"");
    write_one("latent.get", "keys");
    lt_write_array(&writer, 1);
    lt_write_binary(&writer, digits, 31);
    expect_error(LT_EPARAM, "latent.get: keys[0] must be 64 hexadecimal digits or 32 bytes of binary; "
                            "found 31 bytes of binary");
    write_one("latent.get", "keys");
    lt_write_array(&writer, 1025);
    for (int i = 0; i < 1025; i++)
        lt_write_text(&writer, digits);
    expect_error(LT_EPARAM, "latent.get: keys must be an array of 1 to 1024; found an array of 1025");
    lt_write_request(&writer, 9, "latent.get");
    lt_write_map(&writer, 0);
    expect_error(LT_EPARAM, "latent.get: keys is missing; it must be an array of 1 to 1024");
}

static void makes_documents_of_all_segments_in_text_format(void **state)
{
    (void)state;
    struct lt_request *request = NULL;
    uint32_t id;
    bool known;
    write_generate("format");
    lt_write_text(&writer, "text");
    assert_int_equal(lt_request_decode(buffer.data, buffer.size, &request, &id, &known, NULL), LT_OK);
    assert_int_equal(request->generate.segments[0].role, LT_ROLE_DOCUMENT);
    lt_request_destroy(request);
}

#define WITH_WRITER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WRITER(checks_integers),
        WITH_WRITER(checks_reals),
        WITH_WRITER(checks_choices_and_flags),
        WITH_WRITER(checks_names),
        WITH_WRITER(checks_stops),
        WITH_WRITER(wants_one_of_prompt_and_segments),
        WITH_WRITER(checks_segments),
        WITH_WRITER(bounds_all_texts_together),
        WITH_WRITER(names_unknown_and_repeated_parameters),
        WITH_WRITER(checks_the_small_methods),
        WITH_WRITER(checks_keys),
        WITH_WRITER(makes_documents_of_all_segments_in_text_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
