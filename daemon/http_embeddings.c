/* POST /v1/embeddings: the latents of texts. One text is one encode request; the engine encodes all of them in one
 * batch.
 *
 * A text's embedding is the mean of its spans' latents, scaled to length 1 as clients of OpenAI expect it. With "spans"
 * the latents themselves come along, as they are stored. */
#include <math.h>
#include <sodium.h>
#include <string.h>

#include "daemon/http_parameters.h"
#include "daemon/http_result.h"
#include "daemon/http_route.h"
#include "daemon/server.h"
#include "proto/alloc.h"
#include "proto/json.h"

struct embeddings {
    bool base64, spans;
    json_int_t dimensions; /* that the client asks for; 0: does not */
    json_t *data;          /* [count] an embedding each, or null while its job runs */
    size_t count, done, span_count;
    uint64_t prompt_tokens, cached_tokens;
};

static const struct lt_http_parameter parameters[] = {
    {"model", LT_HTTP_PASS, NULL},      {"input", LT_HTTP_READ, NULL}, {"encoding_format", LT_HTTP_READ, NULL},
    {"dimensions", LT_HTTP_READ, NULL}, {"spans", LT_HTTP_READ, NULL}, {"user", LT_HTTP_IGNORE, NULL},
    {"namespace", LT_HTTP_PASS, NULL},  {NULL, LT_HTTP_IGNORE, NULL},
};

/* --- request --- */

static int read_options(const json_t *body, struct embeddings *embeddings, const char **ret_name,
                        struct lt_error *error)
{
    const json_t *format = json_object_get(body, "encoding_format"), *dimensions = json_object_get(body, "dimensions");
    const char *name = json_string_value(format);
    *ret_name = "encoding_format";
    if (format && !json_is_null(format) && (!name || (strcmp(name, "float") != 0 && strcmp(name, "base64") != 0)))
        return lt_fail(error, LT_EPARAM, "encoding_format must be \"float\" or \"base64\"");
    embeddings->base64 = name && strcmp(name, "base64") == 0;
    *ret_name = "dimensions";
    if (dimensions && !json_is_null(dimensions) && json_integer_value(dimensions) <= 0)
        return lt_fail(error, LT_EPARAM, "dimensions must be those of the model's latents; leave it out");
    embeddings->dimensions = json_integer_value(dimensions);
    *ret_name = "spans";
    return lt_http_parameter_bool(body, "spans", false, &embeddings->spans, error);
}

static int read_body(const json_t *body, struct embeddings *embeddings, json_t **ret_passed, const char **ret_name,
                     struct lt_error *error)
{
    const json_t *input = json_object_get(body, "input");
    int code = lt_http_parameters_read(body, parameters, ret_passed, ret_name, error);
    if (code)
        return code;
    code = read_options(body, embeddings, ret_name, error);
    embeddings->count = json_is_string(input) ? 1 : json_array_size(input);
    if (code == LT_OK && (embeddings->count < 1 || embeddings->count > LT_HTTP_INPUTS_MAX)) {
        *ret_name = "input";
        code = lt_fail(error, LT_EPARAM, "input must be a text, or an array of 1 to %d texts", LT_HTTP_INPUTS_MAX);
    }
    if (code == LT_OK &&
        json_object_set_new(*ret_passed, "latents", json_string(embeddings->spans ? "spans" : "mean")) != 0)
        code = lt_fail_code(error, LT_ENOMEM);
    if (code)
        json_decref(*ret_passed);
    return code;
}

/* Makes the request for text number `index`. */
static int make_request(const json_t *body, json_t *passed, size_t index, struct lt_request **ret_request,
                        struct lt_error *error)
{
    json_t *input = json_object_get(body, "input");
    json_t *text = json_is_string(input) ? input : json_array_get(input, index);
    if (!json_is_string(text) || json_string_length(text) == 0)
        return lt_fail(error, LT_EPARAM, "input[%zu] must be a text that is not empty; tokens are not taken", index);
    if (json_object_set(passed, "text", text) != 0)
        return lt_fail_code(error, LT_ENOMEM);
    return lt_http_request_make(LT_METHOD_ENCODE, (uint32_t)index, passed, ret_request, error);
}

static void refuse(struct lt_http_exchange *exchange, const struct lt_error *error, const char *name)
{
    lt_count(&exchange->http->server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    lt_caller_abandon(&exchange->caller, exchange->http->server->engine);
    lt_http_reply_error(exchange, error, name);
}

static void begin(struct lt_http_exchange *exchange, const json_t *body)
{
    struct lt_error error;
    json_t *passed;
    const char *name = NULL;
    struct embeddings *embeddings = exchange->state = lt_calloc(1, sizeof *embeddings);
    int code = embeddings ? read_body(body, embeddings, &passed, &name, &error) : lt_fail_code(&error, LT_ENOMEM);
    if (code) {
        refuse(exchange, &error, name);
        return;
    }
    embeddings->data = json_array();
    bool running = true;
    for (size_t i = 0; running && i < embeddings->count; i++) {
        struct lt_request *request;
        code = json_array_append_new(embeddings->data, json_null()) ? lt_fail_code(&error, LT_ENOMEM)
                                                                    : make_request(body, passed, i, &request, &error);
        if (code)
            refuse(exchange, &error, "input");
        running = code == LT_OK && lt_http_submit(exchange, request);
    }
    json_decref(passed);
}

/* --- reply --- */

static json_t *floats(const float *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_real((double)values[i]));
    return array;
}

