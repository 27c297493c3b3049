/* Who may use the Unix socket. The kernel says who is at its other end (SO_PEERCRED, SO_PEERGROUPS), and a list of
 * users and groups says what that allows; the first rule that fits counts.
 *
 *     WHO [ROLES [NAMESPACE]]        alice        @ops read,generate        1000 generate tenant
 *
 * WHO is a user, or with @ a group, by name or number. Without ROLES it is admin, which is everything; without
 * NAMESPACE, or with *, any. Without a list root, the user who runs the daemon and the members of its group are
 * allowed. Loop thread. */
#ifndef LT_DAEMON_PEERS_H
#define LT_DAEMON_PEERS_H

#include <stddef.h>
#include <sys/types.h>

#include "daemon/identity.h"

struct lt_peers {
    size_t count; /* 0: the default */
    struct lt_peer_rule {
        bool is_group;
        uint32_t id;
        struct lt_identity identity; /* without a name */
    } * rules;
};

/* Adds a rule. LT_ECONFIG: it is wrong, or there is no such user or group. LT_ENOMEM. */
int lt_peers_add(struct lt_peers *peers, const char *rule, struct lt_error *error);

/* Forgets all rules. */
void lt_peers_clear(struct lt_peers *peers);

/* Who is at the other end of a connected Unix socket. LT_EDENIED: nobody who is allowed; the message names him. LT_EIO,
 * LT_ENOMEM. */
int lt_peers_identify(const struct lt_peers *peers, int socket, struct lt_identity *ret_identity,
                      struct lt_error *error);

#endif
