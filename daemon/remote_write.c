/* Write-behind: latents that were encoded here, for the rest of the fleet. */
#include <string.h>
#include <time.h>

#include "daemon/remote_state.h"
#include "proto/alloc.h"

void lt_remote_put(struct lt_remote *remote, const struct lt_latent *latent)
{
    size_t bytes = lt_record_bytes(latent);
    struct lt_remote_write *write = bytes ? lt_malloc(sizeof *write + bytes) : NULL;
    struct lt_latent dated = *latent;
    dated.created = latent->created ? latent->created : (uint32_t)time(NULL);
    if (write) {
        *write = (struct lt_remote_write){.remote = remote, .bytes = bytes};
        lt_remote_key(&latent->key, write->key);
        lt_record_write(&dated, write->record);
    }
    pthread_mutex_lock(&remote->mutex);
    bool taken = write && !remote->closed && remote->queue_count < LT_REMOTE_QUEUE_MAX;
    if (taken) {
        *remote->queue_end = write;
        remote->queue_end = &write->next;
        if (remote->queue_count++ == 0)
            uv_async_send(&remote->wake);
    } else {
        remote->dropped++;
    }
    pthread_mutex_unlock(&remote->mutex);
    if (!taken)
        lt_free(write);
}

static void on_written(struct lt_cluster_request *request, const redisReply *reply)
{
    struct lt_remote_write *write = (struct lt_remote_write *)request;
    struct lt_remote *remote = write->remote;
    bool written = reply && reply->type == REDIS_REPLY_STATUS;
    remote->stats.written += written;
    remote->stats.write_failures += !written;
    lt_free(write);
    if (remote->in_flight-- == LT_REMOTE_IN_FLIGHT_MAX || remote->in_flight == 0)
        uv_async_send(&remote->wake); /* not from here: a cluster that is gone would answer within the call */
}

static void send_write(struct lt_remote *remote, struct lt_remote_write *write)
{
    struct lt_cluster_request *request = &write->request;
    *request = (struct lt_cluster_request){
        .word_count = remote->options.keep ? 5 : 3,
        .words = {"SET", write->key, (const char *)write->record, "EX", remote->keep_seconds},
        .lengths = {3, LT_REMOTE_KEY_DIGITS, write->bytes, 2, strlen(remote->keep_seconds)},
        .slot = lt_cluster_slot(write->key, LT_REMOTE_KEY_DIGITS),
        .done = on_written};
    remote->in_flight++;
    lt_cluster_send(remote->cluster, request);
}

static struct lt_remote_write *take_write(struct lt_remote *remote)
{
    pthread_mutex_lock(&remote->mutex);
    struct lt_remote_write *write = remote->queue;
    if (write) {
        remote->queue = write->next;
        if (!remote->queue)
            remote->queue_end = &remote->queue;
        remote->queue_count--;
    }
    pthread_mutex_unlock(&remote->mutex);
    return write;
}

/* None while the tier is emptied. */
static bool may_write(struct lt_remote *remote)
{
    pthread_mutex_lock(&remote->mutex);
    bool may = !remote->flush;
    pthread_mutex_unlock(&remote->mutex);
    return may;
}

void lt_remote_write_some(struct lt_remote *remote)
{
    if (!may_write(remote))
        return;
    while (remote->in_flight < LT_REMOTE_IN_FLIGHT_MAX) {
        struct lt_remote_write *write = take_write(remote);
        if (!write)
            return;
        send_write(remote, write);
    }
}

void lt_remote_write_drop_all(struct lt_remote *remote)
{
    for (struct lt_remote_write *write; (write = take_write(remote)); lt_free(write))
        remote->dropped++;
}
