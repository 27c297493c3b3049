/* Errors of the one list as HTTP sees them: a status and OpenAI's error object. */
#ifndef LT_DAEMON_HTTP_ERROR_H
#define LT_DAEMON_HTTP_ERROR_H

#include <jansson.h>

#include "proto/error.h"

/* The status of a code, and its name: OpenAI's where its clients know one, the protocol's otherwise. */
unsigned lt_http_error_status(int code);
const char *lt_http_error_name(int code);

/* {"error": {"message", "type", "param", "code"}}; `parameter` may be NULL. NULL: out of memory. */
json_t *lt_http_error_json(unsigned status, const char *name, const char *message, const char *parameter);

#endif
