#include "proto/roles.h"

#include <string.h>

static bool find(const char *text, size_t bytes, unsigned *ret_role)
{
    for (enum lt_access access = LT_ACCESS_READ; access <= LT_ACCESS_ADMIN; access++) {
        const char *name = lt_access_name(access);
        if (strlen(name) == bytes && memcmp(name, text, bytes) == 0) {
            *ret_role = 1u << access;
            return true;
        }
    }
    return false;
}

bool lt_roles_parse(const char *text, unsigned *ret_roles)
{
    unsigned roles = 0;
    for (const char *at = text;;) {
        unsigned role = 0;
        size_t bytes = strcspn(at, ",");
        if (!find(at, bytes, &role) || roles & role)
            return false;
        roles |= role;
        at += bytes;
        if (!*at++)
            break;
    }
    *ret_roles = roles;
    return true;
}

bool lt_roles_include(unsigned roles, enum lt_access access)
{
    return access == LT_ACCESS_ANY || (roles & (1u << access | LT_ROLES_ADMIN)) != 0;
}
