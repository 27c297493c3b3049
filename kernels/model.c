/* Opening a model file: hyperparameters, tokenizer, prompt format, span rule, weights, fingerprint, in this order, each
 * checked before the next uses it. The file is closed again at the end. */
#include "kernels/model.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "kernels/fingerprint.h"
#include "kernels/gguf.h"
#include "kernels/hyperparameters.h"
#include "kernels/spans.h"
#include "kernels/tensors.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "proto/limits.h"

struct lt_model {
    char *path;
    struct lt_hyperparameters hyperparameters;
    uint64_t file_bytes;
    uint64_t parameters;
    struct lt_prompt_format prompt_format;
    struct lt_tokenizer *tokenizer;
    struct lt_span_rule span_rule;
    struct lt_weights weights;
    uint8_t encoder_fingerprint[LT_FINGERPRINT_BYTES];
    uint8_t refiner_fingerprint[LT_FINGERPRINT_BYTES];
    uint8_t fingerprint[LT_FINGERPRINT_BYTES];
};

/* Options of the tokenizer that this one does not have must be off. */
static int read_tokenizer_options(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    static const char *const keys[] = {"tokenizer.ggml.add_space_prefix", "tokenizer.ggml.add_bos_token"};
    int rc = lt_gguf_expect(gguf, model->path, "tokenizer.ggml.model", "llama", error);
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
    model->hyperparameters.shape.vocabulary = count;
    return rc == LT_OK ? LT_OK : lt_fail_code(error, rc);
}

static int read_prompt_format(struct lt_model *model, const struct lt_gguf *gguf, struct lt_error *error)
{
    const struct {
        const char *suffix;
        uint32_t *to;
    } controls[] = {
        {"prompt.document", &model->prompt_format.document},
        {"prompt.user", &model->prompt_format.user},
        {"prompt.answer", &model->prompt_format.answer},
        {"prompt.end", &model->prompt_format.end},
    };
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        struct lt_gguf_text text;
        char key[LT_MODEL_KEY_BYTES], name[LT_PIECE_BYTES_MAX + 1] = "";
        lt_model_key(model->hyperparameters.architecture, controls[i].suffix, key);
        int rc = lt_gguf_string(gguf, key, &text, error);
        if (rc != LT_OK)
            return rc;
        if (text.bytes <= LT_PIECE_BYTES_MAX)
            memcpy(name, text.text, text.bytes);
        if (!lt_tokenizer_control(model->tokenizer, name, controls[i].to))
            return lt_fail(error, LT_EMODEL, "%s: %s is '%s', which is no control token", model->path, key, name);
    }
    return LT_OK;
}

static int read_model(struct lt_model *model, const struct lt_gguf *gguf, enum lt_precision precision,
                      struct lt_error *error)
{
    const struct lt_model_shape *shape = &model->hyperparameters.shape;
    int rc = lt_hyperparameters_read(gguf, model->path, &model->hyperparameters, error);
    if (rc == LT_OK)
        rc = read_tokenizer(model, gguf, error);
    if (rc == LT_OK)
        rc = read_prompt_format(model, gguf, error);
    if (rc == LT_OK)
        rc = lt_weights_load(gguf, model->path, &model->hyperparameters, precision, &model->weights, error);
    if (rc != LT_OK)
        return rc;
    for (size_t i = 0; i < lt_gguf_tensor_count(gguf); i++)
        model->parameters += lt_gguf_tensor_at(gguf, i)->inputs * lt_gguf_tensor_at(gguf, i)->outputs;
    if (!lt_model_has_encoder(model))
        return LT_OK;
    if (lt_span_rule_init(model->tokenizer, shape->span_minimum, shape->span_maximum, &model->span_rule) != LT_OK)
        return lt_fail_code(error, LT_ENOMEM);
    lt_fingerprint_encoder(gguf, shape, model->hyperparameters.epsilon, model->tokenizer,
                           (struct lt_gguf_text){.text = "content", .bytes = 7}, model->encoder_fingerprint);
    lt_fingerprint_refiner(gguf, shape, model->hyperparameters.epsilon, model->weights.rope_base,
                           model->refiner_fingerprint);
    lt_fingerprint_model(gguf, precision, model->fingerprint);
    return LT_OK;
}

int lt_model_open(const char *path, enum lt_precision precision, struct lt_model **ret_model, struct lt_error *error)
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
    rc = read_model(model, gguf, precision, error);
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
    return model->hyperparameters.name;
}

const char *lt_model_path(const struct lt_model *model)
{
    return model->path;
}

const char *lt_model_architecture(const struct lt_model *model)
{
    return lt_architecture_name(model->hyperparameters.architecture);
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
    return &model->hyperparameters.shape;
}

bool lt_model_has_encoder(const struct lt_model *model)
{
    return model->hyperparameters.shape.encoder_layers > 0;
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

const uint8_t *lt_model_refiner_fingerprint(const struct lt_model *model)
{
    return model->refiner_fingerprint;
}

const uint8_t *lt_model_fingerprint(const struct lt_model *model)
{
    return model->fingerprint;
}

const struct lt_weights *lt_model_weights(const struct lt_model *model)
{
    return &model->weights;
}
