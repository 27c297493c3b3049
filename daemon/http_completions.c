/* POST /v1/completions and /v1/chat/completions: a generate request, and its answer in OpenAI's words. The two differ
 * in how the prompt is given and how the text is wrapped.
 *
 * Messages of a chat become segments: what the system says is a document, so that a text that is given with every
 * request is encoded once. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/http_parameters.h"
#include "daemon/http_prompt.h"
#include "daemon/http_result.h"
#include "daemon/http_route.h"
#include "daemon/server.h"
#include "kernels/model.h"
#include "proto/alloc.h"
#include "proto/json.h"

#define ID_BYTES 12

/* How one of the two paths words its answer. */
struct wording {
    const char *id_prefix, *object, *chunk_object;
    bool chat;
};

struct completion {
    const struct wording *wording;
    bool stream, include_usage, receipt;
    bool begun; /* the first chunk of a stream was sent */
    char id[16 + 2 * ID_BYTES + 1];
    char model[LT_MODEL_NAME_MAX + 1];
    time_t created;
};

static const struct lt_http_parameter completion_parameters[] = {
    {"model", LT_HTTP_PASS, NULL},
    {"prompt", LT_HTTP_READ, NULL},
    {"namespace", LT_HTTP_PASS, NULL},
    {"max_tokens", LT_HTTP_PASS, NULL},
    {"temperature", LT_HTTP_PASS, NULL},
    {"top_p", LT_HTTP_PASS, NULL},
    {"top_k", LT_HTTP_PASS, NULL},
    {"repetition_penalty", LT_HTTP_PASS, NULL},
    {"seed", LT_HTTP_PASS, NULL},
    {"stop", LT_HTTP_READ, NULL},
    {"stream", LT_HTTP_PASS, NULL},
    {"stream_options", LT_HTTP_READ, NULL},
    {"receipt", LT_HTTP_READ, NULL},
    {"user", LT_HTTP_IGNORE, NULL},
    {"n", LT_HTTP_NEUTRAL, "1"},
    {"best_of", LT_HTTP_NEUTRAL, "1"},
    {"echo", LT_HTTP_NEUTRAL, "false"},
    {"logprobs", LT_HTTP_NEUTRAL, "null"},
    {"logit_bias", LT_HTTP_NEUTRAL, "{}"},
    {"suffix", LT_HTTP_NEUTRAL, "\"\""},
    {"presence_penalty", LT_HTTP_NEUTRAL, "0"},
    {"frequency_penalty", LT_HTTP_NEUTRAL, "0"},
    {NULL, LT_HTTP_IGNORE, NULL},
};

static const struct lt_http_parameter chat_parameters[] = {
    {"model", LT_HTTP_PASS, NULL},
    {"messages", LT_HTTP_READ, NULL},
    {"namespace", LT_HTTP_PASS, NULL},
    {"max_tokens", LT_HTTP_PASS, NULL},
    {"max_completion_tokens", LT_HTTP_PASS, "max_tokens"},
    {"temperature", LT_HTTP_PASS, NULL},
    {"top_p", LT_HTTP_PASS, NULL},
    {"top_k", LT_HTTP_PASS, NULL},
    {"repetition_penalty", LT_HTTP_PASS, NULL},
    {"seed", LT_HTTP_PASS, NULL},
    {"stop", LT_HTTP_READ, NULL},
    {"stream", LT_HTTP_PASS, NULL},
    {"stream_options", LT_HTTP_READ, NULL},
    {"receipt", LT_HTTP_READ, NULL},
    {"user", LT_HTTP_IGNORE, NULL},
    {"metadata", LT_HTTP_IGNORE, NULL},
    {"prompt_cache_key", LT_HTTP_IGNORE, NULL},
    {"safety_identifier", LT_HTTP_IGNORE, NULL},
    {"service_tier", LT_HTTP_IGNORE, NULL},
    {"n", LT_HTTP_NEUTRAL, "1"},
    {"logprobs", LT_HTTP_NEUTRAL, "false"},
    {"top_logprobs", LT_HTTP_NEUTRAL, "0"},
    {"logit_bias", LT_HTTP_NEUTRAL, "{}"},
    {"presence_penalty", LT_HTTP_NEUTRAL, "0"},
    {"frequency_penalty", LT_HTTP_NEUTRAL, "0"},
    {"modalities", LT_HTTP_NEUTRAL, "[\"text\"]"},
    {"response_format", LT_HTTP_NEUTRAL, "{\"type\":\"text\"}"},
    {"store", LT_HTTP_NEUTRAL, "false"},
    {"tools", LT_HTTP_NEUTRAL, "[]"},
    {"tool_choice", LT_HTTP_NEUTRAL, "\"none\""},
    {NULL, LT_HTTP_IGNORE, NULL},
};

