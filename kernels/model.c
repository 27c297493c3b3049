/* Opening a model file: hyperparameters, tokenizer, prompt format, span rule, weights, fingerprint, in this order, each
 * checked before the next uses it. The file is closed again at the end. */
#include "kernels/model.h"

#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

#include "kernels/fingerprint.h"
#include "kernels/gguf.h"
#include "kernels/spans.h"
#include "kernels/tensors.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "proto/limits.h"
#include "proto/utf8.h"

struct lt_model {
    char *path;
    char name[LT_MODEL_NAME_MAX + 1];
    uint64_t file_bytes;
    uint64_t parameters;
    struct lt_model_shape shape;
    struct lt_prompt_format prompt_format;
    struct lt_tokenizer *tokenizer;
    struct lt_span_rule span_rule;
    struct lt_weights weights;
    uint8_t encoder_fingerprint[LT_FINGERPRINT_BYTES];
};

static const char architecture[] = "islet";

static bool equals(struct lt_gguf_text text, const char *wanted)
{
    return text.bytes == strlen(wanted) && memcmp(text.text, wanted, text.bytes) == 0;
}

/* Reads a string that must be `wanted`. */
static int expect(const struct lt_gguf *gguf, const char *path, const char *key, const char *wanted,
                  struct lt_error *error)
{
    struct lt_gguf_text text;
    int rc = lt_gguf_string(gguf, key, &text, error);
    if (rc == LT_OK && !equals(text, wanted))
        return lt_fail(error, LT_EMODEL, "%s: %s is '%.*s'; '%s' is known", path, key,
                       (int)(text.bytes < 40 ? text.bytes : 40), text.text, wanted);
    return rc;
}

static int read_name(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    struct lt_gguf_text name;
    size_t offset;
    int rc = expect(gguf, model->path, "general.architecture", architecture, error);
    if (rc == LT_OK)
        rc = lt_gguf_string(gguf, "general.name", &name, error);
    if (rc != LT_OK)
        return rc;
    bool plain = name.bytes > 0 && name.bytes <= LT_MODEL_NAME_MAX && !lt_utf8_check(name.text, name.bytes, &offset);
    for (size_t i = 0; plain && i < name.bytes; i++)
        plain = (uint8_t)name.text[i] >= ' ' && name.text[i] != 0x7f;
    if (!plain)
        return lt_fail(error, LT_EMODEL, "%s: general.name must be 1 to %d bytes of text without control characters",
                       model->path, LT_MODEL_NAME_MAX);
    memcpy(model->name, name.text, name.bytes);
    return LT_OK;
}

static int read_numbers(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    struct lt_model_shape *shape = &model->shape;
    const struct {
        const char *key;
        uint32_t *to;
        uint32_t maximum;
    } numbers[] = {
        {"islet.embedding_length", &shape->width, LT_WIDTH_MAX},
        {"islet.feed_forward_length", &shape->feed_forward, LT_FEED_FORWARD_MAX},
        {"islet.attention.head_count", &shape->heads, LT_HEADS_MAX},
        {"islet.encoder.block_count", &shape->encoder_layers, LT_LAYERS_MAX},
        {"islet.refiner.block_count", &shape->refiner_layers, LT_LAYERS_MAX},
        {"islet.mixer.block_count", &shape->mixer_layers, LT_LAYERS_MAX},
        {"islet.decoder.block_count", &shape->decoder_layers, LT_LAYERS_MAX},
        {"islet.decoder.window", &shape->window, LT_WINDOW_MAX},
        {"islet.context_length", &shape->context, LT_CONTEXT_MAX},
        {"islet.span.minimum", &shape->span_minimum, LT_SPAN_TOKENS_MAX},
        {"islet.span.maximum", &shape->span_maximum, LT_SPAN_TOKENS_MAX},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int rc = lt_gguf_u32(gguf, numbers[i].key, numbers[i].to, error);
        if (rc != LT_OK)
            return rc;
        if (*numbers[i].to < 1 || *numbers[i].to > numbers[i].maximum)
            return lt_fail(error, LT_EMODEL, "%s: %s is %u; 1 to %u are allowed", model->path, numbers[i].key,
                           *numbers[i].to, numbers[i].maximum);
    }
    if (shape->width % shape->heads != 0 || shape->width / shape->heads % 2 != 0)
        return lt_fail(error, LT_EMODEL,
                       "%s: %u heads do not divide a width of %u into even parts, which rotary positions need",
                       model->path, shape->heads, shape->width);
    if (shape->span_minimum > shape->span_maximum)
        return lt_fail(error, LT_EMODEL, "%s: islet.span.minimum (%u) is above islet.span.maximum (%u)", model->path,
                       shape->span_minimum, shape->span_maximum);
    return expect(gguf, model->path, "islet.span.rule", "content", error);
}

