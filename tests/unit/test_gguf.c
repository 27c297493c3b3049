/* The reader of model files: good ones, and every kind of bad one. */
#include <string.h>

#include "kernels/gguf.h"
#include "proto/alloc.h"
#include "vectors.h"

/* --- a small writer, for files that no exporter makes --- */

struct file {
    uint8_t bytes[4096];
    size_t size;
};

static void put(struct file *file, const void *data, size_t bytes)
{
    assert_true(bytes <= sizeof file->bytes - file->size);
    memcpy(file->bytes + file->size, data, bytes);
    file->size += bytes;
}

static void put_u32(struct file *file, uint32_t value)
{
    put(file, &value, sizeof value);
}

static void put_u64(struct file *file, uint64_t value)
{
    put(file, &value, sizeof value);
}

static void put_string(struct file *file, const char *text)
{
    put_u64(file, strlen(text));
    put(file, text, strlen(text));
}

static void begin(struct file *file, uint64_t tensors, uint64_t keys)
{
    file->size = 0;
    put(file, "GGUF", 4);
    put_u32(file, 3);
    put_u64(file, tensors);
    put_u64(file, keys);
}

static void put_key(struct file *file, const char *key, uint32_t type)
{
    put_string(file, key);
    put_u32(file, type);
}

static void put_tensor(struct file *file, const char *name, uint64_t inputs, uint64_t outputs, uint32_t type,
                       uint64_t offset)
{
    put_string(file, name);
    put_u32(file, 2);
    put_u64(file, inputs);
    put_u64(file, outputs);
    put_u32(file, type);
    put_u64(file, offset);
}

static void put_data(struct file *file, size_t bytes)
{
    static const uint8_t zeros[1024];
    put(file, zeros, (32 - file->size % 32) % 32);
    put(file, zeros, bytes);
}

static void check_refused(const void *bytes, size_t size, const char *reason)
{
    struct lt_gguf *gguf = NULL;
    struct lt_error error = {0};
    assert_int_equal(lt_gguf_read(bytes, size, "a file", &gguf, &error), LT_EMODEL);
    assert_null(gguf);
    assert_int_equal(error.code, LT_EMODEL);
    assert_true(strncmp(error.message, "a file: ", 8) == 0);
    if (!strstr(error.message, reason))
        fail_msg("'%s' does not say '%s'", error.message, reason);
}

/* --- good files --- */

static void test_reads_what_was_written(void **state)
{
    (void)state;
    struct file file;
    struct lt_gguf *gguf;
    begin(&file, 2, 5);
    put_key(&file, "number", LT_GGUF_U32);
    put_u32(&file, 77);
    put_key(&file, "text", LT_GGUF_STRING);
    put_string(&file, "hello");
    put_key(&file, "yes", LT_GGUF_BOOL);
    put(&file, "\1", 1);
    put_key(&file, "words", LT_GGUF_ARRAY);
    put_u32(&file, LT_GGUF_STRING);
    put_u64(&file, 2);
    put_string(&file, "a");
    put_string(&file, "");
    put_key(&file, "numbers", LT_GGUF_ARRAY);
    put_u32(&file, LT_GGUF_I32);
    put_u64(&file, 2);
    put_u32(&file, 5);
    put_u32(&file, (uint32_t)-6);
    put_tensor(&file, "z", 3, 2, LT_GGUF_F16, 0);
    put_tensor(&file, "b", 4, 1, LT_GGUF_F32, 32);
    put_data(&file, 48);

    struct lt_error error;
    uint32_t number;
    struct lt_gguf_text text;
    struct lt_gguf_array array;
    bool yes = false;
    assert_int_equal(lt_gguf_read(file.bytes, file.size, "a file", &gguf, &error), LT_OK);
    assert_int_equal(lt_gguf_bytes(gguf), file.size);
    assert_int_equal(lt_gguf_u32(gguf, "number", &number, &error), LT_OK);
    assert_int_equal(number, 77);
    assert_int_equal(lt_gguf_string(gguf, "text", &text, &error), LT_OK);
    assert_int_equal(text.bytes, 5);
    assert_memory_equal(text.text, "hello", 5);
    assert_int_equal(lt_gguf_bool(gguf, "yes", &yes, &error), LT_OK);
    assert_true(yes);
    assert_int_equal(lt_gguf_array(gguf, "words", LT_GGUF_STRING, &array, &error), LT_OK);
    assert_int_equal(array.count, 2);
    const uint8_t *cursor = array.data;
    assert_int_equal(lt_gguf_next_string(&cursor).bytes, 1);
    assert_int_equal(lt_gguf_next_string(&cursor).bytes, 0);
    assert_int_equal(lt_gguf_array(gguf, "numbers", LT_GGUF_I32, &array, &error), LT_OK);
    assert_int_equal(lt_gguf_array_i32(&array, 1), -6);

    assert_int_equal(lt_gguf_tensor_count(gguf), 2);
    assert_memory_equal(lt_gguf_tensor_at(gguf, 0)->name.text, "b", 1);
    const struct lt_gguf_tensor *tensor = lt_gguf_tensor(gguf, "z");
    assert_int_equal(tensor->inputs, 3);
    assert_int_equal(tensor->outputs, 2);
    assert_int_equal(tensor->bytes, 12);
    assert_int_equal(lt_gguf_tensor(gguf, "b")->data - tensor->data, 32);
    assert_null(lt_gguf_tensor(gguf, "zz"));

    assert_int_equal(lt_gguf_u32(gguf, "text", &number, &error), LT_EMODEL);
    assert_string_equal(error.message, "a file: key 'text' is of type string; u32 is needed");
    assert_int_equal(lt_gguf_u32(gguf, "nothing", &number, &error), LT_EMODEL);
    assert_string_equal(error.message, "a file: key 'nothing' is missing");
    assert_int_equal(lt_gguf_array(gguf, "words", LT_GGUF_I32, &array, &error), LT_EMODEL);
    assert_string_equal(error.message, "a file: key 'words' is an array of string; of i32 is needed");
    lt_gguf_close(gguf);
}