static const struct wording completion_wording = {"cmpl-", "text_completion", "text_completion", false};
static const struct wording chat_wording = {"chatcmpl-", "chat.completion", "chat.completion.chunk", true};

/* --- request --- */

static int read_stream_options(const json_t *body, struct completion *completion, const char **ret_name,
                               struct lt_error *error)
{
    static const struct lt_http_parameter options[] = {
        {"include_usage", LT_HTTP_READ, NULL}, {"include_obfuscation", LT_HTTP_IGNORE, NULL}, {0}};
    const json_t *given = json_object_get(body, "stream_options");
    json_t *passed;
    if (!given || json_is_null(given))
        return LT_OK;
    *ret_name = "stream_options";
    if (!json_is_object(given) || !completion->stream)
        return lt_fail(error, LT_EPARAM, "stream_options must be an object, and goes with stream: true only");
    int code = lt_http_parameters_read(given, options, &passed, ret_name, error);
    if (code)
        return code;
    json_decref(passed);
    return lt_http_parameter_bool(given, "include_usage", false, &completion->include_usage, error);
}

/* OpenAI's stop is one text or an array of them. */
static int pass_stop(const json_t *body, json_t *passed, struct lt_error *error)
{
    json_t *stop = json_object_get(body, "stop");
    if (!stop || json_is_null(stop))
        return LT_OK;
    json_t *array = json_is_string(stop) ? json_pack("[O]", stop) : json_incref(stop);
    return json_object_set_new(passed, "stop", array) == 0 ? LT_OK : lt_fail_code(error, LT_ENOMEM);
}

static int make_request(const json_t *body, struct completion *completion, struct lt_request **ret_request,
                        const char **ret_name, struct lt_error *error)
{
    bool chat = completion->wording->chat;
    json_t *passed;
    int code = lt_http_parameters_read(body, chat ? chat_parameters : completion_parameters, &passed, ret_name, error);
    if (code)
        return code;
    *ret_name = NULL;
    code = lt_http_parameter_bool(body, "stream", false, &completion->stream, error);
    if (code == LT_OK)
        code = lt_http_parameter_bool(body, "receipt", false, &completion->receipt, error);
    if (code == LT_OK)
        code = read_stream_options(body, completion, ret_name, error);
    if (code == LT_OK)
        code = pass_stop(body, passed, error);
    if (code == LT_OK && json_object_set_new(passed, "stream", json_boolean(completion->stream)) != 0)
        code = lt_fail_code(error, LT_ENOMEM);
    if (code == LT_OK)
        code = chat ? lt_http_pass_messages(body, passed, ret_name, error)
                    : lt_http_pass_prompt(body, passed, ret_name, error);
    if (code == LT_OK)
        code = lt_http_request_make(LT_METHOD_GENERATE, 0, passed, ret_request, error);
    json_decref(passed);
    return code;
}

