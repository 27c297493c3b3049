/* From tensors to weights: the file's type is kept, or becomes int8 behind the encoder; a file of float32 gives the
 * same bits as the binary16 or Q8_0 that it was widened from; and what is not a number is refused. */
#include <string.h>

#include "kernels/gguf.h"
#include "kernels/half.h"
#include "kernels/islet.h"
#include "kernels/tensors.h"
#include "proto/error.h"
#include "vectors.h"

struct bytes {
    uint8_t *data;
    size_t count;
};

static struct bytes read_tiny(void)
{
    char path[4096];
    struct bytes bytes = {.data = malloc(1 << 20)};
    vectors_path("tiny.gguf", path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    bytes.count = fread(bytes.data, 1, 1 << 20, file);
    assert_in_range(bytes.count, 1000, (1 << 20) - 1);
    fclose(file);
    return bytes;
}

static struct lt_gguf *gguf_of(struct bytes bytes)
{
    struct lt_gguf *gguf;
    struct lt_error error;
    if (lt_gguf_read(bytes.data, bytes.count, "tiny", &gguf, &error) != LT_OK)
        fail_msg("%s", error.message);
    return gguf;
}

/* Opens bytes as a model by way of a file. */
static int open_bytes(struct bytes bytes, enum lt_precision precision, struct lt_model **ret_model,
                      struct lt_error *error)
{
    char path[] = "/tmp/latentd-test-weights-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes.data, bytes.count), bytes.count);
    close(descriptor);
    int rc = lt_model_open(path, precision, ret_model, error);
    unlink(path);
    return rc;
}

static struct lt_model *open_model(struct bytes bytes, enum lt_precision precision)
{
    struct lt_model *model;
    struct lt_error error;
    if (open_bytes(bytes, precision, &model, &error) != LT_OK)
        fail_msg("%s", error.message);
    return model;
}

/* A block of Q8_0 is a scale in binary16 and 32 bytes. */
static float q8_0_number(const uint8_t *blocks, size_t i)
{
    uint16_t half;
    float scale;
    memcpy(&half, blocks + i / 32 * 34, 2);
    lt_float_from_half(&half, 1, &scale);
    return scale * (int8_t)blocks[i / 32 * 34 + 2 + i % 32];
}

static void put_q8_0(const float *numbers, size_t count, uint8_t *blocks)
{
    for (size_t i = 0; i < count; i += 32, blocks += 34) {
        float greatest = 0, scale;
        uint16_t half;
        for (size_t j = 0; j < 32; j++)
            greatest = fmaxf(greatest, fabsf(numbers[i + j]));
        greatest /= 127;
        lt_half_from_float(&greatest, 1, &half);
        lt_float_from_half(&half, 1, &scale);
        memcpy(blocks, &half, 2);
        for (size_t j = 0; j < 32; j++)
            blocks[2 + j] = (uint8_t)(scale > 0 ? fmaxf(-127, fminf(127, roundf(numbers[i + j] / scale))) : 0);
    }
}

static float *numbers_of(const struct lt_gguf_tensor *tensor)
{
    size_t count = (size_t)(tensor->inputs * tensor->outputs);
    float *numbers = malloc(count * sizeof *numbers);
    if (tensor->type == LT_GGUF_F16)
        lt_float_from_half((const uint16_t *)(const void *)tensor->data, count, numbers);
    else if (tensor->type == LT_GGUF_F32)
        memcpy(numbers, tensor->data, count * sizeof *numbers);
    else
        for (size_t i = 0; i < count; i++)
            numbers[i] = q8_0_number(tensor->data, i);
    return numbers;
}

/* The same file with all tensors as float32, or with all matrices that can be so as Q8_0. Behind a tensor's name stand
 * the number of dimensions (u32), the dimensions (u64), the type (u32) and the offset (u64). */
static struct bytes convert_file(struct bytes from, enum lt_gguf_tensor_type wanted)
{
    struct lt_gguf *gguf = gguf_of(from);
    struct bytes to = {.data = calloc(1, 4 * from.count)};
    size_t start = from.count;
    for (size_t i = 0; i < lt_gguf_tensor_count(gguf); i++) {
        size_t at = (size_t)(lt_gguf_tensor_at(gguf, i)->data - from.data);
        start = at < start ? at : start;
    }
    memcpy(to.data, from.data, start);
    to.count = start;
    for (size_t i = 0; i < lt_gguf_tensor_count(gguf); i++) {
        const struct lt_gguf_tensor *tensor = lt_gguf_tensor_at(gguf, i);
        size_t type_at = (size_t)((const uint8_t *)tensor->name.text - from.data) + tensor->name.bytes + 4 +
                         8 * (size_t)tensor->dimensions;
        size_t count = (size_t)(tensor->inputs * tensor->outputs);
        bool can_be = wanted == LT_GGUF_F32 || (tensor->dimensions == 2 && tensor->inputs % 32 == 0);
        uint32_t type = can_be ? wanted : LT_GGUF_F32;
        uint64_t offset = to.count - start;
        float *numbers = numbers_of(tensor);
        memcpy(to.data + type_at, &type, sizeof type);
        memcpy(to.data + type_at + sizeof type, &offset, sizeof offset);
        if (type == LT_GGUF_Q8_0)
            put_q8_0(numbers, count, to.data + to.count);
        else
            memcpy(to.data + to.count, numbers, count * sizeof *numbers);
        to.count += ((type == LT_GGUF_Q8_0 ? count / 32 * 34 : count * sizeof(float)) + 31) / 32 * 32;
        free(numbers);
    }
    lt_gguf_close(gguf);
    return to;
}

/* Encodes a span and decodes its tokens behind it; logits of the last. */
static float *run(const struct lt_model *model)
{
    static const uint32_t tokens[] = {260, 270, 280, 290}, closed[] = {1, 1, 1, 1};
    static const uint8_t start = 1;
    const struct lt_model_shape *shape = lt_model_shape(model);
    float *latent = malloc(shape->width * sizeof *latent), *logits = malloc(shape->vocabulary * sizeof *logits);
    struct lt_workspace *workspace;
    struct lt_sequence *sequence;
    assert_int_equal(lt_workspace_create(model, &workspace), LT_OK);
    assert_int_equal(lt_sequence_create(model, 1, &sequence), LT_OK);
    struct lt_encode_item encode = {.tokens = tokens, .count = 4, .latent = latent};
    assert_int_equal(lt_encode(workspace, &encode, 1), LT_OK);
    struct lt_mix_item mix = {.sequence = sequence, .latents = latent, .starts = &start, .count = 1};
    assert_int_equal(lt_mix(workspace, &mix, 1), LT_OK);
    struct lt_decode_item decode = {
        .sequence = sequence, .tokens = tokens, .closed = closed, .count = 4, .logits = logits};
    assert_int_equal(lt_decode(workspace, &decode, 1), LT_OK);
    lt_sequence_destroy(sequence);
    lt_workspace_destroy(workspace);
    free(latent);
    return logits;
}

static void check_types(const struct lt_model *model, enum lt_panel_type encoder, enum lt_panel_type others)
{
    const struct lt_weights *weights = lt_model_weights(model);
    assert_int_equal(weights->embedding.half, encoder == LT_PANEL_HALF);
    assert_int_equal(weights->project.type, encoder);
    assert_int_equal(weights->encoder.layers[0].down.type, encoder);
    assert_int_equal(weights->logits.type, others);
    assert_int_equal(weights->refiner.layers[0].gate.type, others);
    assert_int_equal(weights->mixer.layers[0].output.type, others);
    assert_int_equal(weights->decoder.layers[0].query.type, others);
    assert_int_equal(weights->recall.unfold.type, others);
}

/* Both give the same logits, to the last bit. */
static void check_same(const struct lt_model *one, const struct lt_model *other)
{
    float *from_one = run(one), *from_other = run(other);
    assert_memory_equal(from_one, from_other, lt_model_shape(one)->vocabulary * sizeof(float));
    free(from_one);
    free(from_other);
}

static void test_the_type_is_kept_and_changes_no_bit(void **state)
{
    (void)state;
    struct bytes narrow = read_tiny(), wide = convert_file(narrow, LT_GGUF_F32);
    struct lt_model *halves = open_model(narrow, LT_PRECISION_STORED), *floats = open_model(wide, LT_PRECISION_STORED);
    check_types(halves, LT_PANEL_HALF, LT_PANEL_HALF);
    check_types(floats, LT_PANEL_FLOAT, LT_PANEL_FLOAT);
    check_same(halves, floats);
    lt_model_close(halves);
    lt_model_close(floats);
    free(narrow.data);
    free(wide.data);
}

static void test_int8_is_made_of_any_type_and_not_of_the_encoder(void **state)
{
    (void)state;
    struct bytes narrow = read_tiny(), wide = convert_file(narrow, LT_GGUF_F32);
    struct lt_model *halves = open_model(narrow, LT_PRECISION_INT8), *floats = open_model(wide, LT_PRECISION_INT8);
    check_types(halves, LT_PANEL_HALF, LT_PANEL_INT8);
    check_types(floats, LT_PANEL_FLOAT, LT_PANEL_INT8);
    check_same(halves, floats);
    lt_model_close(halves);
    lt_model_close(floats);
    free(narrow.data);
    free(wide.data);
}

static void test_q8_0_is_the_numbers_that_it_stands_for(void **state)
{
    (void)state;
    static const enum lt_precision precisions[] = {LT_PRECISION_STORED, LT_PRECISION_INT8};
    struct bytes narrow = read_tiny(), blocks = convert_file(narrow, LT_GGUF_Q8_0);
    struct bytes wide = convert_file(blocks, LT_GGUF_F32);
    struct lt_gguf *gguf = gguf_of(blocks);
    assert_int_equal(lt_gguf_tensor(gguf, "token_embd.weight")->type, LT_GGUF_Q8_0);
    lt_gguf_close(gguf);
    for (size_t i = 0; i < 2; i++) {
        struct lt_model *model = open_model(blocks, precisions[i]), *expected = open_model(wide, precisions[i]);
        check_types(model, LT_PANEL_FLOAT, i == 0 ? LT_PANEL_FLOAT : LT_PANEL_INT8);
        check_same(model, expected);
        lt_model_close(model);
        lt_model_close(expected);
    }
    free(narrow.data);
    free(blocks.data);
    free(wide.data);
}

static void check_refused(struct bytes bytes, const char *name)
{
    struct lt_gguf *gguf = gguf_of(bytes);
    const struct lt_gguf_tensor *tensor = lt_gguf_tensor(gguf, name);
    struct lt_model *model;
    struct lt_error error;
    assert_non_null(tensor);
    uint8_t *last = bytes.data + (tensor->data - bytes.data) + tensor->bytes - 2, kept[2];
    uint16_t infinite = tensor->type == LT_GGUF_F16 ? 0xfc00 : 0x7f80;
    memcpy(kept, last, 2);
    memcpy(last, &infinite, 2); /* the upper half of a float32 */
    assert_int_equal(open_bytes(bytes, LT_PRECISION_INT8, &model, &error), LT_EMODEL);
    assert_non_null(strstr(error.message, name));
    assert_non_null(strstr(error.message, "not a finite number"));
    memcpy(last, kept, 2);
    lt_gguf_close(gguf);
}

static void test_what_is_not_finite_is_refused(void **state)
{
    (void)state;
    struct bytes narrow = read_tiny(), wide = convert_file(narrow, LT_GGUF_F32);
    static const char *const names[] = {"token_embd.weight", "encoder.project.weight", "encoder.position.weight",
                                        "decoder.norm.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_refused(narrow, names[i]);
        check_refused(wide, names[i]);
    }
    free(narrow.data);
    free(wide.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_type_is_kept_and_changes_no_bit),
        cmocka_unit_test(test_int8_is_made_of_any_type_and_not_of_the_encoder),
        cmocka_unit_test(test_q8_0_is_the_numbers_that_it_stands_for),
        cmocka_unit_test(test_what_is_not_finite_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