static int read_constants(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    float epsilon, base;
    int rc = lt_gguf_float(gguf, "islet.attention.layer_norm_rms_epsilon", &epsilon, error);
    if (rc == LT_OK)
        rc = lt_gguf_float(gguf, "islet.rope.freq_base", &base, error);
    if (rc != LT_OK)
        return rc;
    if (!(epsilon > 0 && epsilon < 1))
        return lt_fail(error, LT_EMODEL, "%s: islet.attention.layer_norm_rms_epsilon must lie between 0 and 1",
                       model->path);
    if (!(base > 1 && isfinite(base)))
        return lt_fail(error, LT_EMODEL, "%s: islet.rope.freq_base must be above 1", model->path);
    model->weights.epsilon = epsilon;
    model->weights.rope_base = base;
    return LT_OK;
}

/* Options of the tokenizer that this one does not have must be off. */
static int read_tokenizer_options(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    static const char *const keys[] = {"tokenizer.ggml.add_space_prefix", "tokenizer.ggml.add_bos_token"};
    int rc = expect(gguf, model->path, "tokenizer.ggml.model", "llama", error);
    for (size_t i = 0; i < sizeof keys / sizeof *keys && rc == LT_OK; i++) {
        bool on;
        rc = lt_gguf_bool(gguf, keys[i], &on, error);
        if (rc == LT_OK && on)
            rc = lt_fail(error, LT_EMODEL, "%s: %s must be false", model->path, keys[i]);
    }
    return rc;
}

static int read_tokenizer(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    struct lt_gguf_array texts, scores, kinds;
    struct lt_error reason;
    int rc = read_tokenizer_options(model, gguf, error);
    if (rc == LT_OK)
        rc = lt_gguf_array(gguf, "tokenizer.ggml.tokens", LT_GGUF_STRING, &texts, error);
    if (rc == LT_OK)
        rc = lt_gguf_array(gguf, "tokenizer.ggml.scores", LT_GGUF_FLOAT32, &scores, error);
    if (rc == LT_OK)
        rc = lt_gguf_array(gguf, "tokenizer.ggml.token_type", LT_GGUF_I32, &kinds, error);
    if (rc != LT_OK)
        return rc;
    if (texts.count == 0 || texts.count > LT_VOCABULARY_MAX || scores.count != texts.count ||
        kinds.count != texts.count)
        return lt_fail(error, LT_EMODEL,
                       "%s: %" PRIu64 " tokens, %" PRIu64 " scores, %" PRIu64
                       " types; the same number of each, at most %d",
                       model->path, texts.count, scores.count, kinds.count, LT_VOCABULARY_MAX);
    uint32_t count = (uint32_t)texts.count;
    struct lt_vocabulary_entry *entries = lt_calloc(count, sizeof *entries);
    if (!entries)
        return lt_fail_code(error, LT_ENOMEM);
    const uint8_t *cursor = texts.data;
    for (uint32_t token = 0; token < count; token++) {
        struct lt_gguf_text text = lt_gguf_next_string(&cursor);
        entries[token] = (struct lt_vocabulary_entry){
            .text = text.text,
            .bytes = text.bytes,
            .score = lt_gguf_array_float(&scores, token),
            .kind = (enum lt_token_kind)lt_gguf_array_i32(&kinds, token),
        };
    }
    rc = lt_tokenizer_create(entries, count, &model->tokenizer, &reason);
    lt_free(entries);
    if (rc == LT_EMODEL)
        return lt_fail(error, rc, "%s: %s", model->path, reason.message);
    model->shape.vocabulary = count;
    return rc == LT_OK ? LT_OK : lt_fail_code(error, rc);
}