/* --- bad files --- */

static void test_headers_that_lie(void **state)
{
    (void)state;
    struct file file;
    check_refused("", 0, "does not begin with the letters GGUF");
    check_refused("GGML....", 8, "does not begin with the letters GGUF");
    check_refused("GGUF", 4, "ends inside its header");
    check_refused("GGUF\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, "version 2");
    begin(&file, 0, UINT64_MAX);
    check_refused(file.bytes, file.size, "metadata keys");
    begin(&file, 0, 4097);
    check_refused(file.bytes, file.size, "4097 metadata keys; at most 4096");
    begin(&file, UINT64_MAX, 0);
    check_refused(file.bytes, file.size, "tensors; at most");
    begin(&file, 0, 1);
    put_u64(&file, UINT64_MAX);
    check_refused(file.bytes, file.size, "a string of 18446744073709551615 bytes");
    begin(&file, 0, 1);
    put_u64(&file, 60000);
    check_refused(file.bytes, file.size, "ends inside its header");
    begin(&file, 0, 1);
    put_key(&file, "odd", 13);
    check_refused(file.bytes, file.size, "key 'odd' has type 13");
    begin(&file, 0, 2);
    put_key(&file, "twice", LT_GGUF_BOOL);
    put(&file, "", 1);
    put_key(&file, "twice", LT_GGUF_BOOL);
    put(&file, "", 1);
    check_refused(file.bytes, file.size, "key 'twice' occurs twice");
}

static void test_arrays_that_lie(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        uint64_t count;
        const char *reason;
    } cases[] = {
        {LT_GGUF_U32, UINT64_MAX, "longer than the file"},
        {LT_GGUF_U64, UINT64_MAX / 8 + 2, "longer than the file"},
        {LT_GGUF_STRING, UINT64_MAX / 8 + 2, "longer than the file"},
        {LT_GGUF_U8, 17, "longer than the file"},
        {LT_GGUF_ARRAY, 1, "an array of type 9"},
        {99, 1, "an array of type 99"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file file;
        begin(&file, 0, 1);
        put_key(&file, "array", LT_GGUF_ARRAY);
        put_u32(&file, cases[i].type);
        put_u64(&file, cases[i].count);
        put_u64(&file, 0);
        put_u64(&file, 0);
        check_refused(file.bytes, file.size, cases[i].reason);
    }
}

static void test_tensors_that_lie(void **state)
{
    (void)state;
    static const struct {
        uint64_t inputs, outputs;
        uint32_t type;
        uint64_t offset;
        const char *reason;
    } cases[] = {
        {4, 4, LT_GGUF_F32, 32, "does not lie inside the file"},
        {4, 4, LT_GGUF_F32, 31, "does not lie inside the file"},
        {4, 4, LT_GGUF_F32, UINT64_MAX - 31, "does not lie inside the file"},
        {4, 5, LT_GGUF_F32, 0, "does not lie inside the file"},
        {0, 4, LT_GGUF_F32, 0, "empty"},
        {4, 0, LT_GGUF_F32, 0, "empty"},
        {1ull << 32, 1ull << 32, LT_GGUF_F32, 0, "larger than the file"},
        {UINT64_MAX, 2, LT_GGUF_F16, 0, "larger than the file"},
        {32, 4, LT_GGUF_Q8_0, 0, "does not lie inside the file"},
        {33, 1, LT_GGUF_Q8_0, 0, "multiple of 32"},
        {UINT64_MAX - 31, 2, LT_GGUF_Q8_0, 0, "larger than the file"},
        {4, 4, 2, 0, "type 2"},
    };
    struct file file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(&file, 1, 0);
        put_tensor(&file, "t", cases[i].inputs, cases[i].outputs, cases[i].type, cases[i].offset);
        put_data(&file, 64);
        check_refused(file.bytes, file.size, cases[i].reason);
    }
    begin(&file, 2, 0);
    put_tensor(&file, "t", 4, 4, LT_GGUF_F32, 0);
    put_tensor(&file, "t", 4, 4, LT_GGUF_F32, 0);
    put_data(&file, 64);
    check_refused(file.bytes, file.size, "tensor 't' occurs twice");
    begin(&file, 1, 0);
    put_string(&file, "t");
    put_u32(&file, 3);
    check_refused(file.bytes, file.size, "3 dimensions");
}

