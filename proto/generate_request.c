/* Reads "generate". First everything is checked with the texts still in the frame, then one block is made for the
 * segments and all texts, so that a request costs one allocation however many segments it has. */
#include "proto/generate_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"

static int read_segment(const struct lt_parameters *parameters, const msgpack_object *value, uint32_t index,
                        struct lt_segment *segment)
{
    static const char *const names[] = {"role", "text", NULL};
    static const char *const roles[] = {"document", "user", NULL};
    char label[48];
    struct lt_text text;
    int role = -1;
    snprintf(label, sizeof label, "generate: segments[%" PRIu32 "]", index);
    if (value->type != MSGPACK_OBJECT_MAP)
        return lt_parameter_wrong(parameters, label + strlen("generate: "), "a map of \"role\" and \"text\"", value);
    struct lt_parameters inner = {value->via.map.ptr, value->via.map.size, label, parameters->error};
    int error = lt_parameters_check_names(&inner, names);
    if (!error)
        error = lt_parameter_choice(&inner, "role", roles, &role);
    if (error)
        return error;
    if (role < 0)
        return lt_parameter_wrong(&inner, "role", "\"document\" or \"user\"", NULL);
    const msgpack_object *found = lt_parameter_find(&inner, "text");
    if (!found)
        return lt_parameter_wrong(&inner, "text", "a string", NULL);
    error = lt_parameter_text(&inner, found, "text", LT_PROMPT_BYTES_MAX, &text);
    if (error)
        return error;
    segment->role = role == 0 ? LT_ROLE_DOCUMENT : LT_ROLE_USER;
    segment->text = text.text;
    segment->bytes = text.bytes;
    return LT_OK;
}

static int read_prompt(const struct lt_parameters *parameters, const msgpack_object *prompt,
                       struct lt_generate_request *request)
{
    struct lt_text text;
    int error = lt_parameter_text(parameters, prompt, "prompt", LT_PROMPT_BYTES_MAX, &text);
    if (error)
        return error;
    request->segments = lt_calloc(1, sizeof *request->segments);
    if (!request->segments)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    request->segment_count = 1;
    request->segments[0] = (struct lt_segment){LT_ROLE_USER, text.text, text.bytes};
    return LT_OK;
}

static int read_segments(const struct lt_parameters *parameters, struct lt_generate_request *request)
{
    const msgpack_object *prompt = lt_parameter_find(parameters, "prompt");
    const msgpack_object *segments = lt_parameter_find(parameters, "segments");
    size_t bytes = 0;
    if (!prompt == !segments)
        return lt_fail(parameters->error, LT_EPARAM, "%s: exactly one of prompt and segments must be given; found %s",
                       parameters->method, prompt ? "both" : "neither");
    if (prompt)
        return read_prompt(parameters, prompt, request);
    int error = lt_parameter_array(parameters, segments, "segments", 1, LT_SEGMENTS_MAX);
    if (error)
        return error;
    request->segments = lt_calloc(segments->via.array.size, sizeof *request->segments);
    if (!request->segments)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    request->segment_count = segments->via.array.size;
    for (uint32_t i = 0; i < segments->via.array.size; i++) {
        error = read_segment(parameters, &segments->via.array.ptr[i], i, &request->segments[i]);
        if (error)
            return error;
        bytes += request->segments[i].bytes;
    }
    if (bytes > LT_PROMPT_BYTES_MAX)
        return lt_fail(parameters->error, LT_ETOOLARGE, "%s: segments have %zu bytes together; the most is %u",
                       parameters->method, bytes, LT_PROMPT_BYTES_MAX);
    return LT_OK;
}

static int read_stops(const struct lt_parameters *parameters, struct lt_generate_request *request)
{
    const msgpack_object *stops = lt_parameter_find(parameters, "stop");
    if (!stops)
        return LT_OK;
    int error = lt_parameter_array(parameters, stops, "stop", 0, LT_STOP_TEXTS_MAX);
    if (error)
        return error;
    for (uint32_t i = 0; i < stops->via.array.size; i++) {
        char label[32];
        snprintf(label, sizeof label, "stop[%" PRIu32 "]", i);
        error =
            lt_parameter_text(parameters, &stops->via.array.ptr[i], label, LT_STOP_TEXT_BYTES_MAX, &request->stop[i]);
        if (error)
            return error;
    }
    request->stop_count = stops->via.array.size;
    return LT_OK;
}

static int read_format(const struct lt_parameters *parameters, struct lt_generate_request *request)
{
    static const char *const formats[] = {"chat", "text", NULL};
    int format = 0;
    int error = lt_parameter_choice(parameters, "format", formats, &format);
    request->format = format == 0 ? LT_FORMAT_CHAT : LT_FORMAT_TEXT;
    return error;
}

static int read_sampling(const struct lt_parameters *parameters, struct lt_generate_request *request)
{
    uint64_t max_tokens = 128, top_k = 40;
    request->temperature = 0.7;
    request->top_p = 0.95;
    request->stream = true;
    int error = lt_parameter_uint(parameters, "max_tokens", 1, LT_GENERATE_TOKENS_MAX, &max_tokens);
    if (!error)
        error = lt_parameter_real(parameters, "temperature", 0, false, LT_TEMPERATURE_MAX, &request->temperature);
    if (!error)
        error = lt_parameter_uint(parameters, "top_k", 0, LT_TOP_K_MAX, &top_k);
    if (!error)
        error = lt_parameter_real(parameters, "top_p", 0, true, 1, &request->top_p);
    if (!error)
        error = lt_parameter_uint(parameters, "seed", 0, UINT64_MAX, &request->seed);
    if (!error)
        error = lt_parameter_bool(parameters, "stream", &request->stream);
    request->max_tokens = (uint32_t)max_tokens;
    request->top_k = (uint32_t)top_k;
    return error;
}

/* Copies `*text` to *at and points it there; *at moves on. */
static void own(const char **text, size_t bytes, char **at)
{
    *text = memcpy(*at, *text, bytes);
    *at += bytes;
}

static int own_texts(const struct lt_parameters *parameters, struct lt_generate_request *request)
{
    size_t bytes = request->segment_count * sizeof *request->segments;
    for (size_t i = 0; i < request->segment_count; i++)
        bytes += request->segments[i].bytes;
    for (size_t i = 0; i < request->stop_count; i++)
        bytes += request->stop[i].bytes;
    struct lt_segment *segments = lt_realloc(request->segments, bytes);
    if (!segments)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    request->segments = segments;
    char *at = (char *)(segments + request->segment_count);
    for (size_t i = 0; i < request->segment_count; i++)
        own(&segments[i].text, segments[i].bytes, &at);
    for (size_t i = 0; i < request->stop_count; i++)
        own(&request->stop[i].text, request->stop[i].bytes, &at);
    return LT_OK;
}

int lt_generate_request_read(const struct lt_parameters *parameters, struct lt_generate_request *request)
{
    static const char *const names[] = {"prompt", "segments", "model", "format", "max_tokens", "temperature",
                                        "top_k",  "top_p",    "seed",  "stop",   "stream",     NULL};
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    if (!error)
        error = read_format(parameters, request);
    if (!error)
        error = read_sampling(parameters, request);
    if (!error)
        error = read_stops(parameters, request);
    if (!error)
        error = read_segments(parameters, request);
    if (!error)
        error = own_texts(parameters, request);
    if (error)
        return error;
    if (request->format == LT_FORMAT_TEXT)
        for (size_t i = 0; i < request->segment_count; i++)
            request->segments[i].role = LT_ROLE_DOCUMENT;
    return LT_OK;
}
