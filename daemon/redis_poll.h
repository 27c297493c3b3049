/* Lets libuv drive a connection of hiredis. hiredis' own adapter (hiredis/adapters/libuv.h) does nothing when libuv
 * reports an error on the descriptor, so that a refused or reset connection would look alive for ever; here hiredis is
 * told to read or write, meets the error itself and says so through its callbacks. A reply that goes beyond
 * LT_REMOTE_REPLY_BYTES_MAX ends its connection. Loop thread. */
#ifndef LT_DAEMON_REDIS_POLL_H
#define LT_DAEMON_REDIS_POLL_H

#include <hiredis/async.h>
#include <uv.h>

/* Attaches a context that was just connected; from then on hiredis frees what belongs to it with the context.
 * LT_ENOMEM, LT_EIO: the context is untouched. */
int lt_redis_poll_attach(redisAsyncContext *context, uv_loop_t *loop);

#endif
