/* The loop thread's world: listeners, sessions, signals, timers, and the engine and store behind them. It never
 * computes and never waits for a disk. Everything here is touched by the loop thread only. */
#ifndef LT_DAEMON_SERVER_H
#define LT_DAEMON_SERVER_H

#include <stdbool.h>
#include <time.h>
#include <uv.h>

#include "daemon/config.h"
#include "daemon/counters.h"
#include "daemon/engine.h"
#include "kernels/model.h"
#include "storage/store.h"

struct lt_http;
struct lt_remote;
struct lt_session;
struct lt_tls_context;
struct lt_tokens;
struct lt_background;

struct lt_server {
    const struct lt_config *config;
    struct lt_model *models[LT_MODELS_MAX];
    size_t model_count;
    struct lt_store *store;
    struct lt_counters counters;
    struct lt_engine *engine;
    struct lt_tls_context *tls; /* of TCP; NULL: plain */
    struct lt_tokens *tokens;   /* who may come over TCP and HTTP; NULL: no token is asked for */
    uint32_t threads;           /* for matrix products */
    double started;             /* lt_clock_seconds */
    time_t started_at;

    uv_loop_t loop;
    uv_pipe_t local;         /* Unix socket */
    uv_tcp_t remote;         /* TCP, if config->listen */
    struct lt_remote *fleet; /* the remote tier, if config->remote, else NULL */
    struct lt_http *http;    /* if config->http, else NULL */
    uv_async_t events;       /* the engine has something to say */
    uv_timer_t second;       /* once a second */
    uv_check_t turn;         /* after every turn: is a stop complete? */
    uv_signal_t terminate, interrupt, hangup;
    struct lt_session *sessions;
    size_t session_count;
    size_t preauth_count; /* of those, from whom a token has to come first */
    bool accept_later;    /* a connection waits that could not be taken for want of memory: libuv offers it only once */
    size_t job_count;     /* jobs that are not done */
    size_t pool_count;    /* those of them that the pool has */
    struct lt_background *backgrounds; /* of the pool's, those that it knows by name */
    size_t transfer_count;             /* packs on their way */
    size_t upload_bytes;               /* of documents on their way in, here and in the engine */
    bool stopping;
    double stop_deadline;                   /* after it, jobs are cancelled and sessions closed */
    uint64_t seconds;                       /* timer ticks */
    uint64_t store_failures, store_commits; /* of the store, as of the second before */
    int store_alarm;                        /* what the log was told last of the store's writing: LT_OK or an error */
    double alarm_told;                      /* when an error was */
};

/* Of the time since the start, what the lifetime counter does not have yet: it is told once a minute. */
static inline uint64_t lt_server_seconds_uncounted(const struct lt_server *server)
{
    return server->seconds % 60;
}

/* Opens sockets and starts the engine. Models, store, config, threads and counters are set by the caller. LT_EADDRESS,
 * LT_ECONFIG, LT_EIO, LT_ENOMEM with the reason. On failure nothing is left open. */
int lt_server_start(struct lt_server *server, struct lt_error *error);

/* Runs until stopped; then everything that lt_server_start made is closed, but for the loop, which needs the server
 * until the process ends, as signals are ignored from then on. */
void lt_server_run(struct lt_server *server);

/* Begins a graceful stop: no new work; what runs may finish until a deadline. */
void lt_server_stop(struct lt_server *server);

/* A job's last event came. */
void lt_server_job_done(struct lt_server *server);

#endif
