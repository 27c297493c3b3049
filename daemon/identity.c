#include "daemon/identity.h"

#include <string.h>

#include "proto/roles.h"

int lt_identity_grant(struct lt_identity *identity, const char *roles, const char *space, struct lt_error *error)
{
    bool bound = strcmp(space, LT_ANY_NAMESPACE) != 0;
    if (!lt_roles_parse(roles, &identity->roles))
        return lt_fail(error, LT_ECONFIG, "the roles must be " LT_ROLES_RIGHT);
    if (strlen(space) > LT_NAMESPACE_NAME_MAX)
        return lt_fail(error, LT_ECONFIG, "the namespace must be a name of 1 to %d bytes, or * for any",
                       LT_NAMESPACE_NAME_MAX);
    strcpy(identity->space, bound ? space : "");
    return LT_OK;
}

int lt_identity_check(const struct lt_identity *identity, enum lt_method method, struct lt_error *error)
{
    enum lt_access access = lt_method_access(method);
    if (!identity->known)
        return lt_fail(error, LT_EDENIED, "a token is needed here: send hello with one before anything else");
    if (!lt_roles_include(identity->roles, access))
        return lt_fail(error, LT_EDENIED, "%s needs the role %s, which %s does not have", lt_method_name(method),
                       lt_access_name(access), identity->name);
    return LT_OK;
}

/* Requests that no namespace bounds. */
static bool concerns_all(const struct lt_request *request)
{
    switch (request->method) {
    case LT_METHOD_NAMESPACE_PUT:
    case LT_METHOD_NAMESPACE_LIST:
    case LT_METHOD_NAMESPACE_REMOVE:
    case LT_METHOD_BACKUP:
    case LT_METHOD_SHUTDOWN:
        return true;
    case LT_METHOD_FLUSH:
        return request->flush.all;
    default:
        return false;
    }
}

int lt_identity_admit(const struct lt_identity *identity, struct lt_request *request, struct lt_error *error)
{
    int code = lt_identity_check(identity, request->method, error);
    if (code || !*identity->space)
        return code;
    if (concerns_all(request))
        return lt_fail(error, LT_EDENIED, "%s concerns all namespaces, and %s is bound to '%s'",
                       lt_method_name(request->method), identity->name, identity->space);
    if (*request->space && strcmp(request->space, identity->space) != 0)
        return lt_fail(error, LT_EDENIED, "%s is bound to the namespace '%s' and cannot use another; leave it out",
                       identity->name, identity->space);
    strcpy(request->space, identity->space);
    return LT_OK;
}