static void begin(struct lt_http_exchange *exchange, const json_t *body, const struct wording *wording)
{
    struct lt_server *server = exchange->http->server;
    struct lt_request *request;
    struct lt_error error;
    const char *name = NULL;
    uint8_t id[ID_BYTES];
    char digits[2 * ID_BYTES + 1];
    struct completion *completion = exchange->state = lt_calloc(1, sizeof *completion);
    int code = completion ? LT_OK : lt_fail_code(&error, LT_ENOMEM);
    if (completion) {
        completion->wording = wording;
        completion->created = time(NULL);
        randombytes_buf(id, sizeof id);
        snprintf(completion->id, sizeof completion->id, "%s%s", wording->id_prefix,
                 sodium_bin2hex(digits, sizeof digits, id, sizeof id));
        code = make_request(body, completion, &request, &name, &error);
    }
    if (code) {
        lt_count(&server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
        lt_http_reply_error(exchange, &error, name);
        return;
    }
    const char *model = *request->generate.model ? request->generate.model : lt_model_name(server->models[0]);
    snprintf(completion->model, sizeof completion->model, "%s", model);
    lt_http_submit(exchange, request);
}

static void begin_completion(struct lt_http_exchange *exchange, const json_t *body)
{
    begin(exchange, body, &completion_wording);
}

static void begin_chat(struct lt_http_exchange *exchange, const json_t *body)
{
    begin(exchange, body, &chat_wording);
}

/* --- reply --- */

static json_t *usage_of(const msgpack_object *result)
{
    const msgpack_object *usage = lt_http_at(result, "usage");
    json_int_t prompt = (json_int_t)lt_http_number_at(usage, "prompt_tokens");
    json_int_t completion = (json_int_t)lt_http_number_at(usage, "completion_tokens");
    return json_pack("{sIsIsIs{sI}}", "prompt_tokens", prompt, "completion_tokens", completion, "total_tokens",
                     prompt + completion, "prompt_tokens_details", "cached_tokens",
                     (json_int_t)lt_http_cached_tokens(result));
}

/* The result as the socket gives it, without what stands elsewhere in the reply. */
static json_t *receipt_of(const msgpack_object *result)
{
    json_t *receipt = lt_json_of(result);
    json_object_del(receipt, "text");
    json_object_del(receipt, "finish_reason");
    return receipt;
}

/* `choices` is taken over. */
static json_t *wrap(const struct completion *completion, const char *object, json_t *choices)
{
    return json_pack("{sssssIssso}", "id", completion->id, "object", object, "created", (json_int_t)completion->created,
                     "model", completion->model, "choices", choices);
}

static json_t *whole_choice(const struct completion *completion, const msgpack_object *result)
{
    if (completion->wording->chat)
        return json_pack("[{sis{sssosn}snso}]", "index", 0, "message", "role", "assistant", "content",
                         lt_http_text_at(result, "text"), "refusal", "logprobs", "finish_reason",
                         lt_http_text_at(result, "finish_reason"));
    return json_pack("[{sosisnso}]", "text", lt_http_text_at(result, "text"), "index", 0, "logprobs", "finish_reason",
                     lt_http_text_at(result, "finish_reason"));
}

static void send_chunk(struct lt_http_exchange *exchange, json_t *choices, json_t *usage, json_t *receipt)
{
    const struct completion *completion = exchange->state;
    json_t *chunk = wrap(completion, completion->wording->chunk_object, choices);
    if (completion->include_usage)
        json_object_set_new(chunk, "usage", usage ? usage : json_null());
    if (receipt)
        json_object_set_new(chunk, "latentd", receipt);
    lt_http_stream_send(exchange, chunk);
}

/* `text` and `finish_reason` are taken over; NULL for none. */
static void send_piece(struct lt_http_exchange *exchange, json_t *text, json_t *finish_reason, json_t *receipt)
{
    const struct completion *completion = exchange->state;
    json_t *choices;
    if (!completion->wording->chat)
        choices = json_pack("[{sosisnso?}]", "text", text ? text : json_string(""), "index", 0, "logprobs",
                            "finish_reason", finish_reason);
    else
        choices = json_pack("[{sis{so*}snso?}]", "index", 0, "delta", "content", text, "logprobs", "finish_reason",
                            finish_reason);
    send_chunk(exchange, choices, NULL, receipt);
}

/* A chat's first chunk says who speaks. */
static void begin_stream(struct lt_http_exchange *exchange)
{
    struct completion *completion = exchange->state;
    if (completion->wording->chat && !completion->begun)
        send_chunk(exchange,
                   json_pack("[{sis{ssss}snsn}]", "index", 0, "delta", "role", "assistant", "content", "", "logprobs",
                             "finish_reason"),
                   NULL, NULL);
    completion->begun = true;
}

static void token(struct lt_http_exchange *exchange, const char *text, size_t bytes)
{
    begin_stream(exchange);
    send_piece(exchange, json_stringn_nocheck(text, bytes), NULL, NULL);
}

static void result(struct lt_http_exchange *exchange, uint32_t id, const msgpack_object *result)
{
    const struct completion *completion = exchange->state;
    json_t *receipt = completion->receipt ? receipt_of(result) : NULL;
    (void)id;
    if (completion->stream) {
        begin_stream(exchange);
        send_piece(exchange, NULL, lt_http_text_at(result, "finish_reason"), receipt);
        if (completion->include_usage)
            send_chunk(exchange, json_array(), usage_of(result), NULL);
        lt_http_stream_end(exchange);
        return;
    }
    json_t *whole = wrap(completion, completion->wording->object, whole_choice(completion, result));
    json_object_set_new(whole, "usage", usage_of(result));
    if (receipt)
        json_object_set_new(whole, "latentd", receipt);
    lt_http_reply_json(exchange, MHD_HTTP_OK, whole);
}

const struct lt_http_handler lt_http_completions = {.begin = begin_completion, .token = token, .result = result};
const struct lt_http_handler lt_http_chat = {.begin = begin_chat, .token = token, .result = result};
