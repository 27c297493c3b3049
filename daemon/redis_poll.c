#include "daemon/redis_poll.h"

#include "proto/alloc.h"
#include "proto/error.h"
#include "proto/limits.h"

struct poll {
    uv_poll_t handle;
    redisAsyncContext *context; /* NULL once hiredis let go of it */
    int events;
};

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct poll *poll = handle->data;
    if (status < 0) /* libuv has stopped watching; hiredis finds out why */
        events = poll->events;
    if (poll->context && (events & UV_READABLE))
        redisAsyncHandleRead(poll->context);
    if (poll->context && poll->context->c.reader->len - poll->context->c.reader->pos > LT_REMOTE_REPLY_BYTES_MAX)
        redisAsyncFree(poll->context); /* its disconnect callback is called */
    if (poll->context && (events & UV_WRITABLE))
        redisAsyncHandleWrite(poll->context);
}

static void watch(struct poll *poll, int events)
{
    poll->events = events;
    if (events)
        uv_poll_start(&poll->handle, events, on_poll);
    else
        uv_poll_stop(&poll->handle);
}

static void add_read(void *data)
{
    struct poll *poll = data;
    watch(poll, poll->events | UV_READABLE);
}

static void remove_read(void *data)
{
    struct poll *poll = data;
    watch(poll, poll->events & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct poll *poll = data;
    watch(poll, poll->events | UV_WRITABLE);
}

static void remove_write(void *data)
{
    struct poll *poll = data;
    watch(poll, poll->events & ~UV_WRITABLE);
}

static void free_poll(uv_handle_t *handle)
{
    lt_free(handle->data);
}

static void let_go(void *data)
{
    struct poll *poll = data;
    poll->context = NULL;
    uv_close((uv_handle_t *)&poll->handle, free_poll);
}

int lt_redis_poll_attach(redisAsyncContext *context, uv_loop_t *loop)
{
    struct poll *poll = lt_calloc(1, sizeof *poll);
    if (!poll)
        return LT_ENOMEM;
    if (uv_poll_init(loop, &poll->handle, context->c.fd) != 0) {
        lt_free(poll);
        return LT_EIO;
    }
    poll->handle.data = poll;
    poll->context = context;
    context->ev.addRead = add_read;
    context->ev.delRead = remove_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = remove_write;
    context->ev.cleanup = let_go;
    context->ev.data = poll;
    return LT_OK;
}
