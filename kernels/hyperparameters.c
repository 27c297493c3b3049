/* One table of keys an architecture. A llama model is read as a decoder whose window is its whole context and that has
 * nothing in front of it: the same code then runs both. */
#include "kernels/hyperparameters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/utf8.h"

const char *lt_architecture_name(enum lt_architecture architecture)
{
    return architecture == LT_ARCHITECTURE_ISLET ? "islet" : "llama";
}

void lt_model_key(enum lt_architecture architecture, const char *suffix, char ret_key[LT_MODEL_KEY_BYTES])
{
    snprintf(ret_key, LT_MODEL_KEY_BYTES, "%s.%s", lt_architecture_name(architecture), suffix);
}

static bool equals(struct lt_gguf_text text, const char *wanted)
{
    return text.bytes == strlen(wanted) && memcmp(text.text, wanted, text.bytes) == 0;
}

static int shown(struct lt_gguf_text text)
{
    return (int)(text.bytes < 40 ? text.bytes : 40);
}

int lt_gguf_expect(const struct lt_gguf *gguf, const char *path, const char *key, const char *wanted,
                   struct lt_error *error)
{
    struct lt_gguf_text text;
    int rc = lt_gguf_string(gguf, key, &text, error);
    if (rc == LT_OK && !equals(text, wanted))
        return lt_fail(error, LT_EMODEL, "%s: %s is '%.*s'; '%s' is known", path, key, shown(text), text.text, wanted);
    return rc;
}

static int read_architecture(const struct lt_gguf *gguf, const char *path, enum lt_architecture *ret_architecture,
                             struct lt_error *error)
{
    struct lt_gguf_text text;
    int rc = lt_gguf_string(gguf, "general.architecture", &text, error);
    if (rc != LT_OK)
        return rc;
    for (int i = LT_ARCHITECTURE_ISLET; i <= LT_ARCHITECTURE_LLAMA; i++)
        if (equals(text, lt_architecture_name((enum lt_architecture)i))) {
            *ret_architecture = (enum lt_architecture)i;
            return LT_OK;
        }
    return lt_fail(error, LT_EMODEL, "%s: general.architecture is '%.*s'; 'islet' and 'llama' are known", path,
                   shown(text), text.text);
}

static int read_name(const struct lt_gguf *gguf, const char *path, char *ret_name, struct lt_error *error)
{
    struct lt_gguf_text name;
    size_t offset;
    int rc = lt_gguf_string(gguf, "general.name", &name, error);
    if (rc != LT_OK)
        return rc;
    bool plain = name.bytes > 0 && name.bytes <= LT_MODEL_NAME_MAX && !lt_utf8_check(name.text, name.bytes, &offset);
    for (size_t i = 0; plain && i < name.bytes; i++)
        plain = (uint8_t)name.text[i] >= ' ' && name.text[i] != 0x7f;
    if (!plain)
        return lt_fail(error, LT_EMODEL, "%s: general.name must be 1 to %d bytes of text without control characters",
                       path, LT_MODEL_NAME_MAX);
    memcpy(ret_name, name.text, name.bytes);
    ret_name[name.bytes] = '\0';
    return LT_OK;
}

struct number {
    const char *suffix;
    uint32_t *to;
    uint32_t maximum;
};

static int read_numbers(const struct lt_gguf *gguf, const char *path, enum lt_architecture architecture,
                        const struct number *numbers, size_t count, struct lt_error *error)
{
    for (size_t i = 0; i < count; i++) {
        char key[LT_MODEL_KEY_BYTES];
        lt_model_key(architecture, numbers[i].suffix, key);
        int rc = lt_gguf_u32(gguf, key, numbers[i].to, error);
        if (rc != LT_OK)
            return rc;
        if (*numbers[i].to < 1 || *numbers[i].to > numbers[i].maximum)
            return lt_fail(error, LT_EMODEL, "%s: %s is %u; 1 to %u are allowed", path, key, *numbers[i].to,
                           numbers[i].maximum);
    }
    return LT_OK;
}

/* A model may take more tokens than it was trained with. */
static int read_context(const struct lt_gguf *gguf, const char *path, struct lt_hyperparameters *read,
                        struct lt_error *error)
{
    struct lt_model_shape *shape = &read->shape;
    const struct number accepted = {"context_accepted", &shape->context, LT_CONTEXT_MAX};
    char key[LT_MODEL_KEY_BYTES];
    lt_model_key(read->architecture, accepted.suffix, key);
    shape->context = shape->trained;
    int rc = lt_gguf_has(gguf, key) ? read_numbers(gguf, path, read->architecture, &accepted, 1, error) : LT_OK;
    if (rc == LT_OK && shape->context < shape->trained)
        return lt_fail(error, LT_EMODEL, "%s: %s is %u, less than the %u tokens of training", path, key, shape->context,
                       shape->trained);
    return rc;
}

