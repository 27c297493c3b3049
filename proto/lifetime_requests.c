#include "proto/lifetime_requests.h"

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
