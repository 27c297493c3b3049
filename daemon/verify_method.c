/* verify: every record is checked, and what fails is mended. A record whose tokens make its key, under an encoder that
 * is served and the salt of a namespace that exists, still says what it stood for, however broken the rest is: it is
 * encoded again. Any other is removed.
 *
 * Records are looked at a slice at a time, and after each slice we rest for as long as it took, so that prompts get at
 * least half of the processor. Encoding uses scratch memory of its own, on one thread. */
#include <string.h>
#include <time.h>

#include "daemon/background.h"
#include "daemon/clock.h"
#include "daemon/models.h"
#include "daemon/precision.h"
#include "kernels/islet.h"
#include "proto/alloc.h"
#include "storage/listing.h"
#include "storage/repair.h"

#define SLICE 256

/* One record of a slice. */
struct checked {
    struct lt_latent latent; /* payload: as it was stored, then as it should be */
    struct lt_namespace space;
    const struct lt_model *model; /* NULL if none that is served made it */
    bool sound;
    bool useless; /* it is to be removed */
    bool wrong;   /* it is to be replaced */
    uint32_t tokens[LT_SPAN_TOKENS_MAX];
    uint16_t payload[LT_LATENT_DIMENSION_MAX];
};

struct verifying {
    struct lt_background *background;
    struct lt_store *store;
    bool reencode;
    struct lt_workspace *workspaces[LT_MODELS_MAX]; /* as they are needed */
    struct checked *slice;                          /* [SLICE] */
    size_t count;
    uint64_t checked, sound, damaged, compared, mismatched, unknown, healed, removed;
};

/* --- looking --- */

static int take(void *context, const struct lt_listed *listed)
{
    struct verifying *verifying = context;
    struct checked *checked = &verifying->slice[verifying->count++];
    struct lt_record record = listed->record;
    checked->sound = listed->sound;
    checked->model = NULL;
    checked->wrong = false;
    checked->latent = (struct lt_latent){.key = listed->key, .tokens = checked->tokens, .payload = checked->payload};
    checked->useless = !listed->sound && !lt_record_salvage(listed->data, listed->bytes, &record);
    if (checked->useless)
        return LT_OK;
    checked->latent.type = record.type;
    checked->latent.dimension = record.dimension;
    checked->latent.namespace_id = record.namespace_id;
    checked->latent.created = record.created;
    checked->latent.expires = record.expires;
    checked->latent.scale = record.scale;
    checked->latent.token_count = record.token_count;
    lt_record_copy_tokens(&record, checked->tokens);
    lt_record_copy_payload(&record, checked->payload);
    return LT_OK;
}

/* Which namespace and encoder make the record's key of its tokens. A sound record says its namespace; of a damaged one
 * all are tried. */
static void identify(const struct verifying *verifying, struct checked *checked)
{
    const struct lt_server *server = verifying->background->server;
    const struct lt_latent *latent = &checked->latent;
    struct lt_namespace_usage usage;
    if (checked->sound) {
        checked->useless = lt_namespace_find_id(verifying->store, latent->namespace_id, &checked->space) != LT_OK;
        if (!checked->useless)
            checked->model =
                lt_models_of_record(server, &checked->space, &latent->key, checked->tokens, latent->token_count);
        return;
    }
    struct lt_span_key key;
    for (uint32_t id = 0; !checked->model && lt_namespace_list(verifying->store, id, &usage, 1); id++) {
        id = usage.space.id;
        checked->space = usage.space;
        checked->model = lt_models_of_prefix(server, &usage.space, latent->key.bytes, LT_INDEXED_BYTES, checked->tokens,
                                             latent->token_count, &key);
    }
    checked->useless = !checked->model;
    if (checked->model)
        checked->latent.key = key;
}

static void classify(struct verifying *verifying, struct checked *checked)
{
    if (!checked->useless)
        identify(verifying, checked);
    verifying->checked++;
    verifying->sound += checked->sound;
    verifying->damaged += !checked->sound;
    verifying->unknown += checked->sound && !checked->useless && !checked->model;
}

/* --- encoding --- */

/* Compares a sound latent with what the encoder makes of its tokens; a damaged one becomes that. */
static void take_fresh(struct verifying *verifying, struct checked *checked, const float *fresh)
{
    struct lt_latent *latent = &checked->latent;
    uint32_t width = lt_model_shape(checked->model)->width;
    float stored[LT_LATENT_DIMENSION_MAX];
    checked->wrong = !checked->sound || latent->dimension != width;
    if (checked->sound)
        verifying->compared++;
    if (!checked->wrong) {
        lt_latent_widen(latent, stored);
        checked->wrong = !(lt_latent_distance(stored, fresh, width) <= LT_LATENT_TOLERANCE);
    }
    if (!checked->wrong)
        return;
    verifying->mismatched += checked->sound;
    if (!checked->sound) { /* of the rest of a damaged record nothing is believed */
        latent->type = verifying->background->server->config->latent_type;
        latent->created = (uint32_t)time(NULL);
        latent->expires = lt_namespace_expiry(&checked->space);
        latent->namespace_id = checked->space.id;
    }
    latent->dimension = width;
    lt_latent_narrow(fresh, latent);
}

static bool is_to_be_encoded(const struct verifying *verifying, const struct checked *checked,
                             const struct lt_model *model)
{
    return checked->model == model && !checked->useless && (!checked->sound || verifying->reencode);
}

