/* What one prompt asks of the remote tier. */
#include <string.h>

#include "daemon/remote_state.h"
#include "proto/alloc.h"

/* --- the engine's side --- */

int lt_remote_fetch_create(struct lt_remote *remote, size_t count, struct lt_remote_fetch **ret_fetch)
{
    struct lt_remote_fetch *fetch = lt_calloc(1, sizeof *fetch + count * sizeof *fetch->spans);
    if (!fetch)
        return LT_ENOMEM;
    fetch->remote = remote;
    fetch->count = count;
    atomic_init(&fetch->done, false);
    atomic_init(&fetch->references, 1);
    *ret_fetch = fetch;
    return LT_OK;
}

void lt_remote_fetch_release(struct lt_remote_fetch *fetch)
{
    if (!fetch || atomic_fetch_sub(&fetch->references, 1) > 1)
        return;
    for (size_t i = 0; i < fetch->count; i++)
        lt_free(fetch->spans[i].record);
    lt_free(fetch);
}

static void on_done(struct lt_cluster_request *request, const redisReply *reply);

static void add_word(struct lt_cluster_request *request, const char *word, size_t bytes)
{
    request->words[request->word_count] = word;
    request->lengths[request->word_count++] = bytes;
}

static void ask_without_lease(struct lt_remote_span *span)
{
    span->request.word_count = 0;
    add_word(&span->request, "GET", 3);
    add_word(&span->request, span->key, LT_REMOTE_KEY_DIGITS);
}

static void ask_for_lease(struct lt_remote_span *span, const struct lt_remote *remote)
{
    span->request.word_count = 0;
    add_word(&span->request, "SET", 3);
    add_word(&span->request, span->key, LT_REMOTE_KEY_DIGITS);
    add_word(&span->request, remote->lease, strlen(remote->lease));
    add_word(&span->request, "NX", 2);
    add_word(&span->request, "GET", 3);
    add_word(&span->request, "PX", 2);
    add_word(&span->request, remote->lease_milliseconds, strlen(remote->lease_milliseconds));
}

int lt_remote_fetch_set(struct lt_remote_fetch *fetch, size_t index, const struct lt_span_key *key, size_t record_bytes)
{
    struct lt_remote_span *span = &fetch->spans[index];
    span->record = lt_malloc(record_bytes);
    if (!span->record)
        return LT_ENOMEM;
    span->record_bytes = record_bytes;
    span->fetch = fetch;
    lt_remote_key(key, span->key);
    span->request.slot = lt_cluster_slot(span->key, LT_REMOTE_KEY_DIGITS);
    span->request.done = on_done;
    if (fetch->remote->options.lease)
        ask_for_lease(span, fetch->remote);
    else
        ask_without_lease(span);
    return LT_OK;
}

bool lt_remote_fetch_is_done(const struct lt_remote_fetch *fetch)
{
    return atomic_load(&fetch->done);
}

enum lt_remote_outcome lt_remote_fetch_outcome(const struct lt_remote_fetch *fetch, size_t index,
                                               const uint8_t **ret_record)
{
    *ret_record = fetch->spans[index].record;
    return fetch->spans[index].outcome;
}

/* --- the loop's side --- */

static void count(struct lt_remote_fetch *fetch)
{
    struct lt_remote_stats *stats = &fetch->remote->stats;
    for (size_t i = 0; i < fetch->count; i++) {
        enum lt_remote_outcome outcome = fetch->spans[i].outcome;
        stats->spans_found += outcome == LT_REMOTE_FOUND;
        stats->spans_absent += outcome == LT_REMOTE_ABSENT;
        stats->spans_held += outcome == LT_REMOTE_HELD;
        stats->unanswered += outcome == LT_REMOTE_UNKNOWN;
    }
}

/* Gives it back to the engine. */
static void end(struct lt_remote_fetch *fetch)
{
    struct lt_remote *remote = fetch->remote;
    count(fetch);
    lt_remote_fetch_leaves(fetch);
    atomic_store(&fetch->done, true);
    remote->options.wake(remote->options.context);
}

