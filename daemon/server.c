/* Stopping: listeners close at once, sessions may finish their running requests, then sessions close, then the handles
 * that keep the loop alive, then the loop ends by itself and lt_server_run returns. */
#include "daemon/server.h"

#include <signal.h>
#include <unistd.h>

#include "daemon/authentication.h"
#include "daemon/background.h"
#include "daemon/clock.h"
#include "daemon/dispatch.h"
#include "daemon/http.h"
#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/remote.h"
#include "daemon/session.h"
#include "daemon/tls.h"

#define STOP_SECONDS 10.0
#define ALARM_SECONDS 60.0 /* between two lines of the log about the same */

static void wake_from_engine(void *context)
{
    struct lt_server *server = context;
    uv_async_send(&server->events);
}

static void wake_engine(void *context)
{
    struct lt_server *server = context;
    lt_engine_wake(server->engine);
}

static void on_events(uv_async_t *async)
{
    struct lt_server *server = async->data;
    lt_dispatch_events(server);
    if (server->http && server->http->daemon)
        lt_http_run(server->http);
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status < 0)
        lt_log(LT_LOG_WARNING, "a client could not connect: %s", uv_strerror(status));
    else
        lt_session_accept(listener->data, listener);
}

/* --- stopping --- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_if_done(struct lt_server *server)
{
    if (!server->stopping || server->job_count)
        return;
    for (struct lt_session *session = server->sessions, *next; session; session = next) {
        next = session->next;
        lt_session_leave(session);
        if (uv_stream_get_write_queue_size(&session->stream) == 0)
            lt_session_close(session);
    }
    if (server->sessions || (server->http && !lt_http_is_idle(server->http)))
        return;
    if (server->http && server->http->daemon)
        lt_http_close(server->http);
    if (server->fleet)
        lt_remote_close(server->fleet);
    close_handle((uv_handle_t *)&server->events);
    close_handle((uv_handle_t *)&server->second);
}

void lt_server_stop(struct lt_server *server)
{
    if (server->stopping)
        return;
    server->stopping = true;
    lt_manager_stopping();
    server->stop_deadline = lt_clock_seconds() + STOP_SECONDS;
    lt_log(LT_LOG_INFO, "stopping: %zu running requests may finish within %.0f seconds", server->job_count,
           STOP_SECONDS);
    close_handle((uv_handle_t *)&server->local);
    if (server->config->listen)
        close_handle((uv_handle_t *)&server->remote);
    if (server->http)
        lt_http_leave(server->http);
}

static void force_stop(struct lt_server *server)
{
    lt_log(LT_LOG_WARNING, "stopping now: %zu requests are cancelled", server->job_count);
    while (server->sessions)
        lt_session_close(server->sessions);
    if (server->http && server->http->daemon)
        lt_http_close(server->http);
    lt_engine_wake(server->engine);
}

void lt_server_job_done(struct lt_server *server)
{
    server->job_count--;
}

/* --- signals and time --- */

/* Takes the connections that waited for memory; libuv offers no others of their listener until then. */
static void accept_waiting(struct lt_server *server)
{
    if (!server->accept_later || server->stopping)
        return;
    server->accept_later = false;
    lt_session_accept(server, (uv_stream_t *)&server->local);
    if (server->config->listen)
        lt_session_accept(server, (uv_stream_t *)&server->remote);
}

static void on_stop_signal(uv_signal_t *handle, int number)
{
    struct lt_server *server = handle->data;
    (void)number;
    if (server->stopping)
        force_stop(server);
    else
        lt_server_stop(server);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct lt_server *server = handle->data;
    struct lt_error error;
    enum lt_log_level level;
    (void)number;
    if (lt_config_reload_log_level(server->config, &level, &error)) {
        lt_log(LT_LOG_ERROR, "SIGHUP: settings stay as they are: %s", error.message);
        return;
    }
    lt_log_set_level(level);
    if (lt_authentication_reload(server, &error))
        lt_log(LT_LOG_ERROR, "SIGHUP: tokens stay as they are: %s", error.message);
    lt_log(LT_LOG_INFO, "SIGHUP: log level and tokens are read again; other settings need a restart");
}

