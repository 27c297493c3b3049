/* latent.put comes as arrays side by side, as latent.get answers. They are checked in one pass over the frame, which
 * also says how much memory they need; a second pass copies them into one block: the latents, then all tokens, then all
 * payloads. */
#include "proto/latent_requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/keys.h"

#define SCALE_MAX 1e30 /* of float32, with room for 127 times it */

/* --- latent.get --- */

int lt_latent_get_request_read(const struct lt_parameters *parameters, struct lt_latent_get_request *request)
{
    static const char *const names[] = {"keys", "model", "namespace", NULL};
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    return error ? error : lt_keys_read(parameters, "keys", &request->keys, &request->key_count);
}

/* --- latent.put --- */

/* The three arrays, and what is right for each item. */
struct given {
    const struct lt_parameters *parameters;
    const msgpack_object *tokens, *latents, *scales; /* scales: I8 only, otherwise NULL */
    uint32_t count;
    size_t payload_bytes;
    size_t token_count; /* of all together */
};

static int wrong_item(const struct given *given, const char *name, uint32_t index, const char *right,
                      const msgpack_object *value)
{
    char label[32];
    snprintf(label, sizeof label, "%s[%" PRIu32 "]", name, index);
    return lt_parameter_wrong(given->parameters, label, right, value);
}

static int read_encoder(const struct lt_parameters *parameters, uint8_t *ret_fingerprint)
{
    const msgpack_object *value = lt_parameter_find(parameters, "encoder");
    return value ? lt_digest_read(parameters, value, "encoder", ret_fingerprint)
                 : lt_parameter_wrong(parameters, "encoder", LT_DIGEST_RIGHT, NULL);
}

static int read_form(const struct lt_parameters *parameters, struct lt_latent_put_request *request)
{
    static const char *const names[] = {"f16", "i8", NULL};
    static const enum lt_latent_type types[] = {LT_LATENT_F16, LT_LATENT_I8};
    int type = -1;
    uint64_t dimension = 0;
    int error = lt_parameter_choice(parameters, "type", names, &type);
    if (!error && type < 0)
        error = lt_parameter_wrong(parameters, "type", "\"f16\" or \"i8\"", NULL);
    if (!error)
        error = lt_parameter_uint(parameters, "dimension", 1, LT_LATENT_DIMENSION_MAX, &dimension);
    if (!error && !dimension)
        error = lt_parameter_wrong(parameters, "dimension", "the numbers in a latent", NULL);
    if (error)
        return error;
    request->type = types[type];
    request->dimension = (uint32_t)dimension;
    return LT_OK;
}

static int find_arrays(struct given *given, enum lt_latent_type type)
{
    const struct lt_parameters *parameters = given->parameters;
    given->tokens = lt_parameter_find(parameters, "tokens");
    given->latents = lt_parameter_find(parameters, "latents");
    given->scales = lt_parameter_find(parameters, "scales");
    int error = lt_parameter_array(parameters, given->tokens, "tokens", 1, LT_LATENT_KEYS_MAX);
    if (error)
        return error;
    given->count = given->tokens->via.array.size;
    error = lt_parameter_array(parameters, given->latents, "latents", given->count, given->count);
    if (!error && type == LT_LATENT_I8)
        error = lt_parameter_array(parameters, given->scales, "scales", given->count, given->count);
    else if (!error && given->scales)
        error = lt_parameter_wrong(parameters, "scales", "left out for this type", given->scales);
    return error;
}

static int check_tokens(struct given *given, uint32_t index)
{
    const msgpack_object *span = &given->tokens->via.array.ptr[index];
    char right[64];
    snprintf(right, sizeof right, "an array of 1 to %d token ids", LT_SPAN_TOKENS_MAX);
    if (span->type != MSGPACK_OBJECT_ARRAY || span->via.array.size == 0 || span->via.array.size > LT_SPAN_TOKENS_MAX)
        return wrong_item(given, "tokens", index, right, span);
    for (uint32_t i = 0; i < span->via.array.size; i++) {
        const msgpack_object *token = &span->via.array.ptr[i];
        if (token->type != MSGPACK_OBJECT_POSITIVE_INTEGER || token->via.u64 >= LT_VOCABULARY_MAX)
            return wrong_item(given, "tokens", index, right, token);
    }
    given->token_count += span->via.array.size;
    return LT_OK;
}

static int check_latent(const struct given *given, uint32_t index)
{
    const msgpack_object *latent = &given->latents->via.array.ptr[index];
    char right[64];
    snprintf(right, sizeof right, "%zu bytes of binary", given->payload_bytes);
    if (latent->type != MSGPACK_OBJECT_BIN || latent->via.bin.size != given->payload_bytes)
        return wrong_item(given, "latents", index, right, latent);
    if (!given->scales)
        return LT_OK;
    const msgpack_object *scale = &given->scales->via.array.ptr[index];
    double real;
    if (!lt_parameter_real_of(scale, &real) || real < 0 || real > SCALE_MAX)
        return wrong_item(given, "scales", index, "a number that is not negative", scale);
    return LT_OK;
}

static struct lt_given_latent *copy_latents(const struct given *given)
{
    struct lt_given_latent *latents =
        lt_malloc(given->count * (sizeof *latents + given->payload_bytes) + given->token_count * sizeof(uint32_t));
    if (!latents)
        return NULL;
    uint32_t *tokens = (uint32_t *)(latents + given->count);
    uint8_t *payload = (uint8_t *)(tokens + given->token_count);
    double scale = 0;
    for (uint32_t i = 0; i < given->count; i++) {
        const msgpack_object_array *span = &given->tokens->via.array.ptr[i].via.array;
        if (given->scales)
            lt_parameter_real_of(&given->scales->via.array.ptr[i], &scale);
        latents[i] = (struct lt_given_latent){
            .tokens = tokens,
            .token_count = span->size,
            .scale = (float)scale,
            .payload = payload,
        };
        for (uint32_t t = 0; t < span->size; t++)
            *tokens++ = (uint32_t)span->ptr[t].via.u64;
        memcpy(payload, given->latents->via.array.ptr[i].via.bin.ptr, given->payload_bytes);
        payload += given->payload_bytes;
    }
    return latents;
}

int lt_latent_put_request_read(const struct lt_parameters *parameters, struct lt_latent_put_request *request)
{
    static const char *const names[] = {"model",   "encoder", "type",      "dimension", "tokens",
                                        "latents", "scales",  "namespace", "ttl_s",     NULL};
    struct given given = {.parameters = parameters};
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    if (!error)
        error = read_encoder(parameters, request->encoder);
    if (!error)
        error = read_form(parameters, request);
    if (!error)
        error = find_arrays(&given, request->type);
    given.payload_bytes = error ? 0 : lt_latent_payload_bytes(request->type, request->dimension);
    for (uint32_t i = 0; i < given.count && !error; i++) {
        error = check_tokens(&given, i);
        if (!error)
            error = check_latent(&given, i);
    }
    if (error)
        return error;
    request->latents = copy_latents(&given);
    if (!request->latents)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    request->latent_count = given.count;
    return LT_OK;
}