static int read_prompt_format(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    const struct {
        const char *key;
        uint32_t *to;
    } controls[] = {
        {"islet.prompt.document", &model->prompt_format.document},
        {"islet.prompt.user", &model->prompt_format.user},
        {"islet.prompt.answer", &model->prompt_format.answer},
        {"islet.prompt.end", &model->prompt_format.end},
    };
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        struct lt_gguf_text text;
        char name[LT_PIECE_BYTES_MAX + 1] = "";
        int rc = lt_gguf_string(gguf, controls[i].key, &text, error);
        if (rc != LT_OK)
            return rc;
        if (text.bytes <= LT_PIECE_BYTES_MAX)
            memcpy(name, text.text, text.bytes);
        if (!lt_tokenizer_control(model->tokenizer, name, controls[i].to))
            return lt_fail(error, LT_EMODEL, "%s: %s is '%s', which is no control token", model->path, controls[i].key,
                           name);
    }
    return LT_OK;
}

static int read_model(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    struct lt_weights constants;
    int rc = read_name(model, gguf, error);
    if (rc == LT_OK)
        rc = read_numbers(model, gguf, error);
    if (rc == LT_OK)
        rc = read_constants(model, gguf, error);
    if (rc == LT_OK)
        rc = read_tokenizer(model, gguf, error);
    if (rc == LT_OK)
        rc = read_prompt_format(model, gguf, error);
    if (rc != LT_OK)
        return rc;
    const struct lt_model_shape *shape = &model->shape;
    if (lt_span_rule_init(model->tokenizer, shape->span_minimum, shape->span_maximum, &model->span_rule) != LT_OK)
        return lt_fail_code(error, LT_ENOMEM);
    constants = model->weights;
    rc = lt_weights_load(gguf, model->path, shape, &model->weights, error);
    if (rc != LT_OK)
        return rc;
    model->weights.epsilon = constants.epsilon;
    model->weights.rope_base = constants.rope_base;
    for (size_t i = 0; i < lt_gguf_tensor_count(gguf); i++)
        model->parameters += lt_gguf_tensor_at(gguf, i)->inputs * lt_gguf_tensor_at(gguf, i)->outputs;
    lt_fingerprint_encoder(gguf, shape, constants.epsilon, model->tokenizer,
                           (struct lt_gguf_text){.text = "content", .bytes = 7}, model->encoder_fingerprint);
    return LT_OK;
}

int lt_model_open(const char *path, struct lt_model **ret_model, struct lt_error *error)
{
    struct lt_gguf *gguf = NULL;
    struct lt_model *model = lt_calloc(1, sizeof *model);
    int rc;
    if (!model || !(model->path = lt_strdup(path))) {
        rc = lt_fail_code(error, LT_ENOMEM);
        goto cleanup;
    }
    if (sodium_init() < 0) {
        rc = lt_fail(error, LT_EINTERNAL, "libsodium cannot be initialised");
        goto cleanup;
    }
    rc = lt_gguf_open(path, &gguf, error);
    if (rc != LT_OK)
        goto cleanup;
    model->file_bytes = lt_gguf_bytes(gguf);
    rc = read_model(model, gguf, error);
    if (rc != LT_OK)
        goto cleanup;
    *ret_model = model;
    model = NULL;
cleanup:
    lt_gguf_close(gguf);
    lt_model_close(model);
    return rc;
}

void lt_model_close(struct lt_model *model)
{
    if (!model)
        return;
    lt_weights_finish(&model->weights);
    lt_span_rule_finish(&model->span_rule);
    lt_tokenizer_destroy(model->tokenizer);
    lt_free(model->path);
    lt_free(model);
}

const char *lt_model_name(const struct lt_model *model)
{
    return model->name;
}

const char *lt_model_path(const struct lt_model *model)
{
    return model->path;
}

const char *lt_model_architecture(const struct lt_model *model)
{
    (void)model;
    return architecture;
}

uint64_t lt_model_parameters(const struct lt_model *model)
{
    return model->parameters;
}

uint64_t lt_model_file_bytes(const struct lt_model *model)
{
    return model->file_bytes;
}

const struct lt_model_shape *lt_model_shape(const struct lt_model *model)
{
    return &model->shape;
}

const struct lt_prompt_format *lt_model_prompt_format(const struct lt_model *model)
{
    return &model->prompt_format;
}

const struct lt_tokenizer *lt_model_tokenizer(const struct lt_model *model)
{
    return model->tokenizer;
}

const struct lt_span_rule *lt_model_span_rule(const struct lt_model *model)
{
    return &model->span_rule;
}

const uint8_t *lt_model_encoder_fingerprint(const struct lt_model *model)
{
    return model->encoder_fingerprint;
}

const struct lt_weights *lt_model_weights(const struct lt_model *model)
{
    return &model->weights;
}
