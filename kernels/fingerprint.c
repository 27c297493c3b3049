/* BLAKE2b-256 over tagged, length-prefixed fields: no two different lists of fields give the same bytes, because every
 * field begins with the length of its tag and of its value. */
#include "kernels/fingerprint.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "kernels/pieces.h"

static_assert(LT_FINGERPRINT_BYTES == crypto_generichash_BYTES, "BLAKE2b-256");

static void put(crypto_generichash_state *state, const char *tag, size_t tag_bytes, const void *value,
                size_t value_bytes)
{
    uint64_t lengths[2] = {tag_bytes, value_bytes};
    crypto_generichash_update(state, (const uint8_t *)lengths, sizeof lengths);
    crypto_generichash_update(state, (const uint8_t *)tag, tag_bytes);
    if (value_bytes)
        crypto_generichash_update(state, value, value_bytes);
}

static void put_u32(crypto_generichash_state *state, const char *tag, uint32_t value)
{
    put(state, tag, strlen(tag), &value, sizeof value);
}

static void put_tokenizer(crypto_generichash_state *state, const struct lt_tokenizer *tokenizer)
{
    for (uint32_t token = 0; token < tokenizer->count; token++) {
        const struct lt_piece *piece = &tokenizer->pieces[token];
        put(state, "token", 5, piece->name, piece->name_bytes);
        put(state, "score", 5, &piece->score, sizeof piece->score);
        put_u32(state, "kind", (uint32_t)piece->kind);
    }
}

static bool begins(struct lt_gguf_text name, const char *prefix)
{
    size_t bytes = strlen(prefix);
    return name.bytes >= bytes && memcmp(name.text, prefix, bytes) == 0;
}

/* Those whose names begin with one of two texts. */
static void put_tensors(crypto_generichash_state *state, const struct lt_gguf *gguf, const char *one, const char *other)
{
    for (size_t i = 0; i < lt_gguf_tensor_count(gguf); i++) {
        const struct lt_gguf_tensor *tensor = lt_gguf_tensor_at(gguf, i);
        struct lt_gguf_text name = tensor->name;
        if (!begins(name, one) && !begins(name, other))
            continue;
        put_u32(state, "type", (uint32_t)tensor->type);
        put(state, "inputs", 6, &tensor->inputs, sizeof tensor->inputs);
        put(state, "outputs", 7, &tensor->outputs, sizeof tensor->outputs);
        put(state, name.text, name.bytes, tensor->data, tensor->bytes);
    }
}

void lt_fingerprint_encoder(const struct lt_gguf *gguf, const struct lt_model_shape *shape, float epsilon,
                            const struct lt_tokenizer *tokenizer, struct lt_gguf_text rule,
                            uint8_t ret_fingerprint[LT_FINGERPRINT_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, LT_FINGERPRINT_BYTES);
    put(&state, "format", 6, "latentd encoder 1", 17);
    put_tokenizer(&state, tokenizer);
    put(&state, "span.rule", 9, rule.text, rule.bytes);
    put_u32(&state, "span.minimum", shape->span_minimum);
    put_u32(&state, "span.maximum", shape->span_maximum);
    put_u32(&state, "width", shape->width);
    put_u32(&state, "heads", shape->heads);
    put_u32(&state, "encoder.layers", shape->encoder_layers);
    put(&state, "epsilon", 7, &epsilon, sizeof epsilon);
    put_tensors(&state, gguf, "token_embd.weight", "encoder.");
    crypto_generichash_final(&state, ret_fingerprint, LT_FINGERPRINT_BYTES);
}

void lt_fingerprint_refiner(const struct lt_gguf *gguf, const struct lt_model_shape *shape, float epsilon,
                            float rope_base, uint8_t ret_fingerprint[LT_FINGERPRINT_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, LT_FINGERPRINT_BYTES);
    put(&state, "format", 6, "latentd refiner 1", 17);
    put_u32(&state, "width", shape->width);
    put_u32(&state, "heads", shape->heads);
    put_u32(&state, "refiner.layers", shape->refiner_layers);
    put(&state, "epsilon", 7, &epsilon, sizeof epsilon);
    put(&state, "rope.base", 9, &rope_base, sizeof rope_base);
    put_tensors(&state, gguf, "refiner.", "refiner.");
    crypto_generichash_final(&state, ret_fingerprint, LT_FINGERPRINT_BYTES);
}

void lt_fingerprint_model(const struct lt_gguf *gguf, enum lt_precision precision,
                          uint8_t ret_fingerprint[LT_FINGERPRINT_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, LT_FINGERPRINT_BYTES);
    put(&state, "format", 6, "latentd model 1", 15);
    put_u32(&state, "precision", (uint32_t)precision);
    put(&state, "file", 4, lt_gguf_data(gguf), lt_gguf_bytes(gguf));
    crypto_generichash_final(&state, ret_fingerprint, LT_FINGERPRINT_BYTES);
}
