/* From tensors to weights: the file's type is kept, a file of float32 gives the same bits as the binary16 that it was
 * widened from, and what is not a number is refused. */
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
static int open_bytes(struct bytes bytes, struct lt_model **ret_model, struct lt_error *error)
{
    char path[] = "/tmp/latentd-test-weights-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes.data, bytes.count), bytes.count);
    close(descriptor);
    int rc = lt_model_open(path, ret_model, error);
    unlink(path);
    return rc;
}

/* The same file with all tensors as float32. Behind a tensor's name stand the number of dimensions (u32), the
 * dimensions (u64), the type (u32) and the offset (u64). */
static struct bytes widen_file(struct bytes narrow)
{
    struct lt_gguf *gguf = gguf_of(narrow);
    struct bytes wide = {.data = calloc(1, 3 * narrow.count)};
    size_t start = narrow.count;
    for (size_t i = 0; i < lt_gguf_tensor_count(gguf); i++) {
        size_t at = (size_t)(lt_gguf_tensor_at(gguf, i)->data - narrow.data);
        start = at < start ? at : start;
    }
    memcpy(wide.data, narrow.data, start);
    wide.count = start;
    for (size_t i = 0; i < lt_gguf_tensor_count(gguf); i++) {
        const struct lt_gguf_tensor *tensor = lt_gguf_tensor_at(gguf, i);
        size_t type_at = (size_t)((const uint8_t *)tensor->name.text - narrow.data) + tensor->name.bytes + 4 +
                         8 * (size_t)tensor->dimensions;
        size_t numbers = (size_t)(tensor->inputs * tensor->outputs);
        uint32_t type = LT_GGUF_F32;
        uint64_t offset = wide.count - start;
        memcpy(wide.data + type_at, &type, sizeof type);
        memcpy(wide.data + type_at + sizeof type, &offset, sizeof offset);
        if (tensor->type == LT_GGUF_F16)
            lt_float_from_half((const uint16_t *)(const void *)tensor->data, numbers,
                               (float *)(void *)(wide.data + wide.count));
        else
            memcpy(wide.data + wide.count, tensor->data, tensor->bytes);
        wide.count += (numbers * sizeof(float) + 31) / 32 * 32;
    }
    lt_gguf_close(gguf);
    return wide;
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

static void check_types(const struct lt_model *model, bool half)
{
    const struct lt_weights *weights = lt_model_weights(model);
    enum lt_panel_type type = half ? LT_PANEL_HALF : LT_PANEL_FLOAT;
    assert_int_equal(weights->embedding.half, half);
    assert_int_equal(weights->logits.type, type);
    assert_int_equal(weights->project.type, type);
    assert_int_equal(weights->encoder.layers[0].down.type, type);
    assert_int_equal(weights->decoder.layers[0].query.type, type);
}

static void test_the_type_is_kept_and_changes_no_bit(void **state)
{
    (void)state;
    struct bytes narrow = read_tiny(), wide = widen_file(narrow);
    struct lt_model *halves, *floats;
    struct lt_error error;
    if (open_bytes(narrow, &halves, &error) != LT_OK || open_bytes(wide, &floats, &error) != LT_OK)
        fail_msg("%s", error.message);
    check_types(halves, true);
    check_types(floats, false);
    float *from_halves = run(halves), *from_floats = run(floats);
    assert_memory_equal(from_halves, from_floats, lt_model_shape(halves)->vocabulary * sizeof(float));
    lt_model_close(halves);
    lt_model_close(floats);
    free(from_halves);
    free(from_floats);
    free(narrow.data);
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
    assert_int_equal(open_bytes(bytes, &model, &error), LT_EMODEL);
    assert_non_null(strstr(error.message, name));
    assert_non_null(strstr(error.message, "not a finite number"));
    memcpy(last, kept, 2);
    lt_gguf_close(gguf);
}

static void test_what_is_not_finite_is_refused(void **state)
{
    (void)state;
    struct bytes narrow = read_tiny(), wide = widen_file(narrow);
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
        cmocka_unit_test(test_what_is_not_finite_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