/* What both architectures have. */
static int read_common(const struct lt_gguf *gguf, const char *path, struct lt_hyperparameters *read,
                       struct lt_error *error)
{
    struct lt_model_shape *shape = &read->shape;
    char epsilon[LT_MODEL_KEY_BYTES], base[LT_MODEL_KEY_BYTES];
    const struct number numbers[] = {
        {"embedding_length", &shape->width, LT_WIDTH_MAX},
        {"feed_forward_length", &shape->feed_forward, LT_FEED_FORWARD_MAX},
        {"attention.head_count", &shape->heads, LT_HEADS_MAX},
        {"context_length", &shape->trained, LT_CONTEXT_MAX},
    };
    int rc = read_numbers(gguf, path, read->architecture, numbers, sizeof numbers / sizeof *numbers, error);
    if (rc == LT_OK)
        rc = read_context(gguf, path, read, error);
    if (rc != LT_OK)
        return rc;
    if (shape->width % shape->heads != 0 || shape->width / shape->heads % 2 != 0)
        return lt_fail(error, LT_EMODEL,
                       "%s: %u heads do not divide a width of %u into even parts, which rotary positions need", path,
                       shape->heads, shape->width);
    lt_model_key(read->architecture, "attention.layer_norm_rms_epsilon", epsilon);
    lt_model_key(read->architecture, "rope.freq_base", base);
    rc = lt_gguf_float(gguf, epsilon, &read->epsilon, error);
    if (rc == LT_OK)
        rc = lt_gguf_float(gguf, base, &read->rope_base, error);
    if (rc != LT_OK)
        return rc;
    if (!(read->epsilon > 0 && read->epsilon < 1))
        return lt_fail(error, LT_EMODEL, "%s: %s must lie between 0 and 1", path, epsilon);
    if (!(read->rope_base > 1 && isfinite(read->rope_base)))
        return lt_fail(error, LT_EMODEL, "%s: %s must be above 1", path, base);
    return LT_OK;
}

static int read_islet(const struct lt_gguf *gguf, const char *path, struct lt_model_shape *shape,
                      struct lt_error *error)
{
    const struct number numbers[] = {
        {"encoder.block_count", &shape->encoder_layers, LT_LAYERS_MAX},
        {"refiner.block_count", &shape->refiner_layers, LT_LAYERS_MAX},
        {"mixer.block_count", &shape->mixer_layers, LT_LAYERS_MAX},
        {"decoder.block_count", &shape->decoder_layers, LT_LAYERS_MAX},
        {"decoder.window", &shape->window, LT_WINDOW_MAX},
        {"span.minimum", &shape->span_minimum, LT_SPAN_TOKENS_MAX},
        {"span.maximum", &shape->span_maximum, LT_SPAN_TOKENS_MAX},
    };
    int rc = read_numbers(gguf, path, LT_ARCHITECTURE_ISLET, numbers, sizeof numbers / sizeof *numbers, error);
    if (rc == LT_OK && shape->span_minimum > shape->span_maximum)
        return lt_fail(error, LT_EMODEL, "%s: islet.span.minimum (%u) is above islet.span.maximum (%u)", path,
                       shape->span_minimum, shape->span_maximum);
    if (rc == LT_OK)
        rc = lt_gguf_expect(gguf, path, "islet.span.rule", "content", error);
    const struct number recall = {"decoder.recall_length", &shape->recall, shape->width};
    bool recalls = lt_gguf_has(gguf, "islet.decoder.recall_length");
    return rc == LT_OK && recalls ? read_numbers(gguf, path, LT_ARCHITECTURE_ISLET, &recall, 1, error) : rc;
}

/* Reads a key that may be missing and must then be taken as `wanted`, which is all that is supported. */
static int expect_number(const struct lt_gguf *gguf, const char *path, const char *key, uint32_t wanted,
                         struct lt_error *error)
{
    uint32_t value;
    if (!lt_gguf_has(gguf, key))
        return LT_OK;
    int rc = lt_gguf_u32(gguf, key, &value, error);
    if (rc == LT_OK && value != wanted)
        return lt_fail(error, LT_EMODEL, "%s: %s is %u; only %u is supported with this model's other numbers", path,
                       key, value, wanted);
    return rc;
}

static int read_llama(const struct lt_gguf *gguf, const char *path, struct lt_model_shape *shape,
                      struct lt_error *error)
{
    const struct number layers = {"block_count", &shape->decoder_layers, LT_LAYERS_MAX};
    int rc = read_numbers(gguf, path, LT_ARCHITECTURE_LLAMA, &layers, 1, error);
    if (rc == LT_OK)
        rc = expect_number(gguf, path, "llama.attention.head_count_kv", shape->heads, error);
    if (rc == LT_OK)
        rc = expect_number(gguf, path, "llama.rope.dimension_count", shape->width / shape->heads, error);
    shape->window = shape->context;
    return rc;
}

int lt_hyperparameters_read(const struct lt_gguf *gguf, const char *path,
                            struct lt_hyperparameters *ret_hyperparameters, struct lt_error *error)
{
    struct lt_hyperparameters read = {0};
    int rc = read_architecture(gguf, path, &read.architecture, error);
    if (rc == LT_OK)
        rc = read_name(gguf, path, read.name, error);
    if (rc == LT_OK)
        rc = read_common(gguf, path, &read, error);
    if (rc == LT_OK)
        rc = read.architecture == LT_ARCHITECTURE_ISLET ? read_islet(gguf, path, &read.shape, error)
                                                        : read_llama(gguf, path, &read.shape, error);
    if (rc == LT_OK)
        *ret_hyperparameters = read;
    return rc;
}
