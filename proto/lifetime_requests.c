#include "proto/lifetime_requests.h"

#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/keys.h"

int lt_space_read(const struct lt_parameters *parameters, struct lt_request *request)
{
    uint64_t ttl = LT_TTL_OF_NAMESPACE;
    int error = lt_parameter_name(parameters, "namespace", LT_NAMESPACE_NAME_MAX, request->space);
    if (!error)
        error = lt_parameter_uint(parameters, "ttl_s", 0, LT_TTL_SECONDS_MAX, &ttl);
    request->ttl_seconds = (uint32_t)ttl;
    return error;
}

static int read_name(const struct lt_parameters *parameters, struct lt_namespace_request *request)
{
    if (!lt_parameter_find(parameters, "name"))
        return lt_parameter_wrong(parameters, "name", "the name of a namespace", NULL);
    return lt_parameter_name(parameters, "name", LT_NAMESPACE_NAME_MAX, request->name);
}

static int read_quota(const struct lt_parameters *parameters, struct lt_namespace_request *request)
{
    int error = lt_parameter_uint(parameters, "quota_bytes", 0, LT_NAMESPACE_QUOTA_MAX, &request->quota_bytes);
    request->has_quota = lt_parameter_find(parameters, "quota_bytes") != NULL;
    if (!error && request->quota_bytes && request->quota_bytes < LT_NAMESPACE_QUOTA_MIN)
        return lt_parameter_wrong(parameters, "quota_bytes", "at least 65536, or 0 for none",
                                  lt_parameter_find(parameters, "quota_bytes"));
    return error;
}

int lt_namespace_put_request_read(const struct lt_parameters *parameters, struct lt_namespace_request *request)
{
    static const char *const names[] = {"name", "quota_bytes", "ttl_s", NULL};
    uint64_t ttl = 0;
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = read_name(parameters, request);
    if (!error)
        error = read_quota(parameters, request);
    if (!error)
        error = lt_parameter_uint(parameters, "ttl_s", 0, LT_TTL_SECONDS_MAX, &ttl);
    request->has_ttl = lt_parameter_find(parameters, "ttl_s") != NULL;
    request->ttl_seconds = (uint32_t)ttl;
    return error;
}

int lt_namespace_remove_request_read(const struct lt_parameters *parameters, struct lt_namespace_request *request)
{
    static const char *const names[] = {"name", NULL};
    int error = lt_parameters_check_names(parameters, names);
    return error ? error : read_name(parameters, request);
}

static int read_text(const struct lt_parameters *parameters, const msgpack_object *value, struct lt_text *ret_text)
{
    struct lt_text text;
    int error = lt_parameter_text(parameters, value, "text", LT_PROMPT_BYTES_MAX, &text);
    if (error)
        return error;
    char *copy = lt_malloc(text.bytes);
    if (!copy)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    memcpy(copy, text.text, text.bytes);
    *ret_text = (struct lt_text){copy, text.bytes};
    return LT_OK;
}

int lt_keys_request_read(const struct lt_parameters *parameters, enum lt_method method, struct lt_keys_request *request)
{
    static const char *const names[] = {"keys", "text", "model", "namespace", NULL};
    static const char *const names_of_evict[] = {"keys", "text", "share", "model", "namespace", NULL};
    const msgpack_object *keys = lt_parameter_find(parameters, "keys"), *text = lt_parameter_find(parameters, "text"),
                         *share = lt_parameter_find(parameters, "share");
    bool evicts = method == LT_METHOD_EVICT;
    int error = lt_parameters_check_names(parameters, evicts ? names_of_evict : names);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    if (!error && (keys != NULL) + (text != NULL) + (share != NULL) != 1)
        return lt_fail(parameters->error, LT_EPARAM, "%s: exactly one of keys%s must be given", parameters->method,
                       evicts ? ", text and share" : " and text");
    if (!error && share)
        error = lt_parameter_real(parameters, "share", 0, true, 1, &request->share);
    if (!error && text)
        error = read_text(parameters, text, &request->text);
    if (!error && keys)
        error = lt_keys_read(parameters, "keys", &request->keys, &request->key_count);
    return error;
}

int lt_flush_request_read(const struct lt_parameters *parameters, struct lt_flush_request *request)
{
    static const char *const names[] = {"namespace", "all", NULL};
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_bool(parameters, "all", &request->all);
    if (!error && request->all == (lt_parameter_find(parameters, "namespace") != NULL))
        return lt_fail(parameters->error, LT_EPARAM, "%s: either namespace or \"all\": true must be given",
                       parameters->method);
    return error;
}