/* Uptime is counted here, since each change of a counter is a commit to disk and an idle daemon should have few. */
static void on_minute(struct lt_server *server)
{
    lt_count(&server->counters, LT_COUNTER_UPTIME_SECONDS, 60);
    lt_store_check_readers(server->store);
}

static void tell_failure(struct lt_server *server, int code, double now)
{
    bool lost = code == LT_ESTORE;
    if (code == server->store_alarm || (!lost && now - server->alarm_told < ALARM_SECONDS))
        return;
    server->store_alarm = code;
    server->alarm_told = now;
    lt_log(LT_LOG_ERROR, "the store %s %s (%s): prompts are answered, but new latents are not kept until %s",
           server->config->store, lost ? "was removed or is damaged" : "cannot be written", lt_error_message(code),
           lost ? "latentd is restarted" : "it can");
}

/* One line when writing begins to fail, and one when it works again. On a disk that is almost full it comes and goes,
 * so the former comes once in a while only. */
static void watch_store(struct lt_server *server, const struct lt_store_stats *store, double now)
{
    if (store->write_failures != server->store_failures) {
        tell_failure(server, store->write_error, now);
    } else if (server->store_alarm && store->commits != server->store_commits) {
        lt_log(LT_LOG_INFO, "the store %s can be written again; %llu groups of latents could not, so far",
               server->config->store, (unsigned long long)store->write_failures);
        server->store_alarm = LT_OK;
    }
    server->store_failures = store->write_failures;
    server->store_commits = store->commits;
}

static void on_second(uv_timer_t *timer)
{
    struct lt_server *server = timer->data;
    struct lt_store_stats store;
    double now = lt_clock_seconds();
    lt_manager_alive();
    if (++server->seconds % 60 == 0)
        on_minute(server);
    lt_store_stats(server->store, &store);
    watch_store(server, &store, now);
    lt_count(&server->counters, LT_COUNTER_EVICTIONS,
             store.evictions - lt_counters_value(&server->counters, LT_COUNTER_EVICTIONS));
    for (struct lt_session *session = server->sessions, *next; session; session = next) {
        next = session->next;
        lt_session_tick(session, now);
    }
    accept_waiting(server);
    lt_background_tick(server);
    if (server->http && server->http->daemon)
        lt_http_tick(server->http, now);
    if (server->stopping && now > server->stop_deadline) {
        force_stop(server);
        server->stop_deadline = now + STOP_SECONDS;
    }
}

/* Every turn of the loop: a stop has happened when the last job and session are gone, whatever ended them. */
static void on_turn(uv_check_t *check)
{
    struct lt_server *server = check->data;
    close_if_done(server);
    if (uv_is_closing((uv_handle_t *)&server->events))
        close_handle((uv_handle_t *)check);
}

/* --- start and run --- */

static int start_handles(struct lt_server *server)
{
    uv_loop_t *loop = &server->loop;
    int failed = uv_async_init(loop, &server->events, on_events);
    if (failed)
        return failed;
    uv_timer_init(loop, &server->second);
    uv_signal_init(loop, &server->terminate);
    uv_signal_init(loop, &server->interrupt);
    uv_signal_init(loop, &server->hangup);
    uv_check_init(loop, &server->turn);
    server->events.data = server->second.data = server->terminate.data = server->interrupt.data = server->hangup.data =
        server->turn.data = server->local.data = server->remote.data = server;
    uv_timer_start(&server->second, on_second, 1000, 1000);
    uv_check_start(&server->turn, on_turn);
    failed = uv_signal_start(&server->terminate, on_stop_signal, SIGTERM);
    if (!failed)
        failed = uv_signal_start(&server->interrupt, on_stop_signal, SIGINT);
    if (!failed)
        failed = uv_signal_start(&server->hangup, on_hangup, SIGHUP);
    uv_unref((uv_handle_t *)&server->terminate);
    uv_unref((uv_handle_t *)&server->interrupt);
    uv_unref((uv_handle_t *)&server->hangup);
    return failed;
}

