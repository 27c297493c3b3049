/* The body of an HTTP request: JSON, its translation into the protocol, and the decoder of requests. */
#include "proto/json.h"
#include "daemon/http_parameters.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct lt_http_parameter list[] = {
        {"prompt", LT_HTTP_PASS, NULL}, {"model", LT_HTTP_PASS, NULL},      {"seed", LT_HTTP_PASS, NULL},
        {"stop", LT_HTTP_PASS, NULL},   {"stream", LT_HTTP_READ, NULL},     {"user", LT_HTTP_IGNORE, NULL},
        {"n", LT_HTTP_NEUTRAL, "1"},    {"max_tokens", LT_HTTP_PASS, NULL}, {"segments", LT_HTTP_PASS, NULL},
        {NULL, LT_HTTP_PASS, NULL}};
    struct lt_error error = {0};
    struct lt_request *request;
    json_t *body, *passed;
    const char *name;
    if (lt_json_parse((const char *)data, size, &body, &error) != LT_OK) {
        require(error.message[0]);
        return 0;
    }
    if (json_is_object(body) && lt_http_parameters_read(body, list, &passed, &name, &error) == LT_OK) {
        if (lt_http_request_make(LT_METHOD_GENERATE, 1, passed, &request, &error) == LT_OK)
            lt_request_destroy(request);
        json_decref(passed);
    }
    json_decref(body);
    return 0;
}
