#include "daemon/models.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/server.h"
#include "kernels/spans.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"

int lt_models_choose(const struct lt_server *server, const char *name, const struct lt_model **ret_model,
                     struct lt_error *error)
{
    for (size_t i = 0; i < server->model_count; i++) {
        const struct lt_model *model = server->models[i];
        if (*name && strcmp(lt_model_name(model), name) != 0)
            continue;
        if (!lt_model_has_encoder(model))
            return lt_fail(error, LT_EPARAM, "model: %s has no encoder and makes no latents; choose an islet model",
                           lt_model_name(model));
        *ret_model = model;
        return LT_OK;
    }
    return lt_fail(error, LT_ENOMODEL, "no model is called '%s'; the method models lists them", name);
}

bool lt_models_takes(const struct lt_model *model, const uint32_t *tokens, uint32_t count)
{
    const struct lt_span_rule *rule = lt_model_span_rule(model);
    uint32_t ends[LT_SPAN_TOKENS_MAX];
    if (count == 0 || count > LT_SPAN_TOKENS_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (tokens[i] >= rule->vocabulary)
            return false;
    return lt_span_cut(rule, tokens, count, ends) == 1;
}

const struct lt_model *lt_models_of_prefix(const struct lt_server *server, const struct lt_namespace *space,
                                           const uint8_t *prefix, size_t bytes, const uint32_t *tokens, uint32_t count,
                                           struct lt_span_key *ret_key)
{
    for (size_t i = 0; i < server->model_count; i++) {
        const struct lt_model *model = server->models[i];
        if (!lt_model_has_encoder(model) || !lt_models_takes(model, tokens, count))
            continue;
        lt_span_key(lt_model_encoder_fingerprint(model), space->salt, space->salt_bytes, tokens, count, ret_key);
        if (memcmp(ret_key->bytes, prefix, bytes) == 0)
            return model;
    }
    return NULL;
}

const struct lt_model *lt_models_of_record(const struct lt_server *server, const struct lt_namespace *space,
                                           const struct lt_span_key *key, const uint32_t *tokens, uint32_t count)
{
    struct lt_span_key made;
    return lt_models_of_prefix(server, space, key->bytes, sizeof key->bytes, tokens, count, &made);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct lt_span_key));
}

int lt_models_keys(const struct lt_model *model, const struct lt_namespace *space, const struct lt_text *text,
                   struct lt_span_key **ret_keys, size_t *ret_count, struct lt_error *error)
{
    uint32_t *tokens = NULL;
    size_t token_count = 0, count = 0, distinct = 0;
    int code = lt_tokenizer_encode(lt_model_tokenizer(model), text->text, text->bytes, &tokens, &token_count, error);
    if (code)
        return code;
    uint32_t *ends = lt_malloc((token_count + 1) * sizeof *ends);
    struct lt_span_key *keys = lt_malloc((token_count + 1) * sizeof *keys);
    if (ends && keys) {
        count = lt_span_cut(lt_model_span_rule(model), tokens, token_count, ends);
        for (size_t i = 0, begin = 0; i < count; begin = ends[i++])
            lt_span_key(lt_model_encoder_fingerprint(model), space->salt, space->salt_bytes, tokens + begin,
                        ends[i] - begin, &keys[i]);
        qsort(keys, count, sizeof *keys, compare);
        for (size_t i = 0; i < count; i++)
            if (i == 0 || compare(&keys[i], &keys[i - 1]) != 0)
                keys[distinct++] = keys[i];
    } else {
        code = lt_fail_code(error, LT_ENOMEM);
    }
    lt_free(tokens);
    lt_free(ends);
    if (code) {
        lt_free(keys);
        return code;
    }
    *ret_keys = keys;
    *ret_count = distinct;
    return LT_OK;
}
