#include "daemon/peers.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/roles.h"

/* A peer as the kernel knows it. */
struct peer {
    struct ucred credentials;
    gid_t *groups; /* [group_count] beside its own; from lt_malloc */
    size_t group_count;
};

/* --- rules --- */

static bool parse_number(const char *text, uint32_t *ret_id)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || number >= UINT32_MAX)
        return false;
    *ret_id = (uint32_t)number;
    return true;
}

static bool find_id(const char *name, bool is_group, uint32_t *ret_id)
{
    const struct passwd *user = is_group ? NULL : getpwnam(name);
    const struct group *group = is_group ? getgrnam(name) : NULL;
    if (!user && !group)
        return parse_number(name, ret_id);
    *ret_id = user ? user->pw_uid : group->gr_gid;
    return true;
}

static int read_rule(char *text, struct lt_peer_rule *ret_rule, struct lt_error *error)
{
    struct lt_peer_rule rule = {.identity.known = true};
    char *rest = NULL, *who = strtok_r(text, " \t", &rest), *roles = strtok_r(NULL, " \t", &rest),
         *space = strtok_r(NULL, " \t", &rest);
    if (!who || strtok_r(NULL, " \t", &rest))
        return lt_fail(error, LT_ECONFIG, "a rule is WHO [ROLES [NAMESPACE]], such as alice, or @ops read,generate");
    rule.is_group = *who == '@';
    if (!find_id(who + rule.is_group, rule.is_group, &rule.id))
        return lt_fail(error, LT_ECONFIG, "there is no %s '%s' on this machine", rule.is_group ? "group" : "user",
                       who + rule.is_group);
    int code = lt_identity_grant(&rule.identity, roles ? roles : lt_access_name(LT_ACCESS_ADMIN),
                                 space ? space : LT_ANY_NAMESPACE, error);
    if (code == LT_OK)
        *ret_rule = rule;
    return code;
}

int lt_peers_add(struct lt_peers *peers, const char *text, struct lt_error *error)
{
    char copy[LT_PEER_RULE_BYTES_MAX + 1];
    struct lt_peer_rule rule;
    if (peers->count == LT_PEER_RULES_MAX)
        return lt_fail(error, LT_ECONFIG, "there are more than %d rules", LT_PEER_RULES_MAX);
    if (strlen(text) >= sizeof copy)
        return lt_fail(error, LT_ECONFIG, "a rule has at most %d bytes", LT_PEER_RULE_BYTES_MAX);
    strcpy(copy, text);
    int code = read_rule(copy, &rule, error);
    if (code)
        return code;
    struct lt_peer_rule *rules = lt_realloc(peers->rules, (peers->count + 1) * sizeof *rules);
    if (!rules)
        return lt_fail_code(error, LT_ENOMEM);
    rules[peers->count++] = rule;
    peers->rules = rules;
    return LT_OK;
}

void lt_peers_clear(struct lt_peers *peers)
{
    lt_free(peers->rules);
    *peers = (struct lt_peers){0};
}

/* --- peers --- */

/* The groups beside its own. */
static int read_groups(int socket, struct peer *peer)
{
    socklen_t bytes = 0;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) == 0)
        return LT_OK; /* none */
    if (errno != ERANGE || bytes > LT_PEER_GROUPS_MAX * sizeof(gid_t))
        return LT_EIO;
    peer->groups = lt_malloc(bytes);
    if (!peer->groups)
        return LT_ENOMEM;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &bytes) != 0)
        return LT_EIO;
    peer->group_count = bytes / sizeof(gid_t);
    return LT_OK;
}

static int read_peer(int socket, struct peer *ret_peer)
{
    struct peer peer = {0};
    socklen_t bytes = sizeof peer.credentials;
    int code = getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer.credentials, &bytes) == 0 ? LT_OK : LT_EIO;
    if (code == LT_OK)
        code = read_groups(socket, &peer);
    if (code)
        lt_free(peer.groups);
    else
        *ret_peer = peer;
    return code;
}

static bool is_member(const struct peer *peer, gid_t group)
{
    bool member = peer->credentials.gid == group;
    for (size_t i = 0; i < peer->group_count; i++)
        member |= peer->groups[i] == group;
    return member;
}

static bool fits(const struct lt_peer_rule *rule, const struct peer *peer)
{
    return rule->is_group ? is_member(peer, rule->id) : peer->credentials.uid == rule->id;
}

/* False: no rule fits. */
static bool find_rule(const struct lt_peers *peers, const struct peer *peer, struct lt_identity *ret_identity)
{
    if (!peers->count) {
        *ret_identity = (struct lt_identity){.known = true, .roles = LT_ROLES_ADMIN};
        return peer->credentials.uid == 0 || peer->credentials.uid == geteuid() || is_member(peer, getegid());
    }
    for (size_t i = 0; i < peers->count; i++)
        if (fits(&peers->rules[i], peer)) {
            *ret_identity = peers->rules[i].identity;
            return true;
        }
    return false;
}

int lt_peers_identify(const struct lt_peers *peers, int socket, struct lt_identity *ret_identity,
                      struct lt_error *error)
{
    struct lt_identity identity;
    struct peer peer;
    int code = read_peer(socket, &peer);
    if (code)
        return lt_fail(error, code, "the kernel does not say who is at the other end of the socket");
    if (!find_rule(peers, &peer, &identity))
        code = lt_fail(error, LT_EDENIED, "user %u, group %u is not allowed on this socket; %s", peer.credentials.uid,
                       peer.credentials.gid,
                       peers->count ? "the daemon's setting 'allow' names who is"
                                    : "the daemon's own user, root and members of the daemon's group are");
    lt_free(peer.groups);
    if (code)
        return code;
    snprintf(identity.name, sizeof identity.name, "user %u", peer.credentials.uid);
    *ret_identity = identity;
    return LT_OK;
}