static void close_any(uv_handle_t *handle, void *context)
{
    (void)context;
    close_handle(handle);
}

static void close_loop(struct lt_server *server)
{
    uv_walk(&server->loop, close_any, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_loop_close(&server->loop);
}

static int start_remote(struct lt_server *server, struct lt_error *error)
{
    const struct lt_config *config = server->config;
    const struct lt_remote_options options = {.seeds = config->remote,
                                              .password_file = config->remote_password_file,
                                              .deadline = config->remote_deadline,
                                              .lease = config->remote_lease,
                                              .keep = config->remote_keep,
                                              .wake = wake_engine,
                                              .context = server};
    return lt_remote_create(&server->loop, &options, &server->fleet, error);
}

static void close_access(struct lt_server *server)
{
    lt_authentication_close(server);
    lt_tls_context_destroy(server->tls);
    server->tls = NULL;
}

int lt_server_start(struct lt_server *server, struct lt_error *error)
{
    const struct lt_config *config = server->config;
    server->started = lt_clock_seconds();
    server->alarm_told = server->started - ALARM_SECONDS;
    server->started_at = time(NULL);
    signal(SIGPIPE, SIG_IGN);
    int failed = uv_loop_init(&server->loop);
    if (failed)
        return lt_fail(error, LT_EIO, "cannot make an event loop: %s", uv_strerror(failed));
    int code = LT_OK;
    failed = start_handles(server);
    if (failed)
        code = lt_fail(error, LT_EIO, "cannot start the event loop: %s", uv_strerror(failed));
    if (code == LT_OK)
        code = lt_authentication_open(server, error);
    if (code == LT_OK && config->tls_cert)
        code = lt_tls_context_create(config->tls_cert, config->tls_key, &server->tls, error);
    if (code == LT_OK)
        code = lt_listen_local(&server->loop, config->socket, on_connection, &server->local, error);
    if (code == LT_OK && config->listen)
        code = lt_listen_remote(&server->loop, config->listen, server->tokens != NULL, server->tls != NULL,
                                on_connection, &server->remote, error);
    if (code == LT_OK && config->http)
        code = lt_http_start(server, &server->http, error);
    if (code == LT_OK && config->remote)
        code = start_remote(server, error);
    if (code == LT_OK) {
        const struct lt_engine_options options = {.models = server->models,
                                                  .model_count = server->model_count,
                                                  .store = server->store,
                                                  .remote = server->fleet,
                                                  .latent_type = config->latent_type,
                                                  .verify_sample = config->verify_sample,
                                                  .counters = &server->counters,
                                                  .folder = config->store,
                                                  .state_bytes = config->state_bytes,
                                                  .threads = server->threads,
                                                  .wake_loop = wake_from_engine,
                                                  .context = server};
        code = lt_engine_create(&options, &server->engine);
        if (code)
            lt_fail_code(error, code);
    }
    if (code) {
        if (server->http)
            lt_http_close(server->http);
        if (server->fleet)
            lt_remote_close(server->fleet);
        close_loop(server);
        close_access(server);
        lt_http_destroy(server->http);
        lt_remote_destroy(server->fleet);
    }
    return code;
}

void lt_server_run(struct lt_server *server)
{
    uv_run(&server->loop, UV_RUN_DEFAULT);
    lt_engine_destroy(server->engine);
    lt_remote_destroy(server->fleet);
    lt_http_destroy(server->http);
    close_access(server);
    lt_count(&server->counters, LT_COUNTER_UPTIME_SECONDS, lt_server_seconds_uncounted(server));
    /* The store is still to be closed. Closing libuv's handles of signals, and so its loop, would give the signals back
     * their power to end the process. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}
