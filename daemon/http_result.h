/* Looks into what the engine answered (proto/PROTOCOL.md names the fields). Loop thread. */
#ifndef LT_DAEMON_HTTP_RESULT_H
#define LT_DAEMON_HTTP_RESULT_H

#include <jansson.h>
#include <msgpack/object.h>
#include <stdint.h>

/* The value of a map's key; NULL if there is none or it is no map. */
const msgpack_object *lt_http_at(const msgpack_object *map, const char *name);

/* An integer, 0 if there is none. */
uint64_t lt_http_number_at(const msgpack_object *map, const char *name);

/* A text as JSON; NULL if there is none or memory is out. */
json_t *lt_http_text_at(const msgpack_object *map, const char *name);

/* Tokens of the prompt whose latents were there already. */
uint64_t lt_http_cached_tokens(const msgpack_object *result);

#endif
