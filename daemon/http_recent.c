#include "daemon/http_recent.h"

#include <msgpack/unpack.h>
#include <stdlib.h>

#include "daemon/http_route.h"
#include "daemon/job.h"
#include "daemon/server.h"
#include "proto/json.h"

void lt_http_recent_init(struct lt_http_recent *recent)
{
    for (size_t i = 0; i < LT_HTTP_RECENT_MAX; i++)
        lt_buffer_init(&recent->entries[i].message, LT_HTTP_RECENT_BYTES_MAX);
    recent->count = 0;
}

void lt_http_recent_finish(struct lt_http_recent *recent)
{
    for (size_t i = 0; i < LT_HTTP_RECENT_MAX; i++)
        lt_buffer_finish(&recent->entries[i].message);
}

static bool has_receipt(const struct lt_request *request)
{
    return request->method == LT_METHOD_GENERATE ||
           (request->method == LT_METHOD_ENCODE && request->encode.latents == LT_LATENTS_NONE);
}

void lt_http_recent_keep(struct lt_http_recent *recent, const struct lt_job *job, const struct lt_buffer *message)
{
    size_t at = recent->count % LT_HTTP_RECENT_MAX;
    struct lt_buffer copy;
    lt_buffer_init(&copy, LT_HTTP_RECENT_BYTES_MAX);
    if (!has_receipt(job->request) || lt_buffer_append(&copy, message->data, message->size) != LT_OK)
        return;
    lt_buffer_finish(&recent->entries[at].message);
    recent->entries[at].message = copy;
    recent->entries[at].number = ++recent->count;
    recent->entries[at].at = time(NULL);
    recent->entries[at].method = job->request->method;
    recent->entries[at].namespace_id = job->space.id;
}

/* Appends {"number", "at", "method", "result"}. */
static int append(json_t *requests, uint64_t number, time_t at, enum lt_method method, const struct lt_buffer *message)
{
    msgpack_unpacked unpacked;
    int failed = 0;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, (const char *)message->data, message->size, NULL) != MSGPACK_UNPACK_SUCCESS)
        failed = -1;
    else
        failed = json_array_append_new(requests, json_pack("{sIsIssso}", "number", (json_int_t)number, "at",
                                                           (json_int_t)at, "method", lt_method_name(method), "result",
                                                           lt_json_of(&unpacked.data.via.array.ptr[3])));
    msgpack_unpacked_destroy(&unpacked);
    return failed;
}

/* GET /latentd/requests?after=NUMBER: those kept since, oldest first; to who is bound to a namespace, those in it. */
static void begin(struct lt_http_exchange *exchange, const json_t *body)
{
    const struct lt_http_recent *recent = &exchange->http->recent;
    const char *text = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "after");
    uint64_t after = text ? strtoull(text, NULL, 10) : 0;
    uint64_t oldest = recent->count > LT_HTTP_RECENT_MAX ? recent->count - LT_HTTP_RECENT_MAX : 0;
    const char *space = exchange->caller.identity.space;
    struct lt_namespace bound = {0};
    json_t *requests = json_array();
    int failed = requests ? 0 : -1;
    if (*space && lt_namespace_find(exchange->http->server->store, space, &bound) != LT_OK)
        after = recent->count; /* it does not exist, so nobody has asked in it */
    (void)body;
    for (uint64_t i = after > oldest ? after : oldest; !failed && i < recent->count; i++) {
        size_t at = i % LT_HTTP_RECENT_MAX;
        if (*space && recent->entries[at].namespace_id != bound.id)
            continue;
        failed = append(requests, recent->entries[at].number, recent->entries[at].at, recent->entries[at].method,
                        &recent->entries[at].message);
    }
    if (failed) {
        json_decref(requests);
        requests = NULL;
    }
    lt_http_reply_json(exchange, MHD_HTTP_OK, json_pack("{so}", "requests", requests));
}

const struct lt_http_handler lt_http_requests = {.begin = begin};
