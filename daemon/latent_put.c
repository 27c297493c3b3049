#include "daemon/latent_put.h"

#include <sodium.h>
#include <string.h>

#include "daemon/precision.h"
#include "kernels/half.h"
#include "kernels/int8.h"
#include "kernels/model.h"
#include "kernels/spans.h"
#include "proto/alloc.h"
#include "proto/writer.h"

/* One request at work. */
struct putting {
    const struct lt_model *model;
    const struct lt_namespace *space;
    const struct lt_request *request;
    const struct lt_latent_put_request *put;
    struct lt_latent *latents; /* [latent_count] */
    enum lt_lookup *lookups;   /* [latent_count] */
    size_t queued;             /* of the new ones, in order; the queue had no room for the rest */
    float *numbers;            /* [dimension] of one latent */
    uint8_t *stored;           /* [payload bytes] where a lookup puts what it finds */
};

/* --- what was given --- */

static int check_encoder(const struct putting *putting, struct lt_error *error)
{
    char own[2 * LT_FINGERPRINT_BYTES + 1], given[2 * LT_FINGERPRINT_BYTES + 1];
    const uint8_t *fingerprint = lt_model_encoder_fingerprint(putting->model);
    if (memcmp(fingerprint, putting->put->encoder, LT_FINGERPRINT_BYTES) == 0)
        return LT_OK;
    sodium_bin2hex(own, sizeof own, fingerprint, LT_FINGERPRINT_BYTES);
    sodium_bin2hex(given, sizeof given, putting->put->encoder, LT_FINGERPRINT_BYTES);
    return lt_fail(error, LT_EPARAM, "latent.put: encoder: the encoder of %s is %s; these latents are of %s",
                   lt_model_name(putting->model), own, given);
}

static int check_form(const struct lt_server *server, const struct putting *putting, struct lt_error *error)
{
    enum lt_latent_type type = server->config->latent_type;
    uint32_t width = lt_model_shape(putting->model)->width;
    if (putting->put->type != type)
        return lt_fail(error, LT_EPARAM, "latent.put: type: this daemon stores %s, not %s (--latent-type)",
                       lt_latent_type_name(type), lt_latent_type_name(putting->put->type));
    if (putting->put->dimension != width)
        return lt_fail(error, LT_EPARAM, "latent.put: dimension: latents of %s have %u numbers, not %u",
                       lt_model_name(putting->model), width, putting->put->dimension);
    return LT_OK;
}

/* A latent of tokens that are no span would never be asked for. */
static int check_tokens(const struct putting *putting, size_t index, struct lt_error *error)
{
    const struct lt_given_latent *given = &putting->put->latents[index];
    const struct lt_span_rule *rule = lt_model_span_rule(putting->model);
    uint32_t ends[LT_SPAN_TOKENS_MAX];
    for (uint32_t i = 0; i < given->token_count; i++)
        if (given->tokens[i] >= rule->vocabulary)
            return lt_fail(error, LT_EPARAM, "latent.put: tokens[%zu]: %u is no token; %s has %u", index,
                           given->tokens[i], lt_model_name(putting->model), rule->vocabulary);
    if (lt_span_cut(rule, given->tokens, given->token_count, ends) != 1)
        return lt_fail(error, LT_EPARAM, "latent.put: tokens[%zu]: these %u tokens are not one span of %s", index,
                       given->token_count, lt_model_name(putting->model));
    return LT_OK;
}

static void widen(const struct putting *putting, const struct lt_given_latent *given)
{
    uint32_t dimension = putting->put->dimension;
    if (putting->put->type == LT_LATENT_I8)
        lt_float_from_int8((const int8_t *)given->payload, dimension, given->scale, putting->numbers);
    else
        lt_float_from_half((const uint16_t *)given->payload, dimension, putting->numbers);
}

static int check_numbers(const struct putting *putting, size_t index, struct lt_error *error)
{
    double size;
    widen(putting, &putting->put->latents[index]);
    if (!lt_latent_has_size(putting->numbers, putting->put->dimension, &size))
        return lt_fail(error, LT_EPARAM,
                       "latent.put: latents[%zu]: the root mean square of a latent's numbers is 1; here it is %.4g",
                       index, size);
    return LT_OK;
}

