/* What HTTP answers from memory: the models, whether the daemon is well, and the live page. */
#include "daemon/http_route.h"
#include "daemon/page/page.h"
#include "daemon/server.h"
#include "kernels/model.h"

static void begin_models(struct lt_http_exchange *exchange, const json_t *body)
{
    const struct lt_server *server = exchange->http->server;
    json_t *data = json_array();
    (void)body;
    for (size_t i = 0; i < server->model_count; i++) {
        const struct lt_model *model = server->models[i];
        json_array_append_new(data,
                              json_pack("{sssssIsssIsI}", "id", lt_model_name(model), "object", "model", "created",
                                        (json_int_t)server->started_at, "owned_by", "latentd", "max_model_len",
                                        (json_int_t)lt_model_shape(model)->context, "embedding_dimensions",
                                        (json_int_t)(lt_model_has_encoder(model) ? lt_model_shape(model)->width : 0)));
    }
    lt_http_reply_json(exchange, MHD_HTTP_OK, json_pack("{ssso}", "object", "list", "data", data));
}

/* The process lives and its loop turns. */
static void begin_health(struct lt_http_exchange *exchange, const json_t *body)
{
    (void)body;
    lt_http_reply_json(exchange, MHD_HTTP_OK, json_pack("{ss}", "status", "ok"));
}

/* New work is taken: false from the moment a stop begins, so that a load balancer looks elsewhere. */
static void begin_ready(struct lt_http_exchange *exchange, const json_t *body)
{
    bool ready = !exchange->http->server->stopping;
    (void)body;
    lt_http_reply_json(exchange, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                       json_pack("{ss}", "status", ready ? "ready" : "stopping"));
}

static void begin_page(struct lt_http_exchange *exchange, const json_t *body)
{
    (void)body;
    lt_http_reply_static(exchange, "text/html; charset=utf-8", lt_page, lt_page_bytes);
    if (!exchange->response)
        return;
    MHD_add_response_header(exchange->response, "Content-Security-Policy", lt_page_policy);
    MHD_add_response_header(exchange->response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

const struct lt_http_handler lt_http_page = {.begin = begin_page};
const struct lt_http_handler lt_http_models = {.begin = begin_models};
const struct lt_http_handler lt_http_health = {.begin = begin_health};
const struct lt_http_handler lt_http_ready = {.begin = begin_ready};
