/* A client of a Redis Cluster: which node has which slot, and requests that follow their key through redirections, by
 * the Redis Cluster specification. The map comes from CLUSTER SLOTS, is mended by every MOVED, and asked for again
 * while anything is wrong with it. Loop thread. */
#ifndef LT_DAEMON_CLUSTER_H
#define LT_DAEMON_CLUSTER_H

#include "daemon/cluster_node.h"
#include "proto/error.h"

#define LT_CLUSTER_WORDS_MAX 7

struct lt_cluster_stats { /* since the start */
    uint64_t pipelines;   /* of requests: written to a node in one go, and answered in one round trip */
    uint64_t moved, asked, down;
    uint64_t breaker_openings;
};

struct lt_cluster {
    uv_loop_t *loop;
    const char *password;                               /* or NULL */
    struct lt_cluster_node *nodes[LT_REMOTE_NODES_MAX]; /* [node_count], each for the cluster's lifetime */
    size_t node_count, next_asked;
    struct lt_cluster_node *masters[LT_CLUSTER_SLOTS]; /* NULL: nobody is known to have it */
    bool stale;                                        /* the map */
    bool refreshing;
    struct lt_cluster_stats stats;
};

/* A command about one key. The words must stay until `done`, which is called exactly once, with the reply or, if there
 * is none, NULL; it may be called before lt_cluster_send returns. */
struct lt_cluster_request {
    int word_count;
    const char *words[LT_CLUSTER_WORDS_MAX];
    size_t lengths[LT_CLUSTER_WORDS_MAX];
    uint16_t slot;
    uint8_t redirections;
    struct lt_cluster_node *node; /* that owes the answer, or gave it; NULL: none */
    struct lt_cluster *cluster;
    void (*done)(struct lt_cluster_request *request, const redisReply *reply);
};

/* Seeds: redis://HOST:PORT[,HOST:PORT…]. LT_ECONFIG with the reason. */
int lt_cluster_seeds_check(const char *seeds, struct lt_error *error);

/* `password` may be NULL, and must stay. LT_ECONFIG, LT_ENOMEM. */
int lt_cluster_create(uv_loop_t *loop, const char *seeds, const char *password, struct lt_cluster **ret_cluster,
                      struct lt_error *error);
/* Ends all connections: every request is done afterwards. */
void lt_cluster_close(struct lt_cluster *cluster);
/* After the loop has ended. NULL is allowed. */
void lt_cluster_destroy(struct lt_cluster *cluster);

/* Sends a request to the master of its slot. */
void lt_cluster_send(struct lt_cluster *cluster, struct lt_cluster_request *request);

/* Ten times a second. */
void lt_cluster_tick(struct lt_cluster *cluster);

/* What is known now. */
void lt_cluster_count_slots(struct lt_cluster *cluster); /* of each node */
size_t lt_cluster_slots_served(const struct lt_cluster *cluster);
size_t lt_cluster_nodes(const struct lt_cluster *cluster, enum lt_node_state state);

/* From a node: it failed; it answers. */
void lt_cluster_node_failed(struct lt_cluster *cluster);
void lt_cluster_node_answers(struct lt_cluster *cluster);

#endif
