/* namespace.put, namespace.list, namespace.remove. No salt is ever shown. */
#include "daemon/background.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "storage/namespaces.h"

/* Three pairs. */
static void write_settings(struct lt_writer *writer, const struct lt_namespace *space)
{
    lt_write_text(writer, "name");
    lt_write_text(writer, space->name);
    lt_pair_uint(writer, "quota_bytes", space->quota_bytes);
    lt_pair_uint(writer, "ttl_s", space->ttl_seconds);
}

int lt_background_namespace_put(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    const struct lt_namespace_request *request = &background->job.request->namespace_request;
    const struct lt_namespace_settings settings = {.quota_bytes = request->has_quota ? &request->quota_bytes : NULL,
                                                   .ttl_seconds = request->has_ttl ? &request->ttl_seconds : NULL};
    struct lt_namespace space;
    bool created = false;
    int code = lt_namespace_put(background->server->store, request->name, &settings, &space, &created, error);
    if (code)
        return code;
    lt_write_map(writer, 4);
    write_settings(writer, &space);
    lt_pair_bool(writer, "created", created);
    return LT_OK;
}

int lt_background_namespace_list(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    struct lt_namespace_usage *usages = lt_malloc(LT_NAMESPACES_MAX * sizeof *usages);
    if (!usages)
        return lt_fail_code(error, LT_ENOMEM);
    size_t count = lt_namespace_list(background->server->store, 0, usages, LT_NAMESPACES_MAX);
    lt_write_map(writer, 1);
    lt_write_text(writer, "namespaces");
    lt_write_array(writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        lt_write_map(writer, 5);
        write_settings(writer, &usages[i].space);
        lt_pair_uint(writer, "entries", usages[i].entries);
        lt_pair_uint(writer, "bytes", usages[i].bytes);
    }
    lt_free(usages);
    return LT_OK;
}

int lt_background_namespace_remove(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    uint64_t removed = 0;
    int code = lt_namespace_remove(background->server->store, background->job.request->namespace_request.name, &removed,
                                   error);
    if (code)
        return code;
    lt_write_map(writer, 1);
    lt_pair_uint(writer, "removed", removed);
    return LT_OK;
}
