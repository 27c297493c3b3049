#include "daemon/cluster_node.h"

#include <stdio.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/cluster.h"
#include "daemon/log.h"
#include "daemon/redis_poll.h"
#include "proto/alloc.h"
#include "proto/error.h"

#define LATE_MAX 3         /* batches in a row */
#define ANSWER_SECONDS 1.0 /* that a node may owe an answer, a probe's included */
#define BACKOFF_FIRST 0.1  /* seconds */
#define BACKOFF_GREATEST 5.0

/* What hiredis keeps for a command that is on its way. */
struct sent {
    lt_node_answer answer;
    void *context;
};

/* --- the breaker --- */

static void open_breaker(struct lt_cluster_node *node, const char *reason)
{
    if (node->state == LT_NODE_OPEN)
        return;
    if (node->state == LT_NODE_CLOSED) {
        lt_log(LT_LOG_WARNING, "remote node %s:%u: %s; its spans are encoded here until it answers again",
               node->address.host, node->address.port, reason);
        node->cluster->stats.breaker_openings++;
    }
    node->state = LT_NODE_OPEN;
    node->backoff = node->backoff == 0 ? BACKOFF_FIRST : 2 * node->backoff;
    node->backoff = node->backoff > BACKOFF_GREATEST ? BACKOFF_GREATEST : node->backoff;
    node->retry_at = lt_clock_seconds() + node->backoff;
    lt_cluster_node_close(node);
    lt_cluster_node_failed(node->cluster);
}

static void close_breaker(struct lt_cluster_node *node)
{
    node->state = LT_NODE_CLOSED;
    node->late = 0;
    lt_log(LT_LOG_INFO, "remote node %s:%u answers", node->address.host, node->address.port);
    lt_cluster_node_answers(node->cluster);
}

void lt_cluster_node_was_late(struct lt_cluster_node *node)
{
    if (node->state == LT_NODE_CLOSED && ++node->late == LATE_MAX)
        open_breaker(node, "it misses its deadlines");
}

void lt_cluster_node_was_in_time(struct lt_cluster_node *node)
{
    node->late = 0;
    node->backoff = 0;
}

void lt_cluster_node_close(struct lt_cluster_node *node)
{
    redisAsyncContext *context = node->context;
    node->context = NULL; /* first: what is answered now must not send anything there */
    if (context)
        redisAsyncFree(context);
}

/* --- commands --- */

static void on_reply(redisAsyncContext *context, void *reply, void *data)
{
    struct lt_cluster_node *node = context->data;
    struct sent sent = *(struct sent *)data;
    lt_free(data);
    node->outstanding--;
    if (reply)
        node->progress = lt_clock_seconds();
    if (sent.answer)
        sent.answer(node, reply, sent.context);
}

static int send_any(struct lt_cluster_node *node, int count, const char **words, const size_t *lengths,
                    lt_node_answer answer, void *context)
{
    struct sent *sent = lt_malloc(sizeof *sent);
    if (!sent)
        return LT_ENOMEM;
    *sent = (struct sent){answer, context};
    if (redisAsyncCommandArgv(node->context, on_reply, sent, count, words, lengths) != REDIS_OK) {
        lt_free(sent);
        return LT_ECONNECT;
    }
    if (node->outstanding++ == 0)
        node->progress = lt_clock_seconds();
    return LT_OK;
}

int lt_cluster_node_send(struct lt_cluster_node *node, int count, const char **words, const size_t *lengths,
                         lt_node_answer answer, void *context)
{
    if (node->state != LT_NODE_CLOSED || !node->context)
        return LT_ECONNECT;
    return send_any(node, count, words, lengths, answer, context);
}

/* --- the probe --- */

static void on_pong(struct lt_cluster_node *node, const redisReply *reply, void *context)
{
    (void)context;
    if (node->state != LT_NODE_PROBING || !reply)
        return; /* the connection's own callbacks say what happened */
    if (reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "PONG") == 0) {
        close_breaker(node);
        return;
    }
    /* Loading its data, say, or the password is wrong: worth a line, since it will not pass by itself. */
    lt_log(LT_LOG_WARNING, "remote node %s:%u refuses: %s", node->address.host, node->address.port,
           reply->str ? reply->str : "no answer to PING");
    open_breaker(node, "it refuses");
}

static void on_connect(const redisAsyncContext *context, int status)
{
    struct lt_cluster_node *node = context->data;
    if (node->context != context || status == REDIS_OK)
        return;
    node->context = NULL; /* hiredis frees it */
    open_breaker(node, "cannot connect");
}

static void on_disconnect(const redisAsyncContext *context, int status)
{
    struct lt_cluster_node *node = context->data;
    (void)status;
    if (node->context != context)
        return;
    node->context = NULL; /* hiredis frees it */
    open_breaker(node, "the connection was lost");
}

static int send_probe(struct lt_cluster_node *node)
{
    const char *password = node->cluster->password;
    const char *auth[] = {"AUTH", password}, *ping[] = {"PING"};
    const size_t auth_lengths[] = {4, password ? strlen(password) : 0}, ping_lengths[] = {4};
    int code = password ? send_any(node, 2, auth, auth_lengths, NULL, NULL) : LT_OK;
    return code ? code : send_any(node, 1, ping, ping_lengths, on_pong, NULL);
}

static int connect_to(struct lt_cluster_node *node, const char *address)
{
    redisAsyncContext *context = redisAsyncConnect(address, node->address.port);
    if (!context)
        return LT_ENOMEM;
    context->data = node;
    if (context->err || lt_redis_poll_attach(context, node->cluster->loop) != LT_OK) {
        redisAsyncFree(context);
        return LT_ECONNECT;
    }
    node->context = context;
    redisAsyncSetConnectCallback(context, on_connect);
    redisAsyncSetDisconnectCallback(context, on_disconnect);
    return send_probe(node);
}

/* Names are resolved at each attempt: behind a name of a Kubernetes service the address changes. */
static void on_address(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct lt_cluster_node *node = lookup->data;
    char address[INET6_ADDRSTRLEN] = "";
    node->looking_up = false;
    if (status == 0 && found->ai_family == AF_INET)
        uv_ip4_name((const struct sockaddr_in *)found->ai_addr, address, sizeof address);
    else if (status == 0 && found->ai_family == AF_INET6)
        uv_ip6_name((const struct sockaddr_in6 *)found->ai_addr, address, sizeof address);
    uv_freeaddrinfo(found);
    if (node->state == LT_NODE_PROBING && (!*address || connect_to(node, address) != LT_OK))
        open_breaker(node, "cannot connect");
}

static void begin_probe(struct lt_cluster_node *node, double now)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    node->state = LT_NODE_PROBING;
    node->progress = now;
    node->lookup.data = node;
    node->looking_up =
        uv_getaddrinfo(node->cluster->loop, &node->lookup, on_address, node->address.host, NULL, &wanted) == 0;
    if (!node->looking_up)
        open_breaker(node, "cannot look up its address");
}

void lt_cluster_node_tick(struct lt_cluster_node *node, double now)
{
    bool wanted = node->seed || node->master;
    if (node->state == LT_NODE_OPEN) {
        if (wanted && !node->looking_up && now >= node->retry_at)
            begin_probe(node, now);
        return;
    }
    if (!wanted && node->outstanding == 0) {
        node->state = LT_NODE_OPEN; /* not a failure: it has no slots any more */
        lt_cluster_node_close(node);
        return;
    }
    bool owes = node->state == LT_NODE_PROBING || node->outstanding;
    if (owes && now - node->progress > ANSWER_SECONDS)
        open_breaker(node, "it does not answer");
}
