/* pin, unpin, evict, flush: which latents stay, and which go. */
#include <string.h>

#include "daemon/background.h"
#include "daemon/models.h"
#include "daemon/remote.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "storage/clearing.h"

/* The keys that a request means; to be freed with lt_free. */
static int find_keys(const struct lt_background *background, struct lt_span_key **ret_keys, size_t *ret_count,
                     struct lt_error *error)
{
    const struct lt_keys_request *request = &background->job.request->keys;
    const struct lt_model *model = NULL;
    if (request->text.text) {
        int code = lt_models_choose(background->server, request->model, &model, error);
        return code ? code : lt_models_keys(model, &background->job.space, &request->text, ret_keys, ret_count, error);
    }
    struct lt_span_key *keys = lt_malloc(request->key_count * sizeof *keys);
    if (!keys)
        return lt_fail_code(error, LT_ENOMEM);
    for (size_t i = 0; i < request->key_count; i++)
        memcpy(keys[i].bytes, request->keys[i], sizeof keys[i].bytes);
    *ret_keys = keys;
    *ret_count = request->key_count;
    return LT_OK;
}

int lt_background_pin(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    bool pins = background->job.request->method == LT_METHOD_PIN;
    struct lt_span_key *keys = NULL;
    struct lt_keys_outcome outcome;
    size_t count = 0;
    int code = find_keys(background, &keys, &count, error);
    if (code == LT_OK)
        code = (pins ? lt_store_pin : lt_store_unpin)(background->server->store, background->job.space.id, keys, count,
                                                      &outcome, error);
    lt_free(keys);
    if (code)
        return code;
    lt_write_map(writer, pins ? 3 : 2);
    lt_pair_uint(writer, pins ? "pinned" : "unpinned", outcome.done);
    lt_pair_uint(writer, pins ? "already" : "not_pinned", outcome.already);
    if (pins)
        lt_pair_uint(writer, "missing", outcome.missing);
    return LT_OK;
}

static int evict_share(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    const struct lt_request *request = background->job.request;
    struct lt_store *store = background->server->store;
    uint64_t evicted = 0;
    int code = *request->space ? lt_store_evict_share_of(store, background->job.space.id, request->keys.share, &evicted)
                               : lt_store_evict_share(store, request->keys.share, &evicted);
    if (code == LT_EPARAM)
        return lt_fail(error, code, "evict: public has no order of its own; a share without a namespace is one of all");
    if (code)
        return lt_fail_code(error, code);
    lt_write_map(writer, 1);
    lt_pair_uint(writer, "evicted", evicted);
    return LT_OK;
}

int lt_background_evict(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    struct lt_span_key *keys = NULL;
    struct lt_keys_outcome outcome;
    size_t count = 0;
    if (background->job.request->keys.share > 0)
        return evict_share(background, writer, error);
    int code = find_keys(background, &keys, &count, error);
    if (code)
        return code;
    code = lt_store_evict_keys(background->server->store, background->job.space.id, keys, count, &outcome);
    lt_free(keys);
    if (code)
        return lt_fail_code(error, code);
    lt_write_map(writer, 3);
    lt_pair_uint(writer, "evicted", outcome.done);
    lt_pair_uint(writer, "pinned", outcome.already);
    lt_pair_uint(writer, "missing", outcome.missing);
    return LT_OK;
}

/* What the fleet shares is public, and goes first: what was read from there before may still be put here. */
static int flush_remote(struct lt_background *background, struct lt_error *error)
{
    struct lt_remote *remote = background->server->fleet;
    bool shared = background->job.request->flush.all || background->job.space.id == 0;
    return remote && shared ? lt_remote_flush(remote, &background->done, error) : LT_OK;
}

/* The mixed states go after the latents: one that is made in between, of latents that are still there, goes, too. */
int lt_background_flush(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    struct lt_store *store = background->server->store;
    uint64_t removed = 0;
    int remote_code = flush_remote(background, error);
    if (remote_code == LT_EBUSY)
        return remote_code; /* as long as one flushes for all, nothing is done */
    int code = background->job.request->flush.all ? lt_store_clear(store, &removed)
                                                  : lt_store_empty(store, background->job.space.id, &removed);
    lt_engine_forget(background->server->engine);
    if (code)
        return lt_fail_code(error, code);
    if (remote_code)
        return remote_code;
    lt_write_map(writer, 2);
    lt_pair_uint(writer, "removed", removed);
    lt_pair_uint(writer, "remote_removed", atomic_load(&background->done));
    return LT_OK;
}
