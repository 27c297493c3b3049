/* The last requests with their receipts, for the live page: results as the engine sent them, kept in a ring. Only what
 * fits is kept, and only if HTTP is on. Loop thread. */
#ifndef LT_DAEMON_HTTP_RECENT_H
#define LT_DAEMON_HTTP_RECENT_H

#include <stdint.h>
#include <time.h>

#include "proto/buffer.h"
#include "proto/limits.h"
#include "proto/messages.h"

struct lt_job;

struct lt_http_recent {
    struct {
        uint64_t number; /* from 1 */
        time_t at;
        enum lt_method method;
        uint32_t namespace_id;
        struct lt_buffer message; /* [1, id, nil, result] */
    } entries[LT_HTTP_RECENT_MAX];
    uint64_t count; /* of all that were ever kept */
};

void lt_http_recent_init(struct lt_http_recent *recent);
void lt_http_recent_finish(struct lt_http_recent *recent);

/* Keeps a copy of a result of generate or encode; others are passed over. */
void lt_http_recent_keep(struct lt_http_recent *recent, const struct lt_job *job, const struct lt_buffer *message);

#endif
