#include "daemon/http_parameters.h"

#include <string.h>

#include "proto/json.h"

static const struct lt_http_parameter *find(const struct lt_http_parameter *list, const char *name)
{
    while (list->name && strcmp(list->name, name) != 0)
        list++;
    return list->name ? list : NULL;
}

/* 0 and 0.0 are one number. */
static bool is_equal(const json_t *value, const char *neutral)
{
    json_t *expected = json_loads(neutral, JSON_DECODE_ANY, NULL);
    bool equal = json_is_number(value) && json_is_number(expected)
                     ? json_number_value(value) == json_number_value(expected)
                     : json_equal(value, expected);
    json_decref(expected);
    return equal;
}

static int read_one(const char *name, json_t *value, const struct lt_http_parameter *list, json_t *passed,
                    struct lt_error *error)
{
    const struct lt_http_parameter *parameter = find(list, name);
    if (!parameter)
        return lt_fail(error, LT_EPARAM, "unknown parameter '%.40s'", name);
    if (parameter->use == LT_HTTP_NEUTRAL && !is_equal(value, parameter->means))
        return lt_fail(error, LT_EPARAM, "%s is not supported; leave it out, or give %s", parameter->name,
                       parameter->means);
    if (parameter->use == LT_HTTP_PASS &&
        json_object_set(passed, parameter->means ? parameter->means : name, value) != 0)
        return lt_fail_code(error, LT_ENOMEM);
    return LT_OK;
}

int lt_http_parameters_read(const json_t *body, const struct lt_http_parameter *list, json_t **ret_passed,
                            const char **ret_name, struct lt_error *error)
{
    const char *name;
    json_t *value, *passed = json_object();
    if (!passed)
        return lt_fail_code(error, LT_ENOMEM);
    json_object_foreach((json_t *)body, name, value)
    {
        int code = json_is_null(value) ? LT_OK : read_one(name, value, list, passed, error);
        if (code) {
            json_decref(passed);
            *ret_name = name;
            return code;
        }
    }
    *ret_passed = passed;
    return LT_OK;
}

int lt_http_parameter_bool(const json_t *body, const char *name, bool otherwise, bool *ret_value,
                           struct lt_error *error)
{
    const json_t *value = json_object_get(body, name);
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return lt_fail(error, LT_EPARAM, "%s must be true or false", name);
    *ret_value = json_is_boolean(value) ? json_is_true(value) : otherwise;
    return LT_OK;
}

/* "generate: max_tokens must be" becomes "max_tokens must be": the method's name says nothing to a client of HTTP. */
static void drop_method(enum lt_method method, struct lt_error *error)
{
    const char *name = lt_method_name(method);
    size_t bytes = strlen(name);
    if (strncmp(error->message, name, bytes) == 0 && strncmp(error->message + bytes, ": ", 2) == 0)
        memmove(error->message, error->message + bytes + 2, strlen(error->message + bytes + 2) + 1);
}

int lt_http_request_make(enum lt_method method, uint32_t id, const json_t *parameters, struct lt_request **ret_request,
                         struct lt_error *error)
{
    struct lt_buffer frame;
    struct lt_writer writer;
    bool id_known;
    lt_buffer_init(&frame, LT_FRAME_BYTES_MAX);
    lt_writer_init(&writer, &frame);
    lt_write_request(&writer, id, lt_method_name(method));
    lt_json_write(&writer, parameters);
    int code = writer.error;
    if (code == LT_ETOOLARGE)
        lt_fail(error, code, "all texts together are larger than %u bytes", LT_FRAME_BYTES_MAX);
    else if (code)
        lt_fail_code(error, code);
    else
        code = lt_request_decode(frame.data, frame.size, ret_request, &id, &id_known, error);
    if (code)
        drop_method(method, error);
    lt_buffer_finish(&frame);
    return code;
}