static void request_ended(struct lt_remote_fetch *fetch)
{
    if (--fetch->outstanding)
        return;
    if (!atomic_load(&fetch->done))
        end(fetch);
    lt_remote_fetch_release(fetch);
}

static void read_value(struct lt_remote_span *span, const char *value, size_t bytes)
{
    const struct lt_remote *remote = span->fetch->remote;
    static const size_t prefix = sizeof LT_REMOTE_LEASE_PREFIX - 1;
    if (bytes >= prefix && memcmp(value, LT_REMOTE_LEASE_PREFIX, prefix) == 0) {
        bool own = bytes == strlen(remote->lease) && memcmp(value, remote->lease, bytes) == 0;
        span->outcome = own || !remote->options.lease ? LT_REMOTE_ABSENT : LT_REMOTE_HELD;
    } else if (bytes != span->record_bytes) {
        span->outcome = LT_REMOTE_UNFIT;
    } else {
        memcpy(span->record, value, bytes);
        span->outcome = LT_REMOTE_FOUND;
    }
}

/* A node that is full, or has lost its replicas, takes no leases but can still be read. */
static bool refuses_writing(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "MOVED", 5) != 0 &&
           strncmp(reply->str, "CLUSTERDOWN", 11) != 0;
}

static void count_of_node(struct lt_cluster_node *node, enum lt_remote_outcome outcome)
{
    if (!node)
        return;
    node->found += outcome == LT_REMOTE_FOUND;
    node->absent += outcome == LT_REMOTE_ABSENT || outcome == LT_REMOTE_HELD;
    node->failures += outcome == LT_REMOTE_UNKNOWN || outcome == LT_REMOTE_UNFIT;
}

static void on_done(struct lt_cluster_request *request, const redisReply *reply)
{
    struct lt_remote_span *span = (struct lt_remote_span *)request;
    struct lt_remote_fetch *fetch = span->fetch;
    bool is_done = atomic_load(&fetch->done);
    if (!is_done && reply && refuses_writing(reply) && span->request.word_count > 2) {
        ask_without_lease(span);
        lt_cluster_send(fetch->remote->cluster, request);
        return;
    }
    span->answered = true;
    if (!is_done && reply && request->node)
        lt_cluster_node_was_in_time(request->node);
    if (!is_done && reply && reply->type == REDIS_REPLY_NIL)
        span->outcome = LT_REMOTE_ABSENT;
    else if (!is_done && reply && reply->type == REDIS_REPLY_STRING)
        read_value(span, reply->str, (size_t)reply->len);
    count_of_node(request->node, is_done ? LT_REMOTE_UNKNOWN : span->outcome);
    request_ended(fetch);
}

void lt_remote_fetch_send(struct lt_remote_fetch *fetch)
{
    struct lt_remote *remote = fetch->remote;
    remote->stats.fetches++;
    remote->stats.spans_asked += fetch->count;
    fetch->begun = true;
    fetch->outstanding = fetch->count + 1; /* one more, so that it does not end while requests are being sent */
    for (size_t i = 0; i < fetch->count; i++)
        lt_cluster_send(remote->cluster, &fetch->spans[i].request);
    request_ended(fetch);
}

static bool waits_for(const struct lt_remote_fetch *fetch, const struct lt_cluster_node *node)
{
    for (size_t i = 0; i < fetch->count; i++)
        if (!fetch->spans[i].answered && fetch->spans[i].request.node == node)
            return true;
    return false;
}

void lt_remote_fetch_expire(struct lt_remote_fetch *fetch)
{
    struct lt_cluster *cluster = fetch->remote->cluster;
    fetch->remote->stats.deadlines++;
    end(fetch);
    fetch->outstanding++; /* a node that is given up answers at once */
    for (size_t i = 0; i < cluster->node_count; i++)
        if (waits_for(fetch, cluster->nodes[i]))
            lt_cluster_node_was_late(cluster->nodes[i]);
    request_ended(fetch);
}

void lt_remote_fetch_refuse(struct lt_remote_fetch *fetch)
{
    fetch->outstanding = 1;
    request_ended(fetch);
}