static void test_alignment(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0, 1, 33, 8192, UINT32_MAX};
    struct file file;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(&file, 0, 1);
        put_key(&file, "general.alignment", LT_GGUF_U32);
        put_u32(&file, bad[i]);
        check_refused(file.bytes, file.size, "general.alignment");
    }
}

/* --- whole model files, damaged --- */

static uint8_t *read_tiny(size_t *ret_size)
{
    char path[4096];
    vectors_path("tiny.gguf", path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(1 << 20);
    *ret_size = fread(bytes, 1, 1 << 20, file);
    assert_true(*ret_size > 1000 && *ret_size < 1 << 20);
    fclose(file);
    return bytes;
}

static int open_bytes(const uint8_t *bytes, size_t size, struct lt_error *error)
{
    char path[] = "/tmp/latentd-test-gguf-XXXXXX";
    struct lt_model *model = NULL;
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, size), size);
    close(file);
    int rc = lt_model_open(path, LT_PRECISION_STORED, &model, error);
    if (rc != LT_OK)
        assert_true(strncmp(error->message, path, strlen(path)) == 0 && strlen(error->message) > strlen(path) + 10);
    lt_model_close(model);
    unlink(path);
    return rc;
}

static void test_a_cut_file_is_refused(void **state)
{
    (void)state;
    size_t size;
    struct lt_error error;
    uint8_t *bytes = read_tiny(&size);
    assert_int_equal(open_bytes(bytes, size, &error), LT_OK);
    for (size_t cut = 0; cut < size; cut += 97) {
        uint8_t *exact = malloc(cut ? cut : 1); /* so that a sanitizer sees a read past the end */
        struct lt_gguf *gguf = NULL;
        memcpy(exact, bytes, cut);
        assert_int_equal(lt_gguf_read(exact, cut, "a file", &gguf, &error), LT_EMODEL);
        free(exact);
    }
    assert_int_equal(open_bytes(bytes, 0, &error), LT_EMODEL);
    assert_int_equal(open_bytes(bytes, size - 1, &error), LT_EMODEL);
    free(bytes);
}

/* A flipped bit may leave a good file (a score, a weight); it must never do worse than be refused. */
static void test_flipped_bits_do_no_harm(void **state)
{
    (void)state;
    size_t size;
    struct lt_error error;
    uint8_t *bytes = read_tiny(&size);
    int refused = 0;
    srand48(11);
    for (int round = 0; round < 600; round++) {
        size_t at = round < 200 ? (size_t)round : (size_t)(drand48() * 20000);
        uint8_t mask = (uint8_t)(1u << (int)(drand48() * 8));
        bytes[at] ^= mask;
        int rc = open_bytes(bytes, size, &error);
        assert_true(rc == LT_OK || rc == LT_EMODEL);
        refused += rc == LT_EMODEL;
        bytes[at] ^= mask;
    }
    assert_true(refused > 100);
    free(bytes);
}

/* Overwrites the u32 or f32 behind a key. */
static void set_value(uint8_t *bytes, size_t size, const char *key, const void *value)
{
    uint8_t *at = memmem(bytes, size, key, strlen(key));
    assert_non_null(at);
    memcpy(at + strlen(key) + 4, value, 4);
}

