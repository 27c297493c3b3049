/* Emptying the remote tier: what `flush` says is gone is gone there, too, whoever of the fleet has written it. Every
 * master is walked over with SCAN, and each key that may be a span's is removed with UNLINK; keys of other programs
 * stay. Latents that wait to be written are dropped, and writing rests meanwhile. It has emptied the tier only if every
 * slot was walked over: a node that does not answer, or slots that move, make it fail, and it says so. */
#include <stdio.h>
#include <string.h>

#include "daemon/remote_state.h"
#include "proto/alloc.h"

#define PAGE "1000" /* keys that SCAN looks at before it answers, about */

struct lt_remote_flush {
    struct lt_remote *remote;
    atomic_uint_fast64_t *removed; /* the caller's */
    bool begun, ended;             /* `ended` under the mutex */
    pthread_cond_t end;
    /* Loop. */
    struct lt_cluster_node *masters[LT_CLUSTER_SLOTS]; /* as they were at the beginning */
    uint64_t redirections;                             /* that there had been */
    size_t walks;                                      /* masters that are not walked over yet */
    struct lt_error error;                             /* the first; code LT_OK: none */
    int code;
};

/* One master. */
struct walk {
    struct lt_remote_flush *flush;
    struct lt_cluster_node *node;
    char cursor[24];
    size_t outstanding; /* removals of the page, and one more while they are sent */
};

struct removal {
    struct lt_cluster_request request; /* first */
    struct walk *walk;
    char key[LT_REMOTE_KEY_DIGITS];
};

static void fail(struct lt_remote_flush *flush, int code, const char *reason)
{
    if (flush->code)
        return;
    flush->code = lt_fail(&flush->error, code,
                          "the remote tier was not emptied: %s; what is left in it may come back. Flush again when "
                          "latentctl remote shows that all is well",
                          reason);
}

static void fail_node(struct lt_remote_flush *flush, const struct lt_cluster_node *node, const char *what)
{
    char reason[LT_REMOTE_HOST_BYTES_MAX + 160];
    snprintf(reason, sizeof reason, "%s:%u %.100s", node->address.host, node->address.port, what);
    fail(flush, LT_EIO, reason);
}

static uint64_t redirections(const struct lt_cluster *cluster)
{
    return cluster->stats.moved + cluster->stats.asked;
}

static void end(struct lt_remote_flush *flush)
{
    struct lt_remote *remote = flush->remote;
    if (memcmp(flush->masters, remote->cluster->masters, sizeof flush->masters) != 0 ||
        flush->redirections != redirections(remote->cluster))
        fail(flush, LT_EIO, "slots moved from one node to another meanwhile");
    pthread_mutex_lock(&remote->mutex);
    remote->flush = NULL;
    flush->ended = true;
    pthread_cond_signal(&flush->end);
    pthread_mutex_unlock(&remote->mutex);
    if (!remote->closed)
        uv_async_send(&remote->wake); /* writing goes on */
}

/* --- one master --- */

static void scan(struct walk *walk);

static void end_walk(struct walk *walk)
{
    struct lt_remote_flush *flush = walk->flush;
    lt_free(walk);
    if (--flush->walks == 0)
        end(flush);
}

static void page_ended(struct walk *walk)
{
    if (--walk->outstanding)
        return;
    if (walk->flush->code || strcmp(walk->cursor, "0") == 0)
        end_walk(walk);
    else
        scan(walk);
}

static void on_removed(struct lt_cluster_request *request, const redisReply *reply)
{
    struct removal *removal = (struct removal *)request;
    struct walk *walk = removal->walk;
    if (reply && reply->type == REDIS_REPLY_INTEGER)
        atomic_fetch_add(walk->flush->removed, (uint64_t)reply->integer);
    else
        fail_node(walk->flush, walk->node, reply && reply->str ? reply->str : "does not answer");
    lt_free(removal);
    page_ended(walk);
}

/* Whether it has the form of a span key. */
static bool is_key(const redisReply *name)
{
    if (name->type != REDIS_REPLY_STRING || name->len != LT_REMOTE_KEY_DIGITS)
        return false;
    return strspn(name->str, "0123456789abcdef") == LT_REMOTE_KEY_DIGITS;
}

