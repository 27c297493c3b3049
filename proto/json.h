/* JSON and the protocol's values: the same maps, arrays, texts and numbers in two notations. For HTTP and for programs
 * that pass values through without looking, such as `latentctl --json`. The one header with jansson's types in it. */
#ifndef LT_PROTO_JSON_H
#define LT_PROTO_JSON_H

#include <jansson.h>
#include <msgpack/object.h>

#include "proto/error.h"
#include "proto/writer.h"

/* Reads a JSON text that a peer sent. Like frames it is checked before memory is reserved for it: at most
 * LT_FRAME_ELEMENTS_MAX values, nested at most LT_FRAME_DEPTH_MAX deep. LT_EMALFORMED with the place, LT_ETOOLARGE. */
int lt_json_parse(const char *text, size_t bytes, json_t **ret_json, struct lt_error *error);

/* A value as JSON: binary becomes hexadecimal digits, keys that are no texts are left out. Texts are taken to be UTF-8.
 * NULL: out of memory. */
json_t *lt_json_of(const msgpack_object *object);

/* Writes JSON as MessagePack. Its depth must be bounded already. */
void lt_json_write(struct lt_writer *writer, const json_t *json);

#endif
