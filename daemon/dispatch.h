/* What a request asks for: answered here if the answer is in memory, handed to the engine otherwise. Loop thread only.
 */
#ifndef LT_DAEMON_DISPATCH_H
#define LT_DAEMON_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "proto/messages.h"

struct lt_caller;
struct lt_server;
struct lt_session;

/* Handles one whole frame. Every request is answered exactly once, now or when its job is done. */
void lt_dispatch(struct lt_session *session, const uint8_t *frame, size_t bytes);

/* Hands a request that was admitted (lt_identity_admit) to the engine or the pool; its messages go to the caller. The
 * request is taken over also on failure, which is counted. LT_ENOMODEL, LT_ENOTFOUND (no such namespace), LT_EPARAM,
 * LT_EBUSY, LT_ESHUTDOWN, LT_ENOMEM: nothing will be delivered. */
int lt_dispatch_submit(struct lt_server *server, struct lt_caller *caller, struct lt_request *request,
                       struct lt_error *error);

/* Sends what the engine has to say to the callers, and frees jobs that are done. */
void lt_dispatch_events(struct lt_server *server);

#endif
