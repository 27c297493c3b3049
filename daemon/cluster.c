#include "daemon/cluster.h"

#include <hiredis/sds.h>
#include <string.h>

#include "daemon/clock.h"
#include "proto/alloc.h"

#define SCHEME "redis://"
#define REDIRECTIONS_MAX 5

/* --- nodes --- */

static struct lt_cluster_node *find_node(struct lt_cluster *cluster, const struct lt_cluster_address *address)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        if (cluster->nodes[i]->address.port == address->port &&
            strcmp(cluster->nodes[i]->address.host, address->host) == 0)
            return cluster->nodes[i];
    return NULL;
}

/* One that is not in use may take another address, so that addresses which come and go do not fill the list. */
static struct lt_cluster_node *unused_node(struct lt_cluster *cluster)
{
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct lt_cluster_node *node = cluster->nodes[i];
        if (!node->seed && !node->master && node->state == LT_NODE_OPEN && !node->outstanding && !node->looking_up)
            return node;
    }
    return NULL;
}

/* The node of an address, known or new; NULL if there are too many or memory is out. */
static struct lt_cluster_node *node_at(struct lt_cluster *cluster, const struct lt_cluster_address *address)
{
    struct lt_cluster_node *node = find_node(cluster, address);
    if (node)
        return node;
    node = unused_node(cluster);
    if (!node) {
        node = cluster->node_count < LT_REMOTE_NODES_MAX ? lt_malloc(sizeof *node) : NULL;
        if (!node)
            return NULL;
        cluster->nodes[cluster->node_count++] = node;
    }
    *node = (struct lt_cluster_node){.cluster = cluster, .address = *address};
    return node;
}

size_t lt_cluster_nodes(const struct lt_cluster *cluster, enum lt_node_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct lt_cluster_node *node = cluster->nodes[i];
        count += (node->master || node->seed) && node->state == state;
    }
    return count;
}

size_t lt_cluster_slots_served(const struct lt_cluster *cluster)
{
    size_t served = 0;
    for (size_t slot = 0; slot < LT_CLUSTER_SLOTS; slot++)
        served += cluster->masters[slot] && cluster->masters[slot]->state == LT_NODE_CLOSED;
    return served;
}

void lt_cluster_count_slots(struct lt_cluster *cluster)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        cluster->nodes[i]->slots = 0;
    for (size_t slot = 0; slot < LT_CLUSTER_SLOTS; slot++)
        if (cluster->masters[slot])
            cluster->masters[slot]->slots++;
}

/* --- the map --- */

void lt_cluster_node_failed(struct lt_cluster *cluster)
{
    cluster->stale = true;
}

static void refresh(struct lt_cluster *cluster);

void lt_cluster_node_answers(struct lt_cluster *cluster)
{
    if (cluster->stale)
        refresh(cluster);
}

/* [host, port, …]; an empty host is that of the node which was asked. */
static bool read_master(const redisReply *master, const struct lt_cluster_node *asked,
                        struct lt_cluster_address *ret_address)
{
    if (master->type != REDIS_REPLY_ARRAY || master->elements < 2 || master->element[1]->type != REDIS_REPLY_INTEGER ||
        master->element[1]->integer <= 0 || master->element[1]->integer > UINT16_MAX)
        return false;
    const redisReply *host = master->element[0];
    *ret_address = (struct lt_cluster_address){.port = (uint16_t)master->element[1]->integer};
    if (host->type == REDIS_REPLY_STRING && host->len > 0) {
        if ((size_t)host->len > LT_REMOTE_HOST_BYTES_MAX)
            return false;
        memcpy(ret_address->host, host->str, (size_t)host->len);
    } else {
        memcpy(ret_address->host, asked->address.host, sizeof ret_address->host);
    }
    return true;
}