int lt_scan_request_read(const struct lt_parameters *parameters, struct lt_scan_request *request)
{
    static const char *const names[] = {"cursor", "count", "namespace", NULL};
    const msgpack_object *cursor = lt_parameter_find(parameters, "cursor");
    uint64_t count = 100;
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_uint(parameters, "count", 1, LT_SCAN_RECORDS_MAX, &count);
    if (!error && cursor && cursor->type != MSGPACK_OBJECT_NIL) {
        request->has_cursor = true;
        error = lt_digest_read(parameters, cursor, "cursor", request->cursor);
    }
    request->count = (uint32_t)count;
    return error;
}

int lt_verify_request_read(const struct lt_parameters *parameters, struct lt_verify_request *request)
{
    static const char *const names[] = {"reencode", "namespace", NULL};
    int error = lt_parameters_check_names(parameters, names);
    return error ? error : lt_parameter_bool(parameters, "reencode", &request->reencode);
}

int lt_backup_request_read(const struct lt_parameters *parameters, struct lt_backup_request *request)
{
    static const char *const names[] = {"path", NULL};
    const msgpack_object *path = lt_parameter_find(parameters, "path");
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "path", LT_PATH_BYTES_MAX, request->path);
    if (!error && request->path[0] != '/')
        return lt_parameter_wrong(parameters, "path", "an absolute path of a folder on the daemon's machine", path);
    return error;
}

static int read_data(const struct lt_parameters *parameters, struct lt_pack_request *request)
{
    const msgpack_object *data = lt_parameter_find(parameters, "data");
    if (!data || data->type != MSGPACK_OBJECT_BIN || data->via.bin.size == 0 || data->via.bin.size > LT_PACK_PIECE_MAX)
        return lt_parameter_wrong(parameters, "data", "a binary of 1 to 524288 bytes", data);
    char *copy = lt_malloc(data->via.bin.size);
    if (!copy)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    memcpy(copy, data->via.bin.ptr, data->via.bin.size);
    request->data = (struct lt_text){copy, data->via.bin.size};
    return LT_OK;
}

static int read_documents(const struct lt_parameters *parameters, struct lt_pack_request *request)
{
    const msgpack_object *value = lt_parameter_find(parameters, "docs");
    char label[32];
    int error = value ? lt_parameter_array(parameters, value, "docs", 1, LT_PACK_DOCUMENTS_MAX) : LT_OK;
    if (error || !value)
        return error;
    request->documents = lt_calloc(value->via.array.size, sizeof *request->documents);
    if (!request->documents)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    for (; !error && request->document_count < value->via.array.size; request->document_count++) {
        size_t at = request->document_count;
        const msgpack_object *name = &value->via.array.ptr[at];
        snprintf(label, sizeof label, "docs[%zu]", at);
        error = lt_parameter_name_of(parameters, name, label, LT_DOCUMENT_NAME_MAX, request->documents[at]);
        for (size_t i = 0; i < at && !error; i++)
            if (strcmp(request->documents[i], request->documents[at]) == 0)
                error = lt_parameter_wrong(parameters, label, "a name that is not there before", name);
    }
    return error;
}

int lt_pack_request_read(const struct lt_parameters *parameters, enum lt_method method, struct lt_pack_request *request)
{
    static const char *const of_begin[] = {"model", "namespace", "docs", NULL}, *const of_read[] = {"offset", NULL},
                             *const of_write[] = {"offset", "data", NULL},
                             *const of_end[] = {"namespace", "ttl_s", NULL};
    bool reads = method == LT_METHOD_EXPORT_READ, writes = method == LT_METHOD_IMPORT_WRITE;
    int error = lt_parameters_check_names(parameters, reads                              ? of_read
                                                      : writes                           ? of_write
                                                      : method == LT_METHOD_EXPORT_BEGIN ? of_begin
                                                                                         : of_end);
    if (!error && method == LT_METHOD_EXPORT_BEGIN)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    if (!error && method == LT_METHOD_EXPORT_BEGIN)
        error = read_documents(parameters, request);
    if (!error && (reads || writes) && !lt_parameter_find(parameters, "offset"))
        return lt_parameter_wrong(parameters, "offset", "an integer from 0", NULL);
    if (!error && (reads || writes))
        error = lt_parameter_uint(parameters, "offset", 0, INT64_MAX, &request->offset);
    return !error && writes ? read_data(parameters, request) : error;
}