/* float32, little-endian, in base64. */
static json_t *base64(const float *values, size_t count)
{
    size_t bytes = sodium_base64_ENCODED_LEN(count * sizeof *values, sodium_base64_VARIANT_ORIGINAL);
    char *text = lt_malloc(bytes);
    if (!text)
        return NULL;
    sodium_bin2base64(text, bytes, (const uint8_t *)values, count * sizeof *values, sodium_base64_VARIANT_ORIGINAL);
    json_t *json = json_string_nocheck(text);
    lt_free(text);
    return json;
}

static json_t *vector(const struct embeddings *embeddings, const float *values, size_t count)
{
    return embeddings->base64 ? base64(values, count) : floats(values, count);
}

/* False if there are no latents of that width at the key. */
static bool read_floats(const msgpack_object *map, const char *key, size_t width, float *ret_values)
{
    const msgpack_object *found = lt_http_at(map, key);
    if (!found || found->type != MSGPACK_OBJECT_BIN || found->via.bin.size != width * sizeof *ret_values)
        return false;
    memcpy(ret_values, found->via.bin.ptr, found->via.bin.size);
    return true;
}

static json_t *span_json(const struct embeddings *embeddings, const msgpack_object *span, size_t width)
{
    float latent[LT_LATENT_DIMENSION_MAX];
    const char *outcome = lt_http_at(span, "tier") ? "tier" : "miss";
    if (!read_floats(span, "latent", width, latent))
        return NULL;
    return json_pack("{sosIsososo}", "text", lt_http_text_at(span, "text"), "tokens",
                     (json_int_t)lt_http_number_at(span, "tokens"), "key", lt_http_text_at(span, "key"), outcome,
                     lt_http_text_at(span, outcome), "embedding", vector(embeddings, latent, width));
}

/* NULL if memory is out. */
static json_t *spans_json(const struct embeddings *embeddings, const msgpack_object *spans, size_t width)
{
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < spans->via.array.size; i++)
        if (json_array_append_new(array, span_json(embeddings, &spans->via.array.ptr[i], width)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static void scale_to_length_one(float *values, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i];
    for (size_t i = 0; i < count && squares > 0; i++)
        values[i] = (float)((double)values[i] / sqrt(squares));
}

static int embed(struct embeddings *embeddings, uint32_t index, const msgpack_object *result, struct lt_error *error)
{
    float mean[LT_LATENT_DIMENSION_MAX];
    const msgpack_object *spans = lt_http_at(result, "spans");
    size_t width = lt_http_number_at(result, "dimension");
    if (embeddings->dimensions && (size_t)embeddings->dimensions != width)
        return lt_fail(error, LT_EPARAM, "dimensions must be %zu, or left out", width);
    embeddings->span_count += spans->via.array.size;
    if (embeddings->spans && embeddings->span_count > LT_HTTP_SPANS_MAX)
        return lt_fail(error, LT_ETOOLARGE,
                       "the texts have more than %d spans; send fewer of them, or without \"spans\"",
                       LT_HTTP_SPANS_MAX);
    if (!read_floats(result, "mean", width, mean))
        return lt_fail_code(error, LT_EINTERNAL);
    scale_to_length_one(mean, width);
    json_t *item = json_pack("{sssIso}", "object", "embedding", "index", (json_int_t)index, "embedding",
                             vector(embeddings, mean, width));
    int failed = json_array_set(embeddings->data, index, item);
    if (!failed && embeddings->spans)
        failed = json_object_set_new(item, "spans", spans_json(embeddings, spans, width));
    json_decref(item);
    return failed ? lt_fail_code(error, LT_ENOMEM) : LT_OK;
}

static void result(struct lt_http_exchange *exchange, uint32_t id, const msgpack_object *result)
{
    struct embeddings *embeddings = exchange->state;
    struct lt_error error;
    int code = embed(embeddings, id, result, &error);
    if (code) {
        lt_caller_abandon(&exchange->caller, exchange->http->server->engine);
        lt_http_reply_error(exchange, &error, code == LT_EPARAM ? "dimensions" : NULL);
        return;
    }
    embeddings->prompt_tokens += lt_http_number_at(lt_http_at(result, "usage"), "prompt_tokens");
    embeddings->cached_tokens += lt_http_cached_tokens(result);
    if (++embeddings->done < embeddings->count)
        return;
    json_int_t tokens = (json_int_t)embeddings->prompt_tokens;
    lt_http_reply_json(exchange, MHD_HTTP_OK,
                       json_pack("{sssOsos{sIsIs{sI}}}", "object", "list", "data", embeddings->data, "model",
                                 lt_http_text_at(result, "model"), "usage", "prompt_tokens", tokens, "total_tokens",
                                 tokens, "prompt_tokens_details", "cached_tokens",
                                 (json_int_t)embeddings->cached_tokens));
}

static void finish(void *state)
{
    struct embeddings *embeddings = state;
    json_decref(embeddings->data);
}

const struct lt_http_handler lt_http_embeddings = {.begin = begin, .result = result, .finish = finish};
