/* Sets of roles: what one caller may do. A set is an unsigned with the bit 1 << role of each `enum lt_access` in it. */
#ifndef LT_PROTO_ROLES_H
#define LT_PROTO_ROLES_H

#include <stdbool.h>

#include "proto/messages.h"

#define LT_ROLES_ADMIN (1u << LT_ACCESS_ADMIN) /* everything, see lt_roles_include */
#define LT_ROLES_RIGHT "one or more of read, generate, write and admin, with commas between them"

/* Reads "read,generate": one or more names, each once, with commas between them. False if it is anything else. */
bool lt_roles_parse(const char *text, unsigned *ret_roles);

/* Whether who has `roles` may do what needs `access`. The one place that says what includes what: `any` needs no role;
 * `admin` includes all others, since who may stop the daemon, copy its store and change everybody's namespaces would
 * gain nothing from being kept from the rest; the other three stand beside each other, so that a token can be made that
 * reads counters and computes nothing, or one that fills the cache and reads nothing. */
bool lt_roles_include(unsigned roles, enum lt_access access);

#endif
