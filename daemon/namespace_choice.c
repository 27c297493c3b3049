#include "daemon/namespace_choice.h"

int lt_choose_namespace(struct lt_store *store, const struct lt_request *request, struct lt_namespace *ret_space,
                        struct lt_error *error)
{
    const char *name = *request->space ? request->space : LT_NAMESPACE_PUBLIC;
    if (lt_namespace_find(store, name, ret_space) != LT_OK)
        return lt_fail(error, LT_ENOTFOUND, "there is no namespace '%s'; namespace.list lists them", name);
    if (request->ttl_seconds != LT_TTL_OF_NAMESPACE)
        ret_space->ttl_seconds = request->ttl_seconds;
    return LT_OK;
}
