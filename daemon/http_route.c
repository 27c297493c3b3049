#include "daemon/http_route.h"

#include <string.h>
#include <strings.h>

#include "daemon/authentication.h"
#include "daemon/http_access.h"
#include "daemon/http_error.h"
#include "daemon/server.h"
#include "proto/json.h"

static const struct route {
    const char *method, *path;
    const struct lt_http_handler *handler;
    enum lt_method needs; /* what a client must be allowed to use, as over the socket */
    bool open;            /* to clients without a token */
} routes[] = {
    {"POST", "/v1/completions", &lt_http_completions, LT_METHOD_GENERATE, false},
    {"POST", "/v1/chat/completions", &lt_http_chat, LT_METHOD_GENERATE, false},
    {"POST", "/v1/embeddings", &lt_http_embeddings, LT_METHOD_ENCODE, false},
    {"GET", "/v1/models", &lt_http_models, LT_METHOD_MODELS, false},
    {"GET", "/healthz", &lt_http_health, LT_METHOD_PING, true},
    {"GET", "/readyz", &lt_http_ready, LT_METHOD_PING, true},
    {"GET", "/", &lt_http_page, LT_METHOD_PING, true},
    {"GET", "/latentd/requests", &lt_http_requests, LT_METHOD_SCAN, false}, /* texts of all, as those have */
    {"GET", "/metrics", &lt_http_metrics, LT_METHOD_STATS, false},
};

static const struct route *find(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    return NULL;
}

static const char *header(struct lt_http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static bool is_method(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 || (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Whether the client may ask for this; otherwise the reply says why not. */
static bool check_access(struct lt_http_exchange *exchange, const struct route *route)
{
    const struct lt_identity *identity = &exchange->caller.identity;
    struct lt_error error;
    if (!lt_authentication_needs_token(exchange->http->server) &&
        !lt_http_host_is_local(header(exchange, MHD_HTTP_HEADER_HOST))) {
        lt_http_reply_refusal(exchange, MHD_HTTP_FORBIDDEN, "forbidden_host",
                              "without a token file only requests to localhost, 127.0.0.1 or [::1] are answered");
        return false;
    }
    if (route && route->open)
        return true;
    if (!identity->known) {
        lt_http_reply_refusal(exchange, MHD_HTTP_UNAUTHORIZED, "invalid_api_key",
                              "a token of the daemon's token file is needed: Authorization: Bearer TOKEN");
        return false;
    }
    if (route && lt_identity_check(identity, route->needs, &error)) {
        lt_http_reply_error(exchange, &error, NULL);
        return false;
    }
    return true;
}

/* A form on a web page elsewhere can send anything but this type without asking first. */
static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    return type && strncasecmp(type, json, sizeof json - 1) == 0 && strchr("; \t", type[sizeof json - 1]);
}

static void begin_with_body(struct lt_http_exchange *exchange)
{
    struct lt_error error;
    json_t *body;
    if (!is_json(header(exchange, MHD_HTTP_HEADER_CONTENT_TYPE))) {
        lt_http_reply_refusal(exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
                              "the body must be JSON and say so: Content-Type: application/json");
        return;
    }
    int code = exchange->refusal;
    if (code == LT_ETOOLARGE)
        lt_fail(&error, code, "the body is larger than %u bytes", LT_HTTP_BODY_BYTES_MAX);
    else if (code)
        lt_fail_code(&error, code);
    else
        code = lt_json_parse((const char *)exchange->body.data, exchange->body.size, &body, &error);
    if (code == LT_OK && !json_is_object(body)) {
        json_decref(body);
        code = lt_fail(&error, LT_EPARAM, "the body must be a JSON object");
    }
    if (code) {
        lt_count(&exchange->http->server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
        lt_http_reply_error(exchange, &error, NULL);
        return;
    }
    exchange->handler->begin(exchange, body);
    json_decref(body);
}

void lt_http_route(struct lt_http_exchange *exchange, const char *method, const char *path)
{
    const struct route *route = find(path);
    exchange->path = route ? route->path : "other";
    if (!check_access(exchange, route))
        return;
    if (!route) {
        struct lt_error error;
        lt_fail(&error, LT_ENOTFOUND, "there is nothing at %.100s", path);
        lt_http_reply_error(exchange, &error, NULL);
        return;
    }
    if (!is_method(route, method)) {
        lt_http_reply_refusal(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
                              strcmp(route->method, "GET") == 0 ? "this path takes GET" : "this path takes POST");
        return;
    }
    exchange->handler = route->handler;
    if (strcmp(route->method, "POST") == 0) {
        lt_count(&exchange->http->server->counters, LT_COUNTER_REQUESTS, 1);
        begin_with_body(exchange);
    } else {
        route->handler->begin(exchange, NULL);
    }
}