/* One range: [first, last, master, replicas…]. */
static void take_range(struct lt_cluster *cluster, const redisReply *range, const struct lt_cluster_node *asked)
{
    struct lt_cluster_address address;
    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 || range->element[0]->type != REDIS_REPLY_INTEGER ||
        range->element[1]->type != REDIS_REPLY_INTEGER || !read_master(range->element[2], asked, &address))
        return;
    long long first = range->element[0]->integer, last = range->element[1]->integer;
    struct lt_cluster_node *node = node_at(cluster, &address);
    if (!node || first < 0 || last >= LT_CLUSTER_SLOTS)
        return;
    node->master = true;
    for (long long slot = first; slot <= last; slot++)
        cluster->masters[slot] = node;
}

static void on_slots(struct lt_cluster_node *asked, const redisReply *reply, void *context)
{
    struct lt_cluster *cluster = context;
    cluster->refreshing = false;
    if (!reply || reply->type != REDIS_REPLY_ARRAY)
        return; /* still stale */
    for (size_t i = 0; i < cluster->node_count; i++)
        cluster->nodes[i]->master = false;
    memset(cluster->masters, 0, sizeof cluster->masters);
    cluster->stale = false;
    for (size_t i = 0; i < reply->elements; i++)
        take_range(cluster, reply->element[i], asked);
    double now = lt_clock_seconds();
    for (size_t i = 0; i < cluster->node_count; i++)
        lt_cluster_node_tick(cluster->nodes[i], now); /* connects to masters that are new */
}

/* Asks one node after the other. */
static void refresh(struct lt_cluster *cluster)
{
    static const size_t lengths[] = {7, 5};
    const char *words[] = {"CLUSTER", "SLOTS"};
    for (size_t i = 0; i < cluster->node_count && !cluster->refreshing; i++) {
        struct lt_cluster_node *node = cluster->nodes[cluster->next_asked++ % cluster->node_count];
        cluster->refreshing = lt_cluster_node_send(node, 2, words, lengths, on_slots, cluster) == LT_OK;
    }
}

/* A slot without a master, or whose master is down: a failover may have given it another one. */
static bool is_incomplete(const struct lt_cluster *cluster)
{
    for (size_t slot = 0; slot < LT_CLUSTER_SLOTS; slot++)
        if (!cluster->masters[slot] || cluster->masters[slot]->state == LT_NODE_OPEN)
            return true;
    return false;
}

void lt_cluster_tick(struct lt_cluster *cluster)
{
    double now = lt_clock_seconds();
    for (size_t i = 0; i < cluster->node_count; i++)
        lt_cluster_node_tick(cluster->nodes[i], now);
    if (cluster->stale || is_incomplete(cluster))
        refresh(cluster);
}

/* --- requests --- */

static void on_answer(struct lt_cluster_node *node, const redisReply *reply, void *context);

static bool send_to(struct lt_cluster_node *node, struct lt_cluster_request *request, bool asking)
{
    static const size_t asking_length[] = {6};
    const char *asking_word[] = {"ASKING"};
    bool first = node->state == LT_NODE_CLOSED && node->context && sdslen(node->context->c.obuf) == 0;
    if (asking && lt_cluster_node_send(node, 1, asking_word, asking_length, NULL, NULL) != LT_OK)
        return false;
    if (lt_cluster_node_send(node, request->word_count, request->words, request->lengths, on_answer, request) != LT_OK)
        return false;
    request->node = node;
    request->cluster->stats.pipelines += first;
    return true;
}

static bool is_error(const redisReply *reply, const char *name)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, name, strlen(name)) == 0;
}