static void remove_key(struct walk *walk, const redisReply *name)
{
    struct removal *removal = lt_malloc(sizeof *removal);
    if (!removal) {
        fail(walk->flush, LT_ENOMEM, "memory is out");
        return;
    }
    *removal = (struct removal){.walk = walk};
    memcpy(removal->key, name->str, sizeof removal->key);
    removal->request = (struct lt_cluster_request){.word_count = 2,
                                                   .words = {"UNLINK", removal->key},
                                                   .lengths = {6, sizeof removal->key},
                                                   .slot = lt_cluster_slot(removal->key, sizeof removal->key),
                                                   .done = on_removed};
    walk->outstanding++;
    lt_cluster_send(walk->flush->remote->cluster, &removal->request);
}

static void on_page(struct lt_cluster_node *node, const redisReply *reply, void *context)
{
    struct walk *walk = context;
    bool good = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len > 0 &&
                (size_t)reply->element[0]->len < sizeof walk->cursor && reply->element[1]->type == REDIS_REPLY_ARRAY;
    walk->outstanding = 1;
    if (good)
        memcpy(walk->cursor, reply->element[0]->str, (size_t)reply->element[0]->len + 1);
    else
        fail_node(walk->flush, node, reply && reply->str ? reply->str : "does not answer");
    for (size_t i = 0; good && i < reply->element[1]->elements; i++)
        if (is_key(reply->element[1]->element[i]))
            remove_key(walk, reply->element[1]->element[i]);
    page_ended(walk);
}

static void scan(struct walk *walk)
{
    const char *words[] = {"SCAN", walk->cursor, "COUNT", PAGE};
    const size_t lengths[] = {4, strlen(walk->cursor), 5, sizeof PAGE - 1};
    if (lt_cluster_node_send(walk->node, 4, words, lengths, on_page, walk) == LT_OK)
        return;
    fail_node(walk->flush, walk->node, "does not answer");
    end_walk(walk);
}

/* --- all of them --- */

static void begin_walk(struct lt_remote_flush *flush, struct lt_cluster_node *node)
{
    struct walk *walk = lt_malloc(sizeof *walk);
    if (!walk) {
        fail(flush, LT_ENOMEM, "memory is out");
        return;
    }
    *walk = (struct walk){.flush = flush, .node = node, .cursor = "0"};
    flush->walks++;
    scan(walk);
}

void lt_remote_flush_begin(struct lt_remote_flush *flush)
{
    struct lt_cluster *cluster = flush->remote->cluster;
    flush->begun = true;
    flush->redirections = redirections(cluster);
    memcpy(flush->masters, cluster->masters, sizeof flush->masters);
    flush->walks = 1; /* one more, so that it does not end while walks begin */
    if (flush->remote->closed)
        fail(flush, LT_ESHUTDOWN, "the daemon is stopping");
    else if (lt_cluster_slots_served(cluster) < LT_CLUSTER_SLOTS)
        fail(flush, LT_EIO, "not all of its slots have a node that answers");
    for (size_t i = 0; i < cluster->node_count && !flush->code; i++)
        if (cluster->nodes[i]->master)
            begin_walk(flush, cluster->nodes[i]);
    if (--flush->walks == 0)
        end(flush);
}

bool lt_remote_flush_waits(const struct lt_remote_flush *flush)
{
    return !flush->begun;
}

int lt_remote_flush(struct lt_remote *remote, atomic_uint_fast64_t *removed, struct lt_error *error)
{
    struct lt_remote_flush *flush = lt_calloc(1, sizeof *flush);
    if (!flush)
        return lt_fail_code(error, LT_ENOMEM);
    flush->remote = remote;
    flush->removed = removed;
    pthread_cond_init(&flush->end, NULL);
    pthread_mutex_lock(&remote->mutex);
    int code = remote->closed ? lt_fail_code(error, LT_ESHUTDOWN)
               : remote->flush
                   ? lt_fail(error, LT_EBUSY, "another request is flushing the remote tier; try again later")
                   : LT_OK;
    if (code == LT_OK) {
        remote->flush = flush;
        uv_async_send(&remote->wake);
        while (!flush->ended)
            pthread_cond_wait(&flush->end, &remote->mutex);
        code = flush->code;
        *error = flush->error;
    }
    pthread_mutex_unlock(&remote->mutex);
    pthread_cond_destroy(&flush->end);
    lt_free(flush);
    return code;
}
