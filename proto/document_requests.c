#include "proto/document_requests.h"

#include <string.h>

#include "proto/alloc.h"

static int read_name(const struct lt_parameters *parameters, char *ret_name)
{
    if (!lt_parameter_find(parameters, "name"))
        return lt_parameter_wrong(parameters, "name", "the name of a document", NULL);
    return lt_parameter_name(parameters, "name", LT_DOCUMENT_NAME_MAX, ret_name);
}

/* A text may be empty: what ends a document in several pieces need not bring any more of it. */
static int read_text(const struct lt_parameters *parameters, struct lt_document_put_request *request)
{
    const msgpack_object *value = lt_parameter_find(parameters, "text");
    struct lt_text text = {"", 0};
    if (!value)
        return lt_parameter_wrong(parameters, "text", "a string", NULL);
    bool empty = value->type == MSGPACK_OBJECT_STR && value->via.str.size == 0;
    int error = empty ? LT_OK : lt_parameter_text(parameters, value, "text", LT_PROMPT_BYTES_MAX, &text);
    if (error)
        return error;
    if (empty && request->offset == 0)
        return lt_parameter_wrong(parameters, "text", "a string that is not empty", value);
    request->text = lt_malloc(text.bytes + 1);
    if (!request->text)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    memcpy(request->text, text.text, text.bytes);
    request->bytes = text.bytes;
    return LT_OK;
}

int lt_document_put_request_read(const struct lt_parameters *parameters, struct lt_document_put_request *request)
{
    static const char *const names[] = {"name", "text", "offset", "more", "progress", "model", "namespace", NULL};
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = read_name(parameters, request->name);
    if (!error)
        error = lt_parameter_uint(parameters, "offset", 0, LT_DOCUMENT_BYTES_MAX, &request->offset);
    if (!error)
        error = lt_parameter_bool(parameters, "more", &request->more);
    if (!error)
        error = lt_parameter_bool(parameters, "progress", &request->progress);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    return error ? error : read_text(parameters, request);
}

int lt_document_request_read(const struct lt_parameters *parameters, enum lt_method method,
                             struct lt_document_request *request)
{
    static const char *const plain[] = {"name", "namespace", NULL}, *const get[] = {"name",  "version",   "part",
                                                                                    "model", "namespace", NULL},
                             *const refine[] = {"name", "version", "model", "namespace", NULL};
    uint64_t version = 0, part = 0;
    int error = lt_parameters_check_names(parameters, method == LT_METHOD_DOCUMENT_GET      ? get
                                                      : method == LT_METHOD_DOCUMENT_REFINE ? refine
                                                                                            : plain);
    if (!error)
        error = read_name(parameters, request->name);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    if (!error)
        error = lt_parameter_uint(parameters, "version", 1, UINT32_MAX, &version);
    if (!error)
        error = lt_parameter_uint(parameters, "part", 0, UINT32_MAX, &part);
    request->version = (uint32_t)version;
    request->part = (uint32_t)part;
    return error;
}

int lt_document_list_request_read(const struct lt_parameters *parameters, struct lt_document_list_request *request)
{
    static const char *const names[] = {"after", "limit", "namespace", NULL};
    uint64_t limit = LT_DOCUMENT_LIST_MAX;
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "after", LT_DOCUMENT_NAME_MAX, request->after);
    if (!error)
        error = lt_parameter_uint(parameters, "limit", 1, LT_DOCUMENT_LIST_MAX, &limit);
    request->limit = (uint32_t)limit;
    return error;
}
