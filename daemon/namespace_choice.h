/* In which namespace a request lives: the one place that decides. A request of an identity that is bound to one has
 * been put there by lt_identity_admit. Any thread. */
#ifndef LT_DAEMON_NAMESPACE_CHOICE_H
#define LT_DAEMON_NAMESPACE_CHOICE_H

#include "proto/messages.h"
#include "storage/namespaces.h"

/* The namespace that the request names, or `public`; its ttl_seconds is the request's own if it has one. LT_ENOTFOUND;
 * `error` is filled. */
int lt_choose_namespace(struct lt_store *store, const struct lt_request *request, struct lt_namespace *ret_space,
                        struct lt_error *error);

#endif