static int check(const struct lt_server *server, const struct putting *putting, struct lt_error *error)
{
    int code = check_encoder(putting, error);
    if (code == LT_OK)
        code = check_form(server, putting, error);
    for (size_t i = 0; i < putting->put->latent_count && code == LT_OK; i++) {
        code = check_tokens(putting, i, error);
        if (code == LT_OK)
            code = check_numbers(putting, i, error);
    }
    return code;
}

/* --- the store --- */

/* Which are there already. The keys are made here: a writer chooses tokens, never a key. */
static int look_up(const struct lt_server *server, struct putting *putting)
{
    const struct lt_latent_put_request *put = putting->put;
    const uint8_t *fingerprint = lt_model_encoder_fingerprint(putting->model);
    for (size_t i = 0; i < put->latent_count; i++) {
        struct lt_latent *latent = &putting->latents[i];
        *latent = (struct lt_latent){.type = put->type, .dimension = put->dimension, .payload = putting->stored};
        lt_span_key(fingerprint, putting->space->salt, putting->space->salt_bytes, put->latents[i].tokens,
                    put->latents[i].token_count, &latent->key);
    }
    return lt_store_get(server->store, putting->latents, put->latent_count, putting->lookups);
}

static int store(const struct lt_server *server, struct putting *putting)
{
    const struct lt_latent_put_request *put = putting->put;
    int code = LT_OK;
    for (size_t i = 0; i < put->latent_count && code == LT_OK; i++) {
        struct lt_latent latent = {.key = putting->latents[i].key,
                                   .type = put->type,
                                   .dimension = put->dimension,
                                   .namespace_id = putting->space->id,
                                   .expires = lt_namespace_expiry(putting->space),
                                   .scale = put->latents[i].scale,
                                   .token_count = put->latents[i].token_count,
                                   .tokens = put->latents[i].tokens,
                                   .payload = (void *)put->latents[i].payload};
        if (!lt_lookup_is_hit(putting->lookups[i]))
            code = lt_store_put(server->store, &latent, 1, NULL);
        putting->queued += code == LT_OK;
    }
    return code == LT_EBUSY ? LT_OK : code;
}

static const char *outcome(const struct putting *putting, size_t index)
{
    if (lt_lookup_is_hit(putting->lookups[index]))
        return "known";
    return index < putting->queued ? "stored" : "refused";
}

static int write_response(const struct putting *putting, struct lt_buffer *ret_bytes)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    size_t count = putting->put->latent_count;
    char key[2 * LT_SPAN_KEY_BYTES + 1];
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_response(&writer, putting->request->id);
    lt_write_map(&writer, 3);
    lt_write_text(&writer, "model");
    lt_write_text(&writer, lt_model_name(putting->model));
    lt_write_text(&writer, "keys");
    lt_write_array(&writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        sodium_bin2hex(key, sizeof key, putting->latents[i].key.bytes, LT_SPAN_KEY_BYTES);
        lt_write_text(&writer, key);
    }
    lt_write_text(&writer, "outcomes");
    lt_write_array(&writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        lt_write_text(&writer, outcome(putting, i));
    if (writer.error)
        lt_buffer_finish(&bytes);
    else
        *ret_bytes = bytes;
    return writer.error;
}

int lt_latent_put(const struct lt_server *server, size_t model, const struct lt_namespace *space,
                  const struct lt_request *request, struct lt_buffer *ret_bytes, struct lt_error *error)
{
    struct putting putting = {
        .model = server->models[model], .space = space, .request = request, .put = &request->latent_put};
    size_t count = request->latent_put.latent_count;
    putting.latents = lt_malloc(count * sizeof *putting.latents);
    putting.lookups = lt_malloc(count * sizeof *putting.lookups);
    putting.numbers = lt_malloc(request->latent_put.dimension * sizeof *putting.numbers);
    putting.stored = lt_malloc(lt_latent_payload_bytes(request->latent_put.type, request->latent_put.dimension));
    bool complete = putting.latents && putting.lookups && putting.numbers && putting.stored;
    int code = complete ? check(server, &putting, error) : lt_fail_code(error, LT_ENOMEM);
    if (code == LT_OK) {
        code = look_up(server, &putting);
        if (code == LT_OK)
            code = store(server, &putting);
        if (code == LT_OK)
            code = write_response(&putting, ret_bytes);
        if (code)
            lt_fail_code(error, code);
    }
    lt_free(putting.latents);
    lt_free(putting.lookups);
    lt_free(putting.numbers);
    lt_free(putting.stored);
    return code;
}
