#include "proto/generate_request.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/segments.h"

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
    request->repetition_penalty = 1.2;
    request->stream = true;
    int error = lt_parameter_uint(parameters, "max_tokens", 1, LT_GENERATE_TOKENS_MAX, &max_tokens);
    if (!error)
        error = lt_parameter_real(parameters, "temperature", 0, false, LT_TEMPERATURE_MAX, &request->temperature);
    if (!error)
        error = lt_parameter_uint(parameters, "top_k", 0, LT_TOP_K_MAX, &top_k);
    if (!error)
        error = lt_parameter_real(parameters, "top_p", 0, true, 1, &request->top_p);
    if (!error)
        error = lt_parameter_real(parameters, "repetition_penalty", 1, false, LT_REPETITION_PENALTY_MAX,
                                  &request->repetition_penalty);
    if (!error)
        error = lt_parameter_uint(parameters, "seed", 0, UINT64_MAX, &request->seed);
    if (!error)
        error = lt_parameter_bool(parameters, "stream", &request->stream);
    request->max_tokens = (uint32_t)max_tokens;
    request->top_k = (uint32_t)top_k;
    return error;
}

int lt_generate_request_read(const struct lt_parameters *parameters, struct lt_generate_request *request)
{
    static const char *const names[] = {"prompt",    "segments", "model", "format", "max_tokens", "temperature",
                                        "top_k",     "top_p",    "seed",  "stop",   "stream",     "repetition_penalty",
                                        "namespace", "ttl_s",    NULL};
    static const struct lt_segments_rule rule = {"prompt", LT_ROLE_USER, .stored = true};
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
        error = lt_segments_read(parameters, &rule, &request->segments, &request->segment_count);
    if (!error)
        error =
            lt_segments_own(parameters, &request->segments, request->segment_count, request->stop, request->stop_count);
    if (error)
        return error;
    if (request->format == LT_FORMAT_TEXT)
        for (size_t i = 0; i < request->segment_count; i++)
            request->segments[i].role = LT_ROLE_DOCUMENT;
    return LT_OK;
}