/* Sends the request on to where the reply says. False if it does not say so. */
static bool follow(struct lt_cluster_node *node, const redisReply *reply, struct lt_cluster_request *request)
{
    struct lt_cluster *cluster = request->cluster;
    struct lt_cluster_redirection redirection;
    if (is_error(reply, "TRYAGAIN"))
        return send_to(node, request, false);
    if (!lt_cluster_redirection_parse(reply->str, (size_t)reply->len, &redirection))
        return false;
    if (!*redirection.address.host)
        memcpy(redirection.address.host, node->address.host, sizeof node->address.host);
    struct lt_cluster_node *next = node_at(cluster, &redirection.address);
    if (!next)
        return false;
    if (redirection.ask) {
        cluster->stats.asked++;
    } else {
        cluster->stats.moved++;
        cluster->stale = true;
        next->master = true;
        cluster->masters[redirection.slot] = next;
    }
    return send_to(next, request, redirection.ask);
}

static void on_answer(struct lt_cluster_node *node, const redisReply *reply, void *context)
{
    struct lt_cluster_request *request = context;
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        if (request->redirections++ < REDIRECTIONS_MAX && follow(node, reply, request))
            return;
        if (is_error(reply, "CLUSTERDOWN")) {
            request->cluster->stats.down++;
            request->cluster->stale = true;
        }
    }
    request->done(request, reply);
}

void lt_cluster_send(struct lt_cluster *cluster, struct lt_cluster_request *request)
{
    struct lt_cluster_node *node = cluster->masters[request->slot];
    request->cluster = cluster;
    request->redirections = 0;
    request->node = NULL;
    if (!node || !send_to(node, request, false))
        request->done(request, NULL);
}

/* --- start and end --- */

/* Calls `take`, unless it is NULL, with each address of the list. */
static int each_seed(const char *seeds, struct lt_cluster *cluster, struct lt_error *error)
{
    if (strncmp(seeds, "rediss://", 9) == 0)
        return lt_fail(error, LT_ECONFIG, "'%s': TLS is not supported, because this hiredis has none; use redis://",
                       seeds);
    if (strncmp(seeds, SCHEME, strlen(SCHEME)) != 0)
        return lt_fail(error, LT_ECONFIG, "'%s' is not redis://HOST:PORT,HOST:PORT", seeds);
    for (const char *seed = seeds + strlen(SCHEME), *end; seed; seed = *end ? end + 1 : NULL) {
        struct lt_cluster_address address;
        end = strchrnul(seed, ',');
        if (!lt_cluster_address_parse(seed, (size_t)(end - seed), &address))
            return lt_fail(error, LT_ECONFIG, "'%.*s' is not HOST:PORT", (int)(end - seed), seed);
        struct lt_cluster_node *node = cluster ? node_at(cluster, &address) : NULL;
        if (cluster && !node)
            return lt_fail(error, LT_ECONFIG, "more than %d nodes, or no memory for them", LT_REMOTE_NODES_MAX);
        if (node)
            node->seed = true;
    }
    return LT_OK;
}

int lt_cluster_seeds_check(const char *seeds, struct lt_error *error)
{
    return each_seed(seeds, NULL, error);
}

int lt_cluster_create(uv_loop_t *loop, const char *seeds, const char *password, struct lt_cluster **ret_cluster,
                      struct lt_error *error)
{
    struct lt_cluster *cluster = lt_calloc(1, sizeof *cluster);
    if (!cluster)
        return lt_fail_code(error, LT_ENOMEM);
    cluster->loop = loop;
    cluster->password = password;
    cluster->stale = true;
    int code = each_seed(seeds, cluster, error);
    if (code)
        lt_cluster_destroy(cluster);
    else
        *ret_cluster = cluster;
    return code;
}

void lt_cluster_close(struct lt_cluster *cluster)
{
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct lt_cluster_node *node = cluster->nodes[i];
        node->state = LT_NODE_OPEN;
        if (node->looking_up)
            uv_cancel((uv_req_t *)&node->lookup);
        lt_cluster_node_close(node);
    }
}

void lt_cluster_destroy(struct lt_cluster *cluster)
{
    if (!cluster)
        return;
    for (size_t i = 0; i < cluster->node_count; i++)
        lt_free(cluster->nodes[i]);
    lt_free(cluster);
}
