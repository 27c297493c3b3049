/* Models and the spans of stored records, without the engine: what encoder made a record, what the keys of a text are.
 * Models are read-only; any thread. */
#ifndef LT_DAEMON_MODELS_H
#define LT_DAEMON_MODELS_H

#include "kernels/model.h"
#include "proto/messages.h"
#include "storage/key.h"
#include "storage/namespaces.h"

struct lt_server;

/* The model of that name ("": the default model), which must have an encoder. LT_ENOMODEL, LT_EPARAM; `error` is
 * filled. */
int lt_models_choose(const struct lt_server *server, const char *name, const struct lt_model **ret_model,
                     struct lt_error *error);

/* The first model whose encoder gives a span of these tokens this key in this namespace, and could have made it: all of
 * its tokens exist and it is not too long. NULL if none is served. */
const struct lt_model *lt_models_of_record(const struct lt_server *server, const struct lt_namespace *space,
                                           const struct lt_span_key *key, const uint32_t *tokens, uint32_t count);

/* The same for a record of which only the first `bytes` bytes of the key are sure; *ret_key is the whole key. */
const struct lt_model *lt_models_of_prefix(const struct lt_server *server, const struct lt_namespace *space,
                                           const uint8_t *prefix, size_t bytes, const uint32_t *tokens, uint32_t count,
                                           struct lt_span_key *ret_key);

/* Whether the model's encoder takes such a span: its tokens exist, and the span rule makes one span of them. */
bool lt_models_takes(const struct lt_model *model, const uint32_t *tokens, uint32_t count);

/* The keys of a text's spans in a namespace, each once, in *ret_keys, which is to be freed with lt_free. LT_EUTF8,
 * LT_ENOMEM; `error` is filled. */
int lt_models_keys(const struct lt_model *model, const struct lt_namespace *space, const struct lt_text *text,
                   struct lt_span_key **ret_keys, size_t *ret_count, struct lt_error *error);

#endif