/* Encodes what is to be encoded of one model, all of it in one batch. */
static int encode(struct verifying *verifying, size_t number)
{
    const struct lt_model *model = verifying->background->server->models[number];
    uint32_t width = lt_model_shape(model)->width;
    size_t wanted = 0;
    for (size_t i = 0; i < verifying->count; i++)
        wanted += is_to_be_encoded(verifying, &verifying->slice[i], model);
    if (!wanted)
        return LT_OK;
    int code = verifying->workspaces[number] ? LT_OK : lt_workspace_create(model, &verifying->workspaces[number]);
    struct lt_encode_item *items = lt_calloc(wanted, sizeof *items);
    float *fresh = lt_malloc(wanted * width * sizeof *fresh);
    if (!items || !fresh)
        code = LT_ENOMEM;
    for (size_t i = 0, item = 0; code == LT_OK && i < verifying->count; i++) {
        const struct checked *checked = &verifying->slice[i];
        if (!is_to_be_encoded(verifying, checked, model))
            continue;
        items[item] = (struct lt_encode_item){
            .tokens = checked->tokens, .count = checked->latent.token_count, .latent = fresh + item * width};
        item++;
    }
    if (code == LT_OK)
        code = lt_encode(verifying->workspaces[number], items, wanted);
    for (size_t i = 0, item = 0; code == LT_OK && i < verifying->count; i++)
        if (is_to_be_encoded(verifying, &verifying->slice[i], model))
            take_fresh(verifying, &verifying->slice[i], items[item++].latent);
    lt_free(items);
    lt_free(fresh);
    return code;
}

/* --- mending --- */

static int remove_useless(struct verifying *verifying)
{
    struct lt_span_key keys[SLICE];
    size_t useless = 0;
    uint64_t removed = 0;
    for (size_t i = 0; i < verifying->count; i++)
        if (verifying->slice[i].useless)
            keys[useless++] = verifying->slice[i].latent.key;
    int code = lt_store_remove(verifying->store, keys, useless, &removed);
    verifying->removed += removed;
    return code;
}

/* What was computed from a sound but wrong latent is as wrong: it is forgotten, here and in the engine. */
static int mend(struct verifying *verifying)
{
    int code = remove_useless(verifying);
    uint64_t healed = 0, replaced = 0;
    for (size_t i = 0; i < verifying->count && code == LT_OK; i++) {
        const struct checked *checked = &verifying->slice[i];
        if (!checked->wrong)
            continue;
        code = checked->sound ? lt_store_replace(verifying->store, &checked->latent)
                              : lt_store_put(verifying->store, &checked->latent, 1, NULL);
        healed += code == LT_OK;
        replaced += code == LT_OK && checked->sound;
    }
    if (replaced)
        lt_engine_forget(verifying->background->server->engine);
    if (code == LT_OK && healed)
        code = lt_store_flush(verifying->store);
    if (code == LT_OK)
        verifying->healed += healed;
    return code;
}

static int run_slice(struct verifying *verifying)
{
    int code = LT_OK;
    for (size_t i = 0; i < verifying->count; i++)
        classify(verifying, &verifying->slice[i]);
    for (size_t number = 0; number < verifying->background->server->model_count && code == LT_OK; number++)
        if (lt_model_has_encoder(verifying->background->server->models[number]))
            code = encode(verifying, number);
    return code ? code : mend(verifying);
}

static void rest(double seconds)
{
    const double most = 0.1;
    if (seconds > most)
        seconds = most;
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * seconds)}, NULL);
}

static int run_all(struct verifying *verifying, uint32_t namespace_id)
{
    struct lt_background *background = verifying->background;
    struct lt_listing listing = {.begun = false};
    struct lt_store_stats stats;
    int code = LT_OK;
    while (code == LT_OK && !listing.ended) {
        double began = lt_clock_seconds();
        if (atomic_load(&background->job.cancelled))
            return LT_ECANCELLED;
        verifying->count = 0;
        code = lt_store_list(verifying->store, &listing, namespace_id, SLICE, take, verifying);
        if (code == LT_OK)
            code = run_slice(verifying);
        lt_store_stats(verifying->store, &stats);
        atomic_store(&background->done, verifying->checked);
        atomic_store(&background->total, stats.entries > verifying->checked ? stats.entries : verifying->checked);
        if (!listing.ended)
            rest(lt_clock_seconds() - began);
    }
    return code;
}

static void write_report(struct lt_writer *writer, const struct verifying *verifying)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"checked", verifying->checked},   {"sound", verifying->sound},           {"damaged", verifying->damaged},
        {"compared", verifying->compared}, {"mismatched", verifying->mismatched}, {"unknown", verifying->unknown},
        {"healed", verifying->healed},     {"removed", verifying->removed},
    };
    lt_write_map(writer, sizeof counts / sizeof *counts);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        lt_write_text(writer, counts[i].name);
        lt_write_uint(writer, counts[i].value);
    }
}

int lt_background_verify(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    const struct lt_request *request = background->job.request;
    struct verifying verifying = {
        .background = background, .store = background->server->store, .reencode = request->verify.reencode};
    verifying.slice = lt_malloc(SLICE * sizeof *verifying.slice);
    if (!verifying.slice)
        return lt_fail_code(error, LT_ENOMEM);
    (void)lt_store_flush(verifying.store);
    int code = run_all(&verifying, *request->space ? background->job.space.id : LT_LIST_ALL);
    if (code == LT_OK)
        write_report(writer, &verifying);
    for (size_t i = 0; i < LT_MODELS_MAX; i++)
        lt_workspace_destroy(verifying.workspaces[i]);
    lt_free(verifying.slice);
    return code ? lt_fail_code(error, code) : LT_OK;
}
