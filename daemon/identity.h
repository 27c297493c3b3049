/* Who a caller is, and what that allows: made from the peer of a Unix socket (daemon/peers.h) or from a token
 * (daemon/tokens.h), and asked before anything is done for a request. Loop thread. */
#ifndef LT_DAEMON_IDENTITY_H
#define LT_DAEMON_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/limits.h"
#include "proto/messages.h"

#define LT_TOKEN_HASH_BYTES 32 /* SHA-256 */
#define LT_ANY_NAMESPACE "*"   /* in files and settings: bound to none */

struct lt_identity {
    bool known;                              /* false: a token has to come first */
    bool has_token;                          /* it stands for a token of the token file */
    unsigned roles;                          /* a set, see proto/roles.h */
    char name[LT_TOKEN_NAME_MAX + 1];        /* for people: of the token, or "user 1000" */
    char space[LT_NAMESPACE_NAME_MAX + 1];   /* the namespace in which all its requests live; empty: it may choose */
    uint8_t token_hash[LT_TOKEN_HASH_BYTES]; /* of has_token; never told */
};

/* Sets roles and namespace from what a file says ("read,generate" and "tenant" or "*"). LT_ECONFIG; the message says
 * what would be right and quotes nothing, since a token may stand where it does not belong. */
int lt_identity_grant(struct lt_identity *identity, const char *roles, const char *space, struct lt_error *error);

/* Whether the role of a method is there. LT_EDENIED with what is missing. */
int lt_identity_check(const struct lt_identity *identity, enum lt_method method, struct lt_error *error);

/* The gate that every request passes: checks the role of its method, and puts a bound identity's request into its
 * namespace, which lt_choose_namespace then finds. LT_EDENIED: the role is missing, it names another namespace, or it
 * concerns all of them. */
int lt_identity_admit(const struct lt_identity *identity, struct lt_request *request, struct lt_error *error);

#endif
