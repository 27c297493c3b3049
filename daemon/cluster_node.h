/* One node of the cluster and the connection to it, with a circuit breaker: a node that fails is left alone for a
 * while, which grows, and then tried by a probe that no request waits for (connect, AUTH, PING). Only when the probe is
 * answered, requests go there again. Loop thread. */
#ifndef LT_DAEMON_CLUSTER_NODE_H
#define LT_DAEMON_CLUSTER_NODE_H

#include <hiredis/async.h>
#include <uv.h>

#include "daemon/cluster_slots.h"

struct lt_cluster;

enum lt_node_state {
    LT_NODE_OPEN,    /* the breaker is open: nothing is sent until retry_at */
    LT_NODE_PROBING, /* half open: a probe is on its way */
    LT_NODE_CLOSED,  /* in use */
};

struct lt_cluster_node {
    struct lt_cluster *cluster;
    struct lt_cluster_address address;
    bool seed, master; /* told by the user; has slots. One that is neither is let go of */
    enum lt_node_state state;
    redisAsyncContext *context; /* NULL while there is no connection */
    uv_getaddrinfo_t lookup;
    bool looking_up;
    unsigned late;      /* batches in a row whose deadline passed */
    double retry_at;    /* lt_clock_seconds */
    double backoff;     /* seconds */
    double progress;    /* when it last answered, or began to owe an answer */
    size_t outstanding; /* answers that it owes */
    unsigned slots;     /* that it has; lt_cluster_count_slots */
    /* Since the start, of spans that were asked for: it had them, it did not, or gave no answer that says so in time.
     */
    uint64_t found, absent, failures;
};

/* Called once with the reply, which is valid during the call, or NULL if there will be none. */
typedef void (*lt_node_answer)(struct lt_cluster_node *node, const redisReply *reply, void *context);

/* Sends a command; all that are sent within one turn of the loop leave together. LT_ECONNECT if the breaker is not
 * closed, LT_ENOMEM: `answer` is not called. */
int lt_cluster_node_send(struct lt_cluster_node *node, int count, const char **words, const size_t *lengths,
                         lt_node_answer answer, void *context);

/* A request was answered before its deadline: the node is as good as any. Answering a probe is not enough for that. */
void lt_cluster_node_was_in_time(struct lt_cluster_node *node);

/* A batch waited for this node in vain. Too many in a row open the breaker. */
void lt_cluster_node_was_late(struct lt_cluster_node *node);

/* Several times a second: begins probes, and gives up on a node that owes answers for too long. */
void lt_cluster_node_tick(struct lt_cluster_node *node, double now);

/* Closes the connection; what is outstanding is answered with NULL. */
void lt_cluster_node_close(struct lt_cluster_node *node);

#endif