static void test_hyperparameters_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t value;
    } cases[] = {
        {"islet.embedding_length", 0},
        {"islet.embedding_length", 33},
        {"islet.embedding_length", 64},
        {"islet.embedding_length", UINT32_MAX},
        {"islet.feed_forward_length", 16385},
        {"islet.attention.head_count", 0},
        {"islet.attention.head_count", 3},
        {"islet.attention.head_count", 32},
        {"islet.attention.layer_norm_rms_epsilon", 0},
        {"islet.attention.layer_norm_rms_epsilon", 0x7fc00000},
        {"islet.rope.freq_base", 0xff800000},
        {"islet.encoder.block_count", 0},
        {"islet.encoder.block_count", 2},
        {"islet.mixer.block_count", 64},
        {"islet.decoder.block_count", 65},
        {"islet.decoder.window", 257},
        {"islet.context_length", 0},
        {"islet.context_length", 321}, /* more than islet.context_accepted */
        {"islet.context_accepted", 255},
        {"islet.context_accepted", 65537},
        {"islet.span.minimum", 13},
        {"islet.span.maximum", 65},
    };
    size_t size;
    uint8_t *good = read_tiny(&size), *bytes = malloc(size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lt_error error;
        memcpy(bytes, good, size);
        set_value(bytes, size, cases[i].key, &cases[i].value);
        if (open_bytes(bytes, size, &error) != LT_EMODEL)
            fail_msg("%s = %u was not refused", cases[i].key, cases[i].value);
    }
    free(good);
    free(bytes);
}

static void test_other_names_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *reason;
    } cases[] = {
        {"content", "contenT", "islet.span.rule"},
        {"islet.span.rule", "islet.span.rulE", "'islet.span.rule' is missing"},
        {"decoder.skip.weight", "decoder.skip.weighT", "'decoder.skip.weight' is missing"},
        {"encoder.blk.0.attn_k.weight", "encoder.blk.0.attn_q.weight", "occurs twice"},
        {"islet.prompt.user", "islet.prompt.useR", "'islet.prompt.user' is missing"},
    };
    size_t size;
    uint8_t *good = read_tiny(&size), *bytes = malloc(size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lt_error error;
        memcpy(bytes, good, size);
        uint8_t *at = memmem(bytes, size, cases[i].from, strlen(cases[i].from));
        assert_non_null(at);
        memcpy(at, cases[i].to, strlen(cases[i].to));
        assert_int_equal(open_bytes(bytes, size, &error), LT_EMODEL);
        if (!strstr(error.message, cases[i].reason))
            fail_msg("'%s' does not say '%s'", error.message, cases[i].reason);
    }
    free(good);
    free(bytes);
}

static void test_files_that_are_not_there(void **state)
{
    (void)state;
    struct lt_model *model = NULL;
    struct lt_error error;
    assert_int_equal(lt_model_open("/nonexistent/model.gguf", LT_PRECISION_STORED, &model, &error), LT_EMODEL);
    assert_string_equal(error.message, "/nonexistent/model.gguf: cannot be opened: No such file or directory");
    assert_int_equal(lt_model_open("/tmp", LT_PRECISION_STORED, &model, &error), LT_EMODEL);
    assert_string_equal(error.message, "/tmp: not a regular file");
    assert_int_equal(lt_model_open("/dev/zero", LT_PRECISION_STORED, &model, &error), LT_EMODEL);
    assert_null(model);
}

static void test_fingerprint_is_the_encoders(void **state)
{
    (void)state;
    size_t size;
    struct lt_model *models[3];
    char paths[3][40];
    uint8_t *bytes = read_tiny(&size);
    struct lt_gguf *gguf;
    struct lt_error error;
    assert_int_equal(lt_gguf_read(bytes, size, "a file", &gguf, &error), LT_OK);
    size_t mixer = (size_t)(lt_gguf_tensor(gguf, "mixer.blk.0.attn_q.weight")->data - bytes);
    size_t encoder = (size_t)(lt_gguf_tensor(gguf, "encoder.blk.0.attn_q.weight")->data - bytes);
    lt_gguf_close(gguf);
    for (int i = 0; i < 3; i++) {
        strcpy(paths[i], "/tmp/latentd-test-gguf-XXXXXX");
        int file = mkstemp(paths[i]);
        size_t flipped = i == 1 ? mixer : encoder;
        bytes[flipped] ^= i > 0;
        assert_int_equal(write(file, bytes, size), size);
        bytes[flipped] ^= i > 0;
        close(file);
        assert_int_equal(lt_model_open(paths[i], LT_PRECISION_STORED, &models[i], &error), LT_OK);
        unlink(paths[i]);
    }
    const uint8_t *original = lt_model_encoder_fingerprint(models[0]);
    assert_memory_equal(original, lt_model_encoder_fingerprint(models[1]), LT_FINGERPRINT_BYTES);
    assert_memory_not_equal(original, lt_model_encoder_fingerprint(models[2]), LT_FINGERPRINT_BYTES);
    for (int i = 0; i < 3; i++)
        lt_model_close(models[i]);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_was_written),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_arrays_that_lie),
        cmocka_unit_test(test_tensors_that_lie),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_a_cut_file_is_refused),
        cmocka_unit_test(test_flipped_bits_do_no_harm),
        cmocka_unit_test(test_hyperparameters_that_cannot_be),
        cmocka_unit_test(test_other_names_are_refused),
        cmocka_unit_test(test_files_that_are_not_there),
        cmocka_unit_test(test_fingerprint_is_the_encoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
