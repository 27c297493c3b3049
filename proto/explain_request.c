#include "proto/explain_request.h"

#include "proto/segments.h"

static int read_measure(const struct lt_parameters *parameters, struct lt_text *ret_text)
{
    const msgpack_object *value = lt_parameter_find(parameters, "measure");
    return value ? lt_parameter_text(parameters, value, "measure", LT_PROMPT_BYTES_MAX, ret_text) : LT_OK;
}

int lt_explain_request_read(const struct lt_parameters *parameters, struct lt_explain_request *request)
{
    static const char *const names[] = {"prompt", "segments", "model", "max_tokens", "measure", "namespace", NULL};
    static const struct lt_segments_rule rule = {"prompt", LT_ROLE_USER, .stored = true};
    struct lt_generate_request *generate = &request->generate;
    uint64_t max_tokens = 32;
    generate->top_p = 1;
    generate->repetition_penalty = 1.2;
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, generate->model);
    if (!error)
        error = lt_parameter_uint(parameters, "max_tokens", 1, LT_EXPLAIN_TOKENS_MAX, &max_tokens);
    if (!error)
        error = read_measure(parameters, &request->measure);
    if (!error)
        error = lt_segments_read(parameters, &rule, &generate->segments, &generate->segment_count);
    if (!error)
        error = lt_segments_own(parameters, &generate->segments, generate->segment_count, &request->measure, 1);
    generate->max_tokens = (uint32_t)max_tokens;
    return error;
}
