#include "daemon/refining.h"

#include <string.h>

#include "daemon/clock.h"
#include "daemon/documents.h"
#include "kernels/spans.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "storage/refined.h"

#define SLICE_SPANS 64

struct lt_refining {
    struct lt_refining_place place;
    const struct lt_served_model *served;
    struct lt_namespace space;
    char name[LT_DOCUMENT_NAME_MAX + 1];
    uint32_t version;

    uint32_t *tokens;            /* the segment: its control token and the document's */
    struct lt_cache_span *spans; /* [count] */
    float *latents;              /* [count][D] */
    float *refined;              /* [count][D] */
    struct lt_span_key *chain;   /* [count] chain keys */
    size_t count;

    size_t resolved; /* spans whose latents are there */
    size_t known;    /* leading spans that were refined before; set once all are resolved */
    size_t done;     /* spans that are refined */
    struct lt_sequence *sequence;
    struct lt_changes *changes;
    struct lt_writing writing;

    size_t encoded;
    uint64_t encode_operations, refine_operations;
    double lookup, encode, refine; /* seconds */
};

/* --- steps --- */

static int resolve_slice(struct lt_refining *refining)
{
    size_t left = refining->count - refining->resolved, count = left < SLICE_SPANS ? left : SLICE_SPANS;
    struct lt_cache_span *spans[SLICE_SPANS];
    struct lt_cache_time time;
    for (size_t i = 0; i < count; i++)
        spans[i] = &refining->spans[refining->resolved + i];
    int code = lt_cache_resolve(refining->place.cache, refining->served->model, refining->served->workspace, spans,
                                count, &time);
    if (code)
        return code;
    for (size_t i = 0; i < count; i++) {
        refining->encoded += !lt_cache_span_hit(spans[i]);
        refining->encode_operations += spans[i]->operations;
    }
    refining->lookup += time.lookup;
    refining->encode += time.encode;
    refining->resolved += count;
    return LT_OK;
}

/* All latents are there: finds what is refined already. */
static int find_known(struct lt_refining *refining)
{
    const struct lt_model *model = refining->served->model;
    double began = lt_clock_seconds();
    for (size_t i = 0; i < refining->count; i++)
        lt_chain_key(lt_model_refiner_fingerprint(model), refining->place.latent_type,
                     i ? &refining->chain[i - 1] : NULL, &refining->spans[i].key, &refining->chain[i]);
    int code = lt_refined_get(refining->place.store, refining->chain, refining->count, lt_model_shape(model)->width,
                              refining->refined, &refining->known);
    refining->lookup += lt_clock_seconds() - began;
    return code;
}

/* What was refined before goes through the refiner for the sake of what comes behind it only. */
static int refine_slice(struct lt_refining *refining)
{
    size_t width = lt_model_shape(refining->served->model)->width, first = refining->done;
    size_t left = refining->count - first, count = left < SLICE_SPANS ? left : SLICE_SPANS;
    size_t known = refining->known > first ? refining->known - first : 0;
    double began = lt_clock_seconds();
    struct lt_refine_item item = {
        .sequence = refining->sequence,
        .latents = refining->latents + first * width,
        .count = count,
        .known = known < count ? known : count,
        .refined = refining->refined + first * width,
    };
    int code = lt_refine(refining->served->workspace, &item);
    for (size_t i = item.known; i < count && code == LT_OK; i++)
        code =
            lt_refined_put(refining->changes, &refining->chain[first + i], (uint32_t)width, item.refined + i * width);
    refining->refine_operations += item.operations;
    refining->refine += lt_clock_seconds() - began;
    refining->done += count;
    return code;
}

static int finish_writing(const struct lt_refining *refining, struct lt_error *error)
{
    int code = refining->writing.code;
    if (code)
        return lt_fail(error, code, "what was refined of '%.200s' could not be written to the disk", refining->name);
    lt_count(refining->place.counters, LT_COUNTER_DOCUMENTS_REFINED, refining->known < refining->count);
    return LT_OK;
}

int lt_refining_step(struct lt_refining *refining, bool *ret_done, struct lt_error *error)
{
    int code = LT_OK;
    if (refining->writing.begun) {
        *ret_done = !lt_refining_waits(refining);
        return *ret_done ? finish_writing(refining, error) : LT_OK;
    }
    if (refining->resolved < refining->count) {
        code = resolve_slice(refining);
        if (code == LT_OK && refining->resolved == refining->count)
            code = find_known(refining);
        if (refining->known == refining->count)
            refining->done = refining->count; /* all was refined before */
    } else if (refining->done < refining->count) {
        code = refine_slice(refining);
    }
    if (code)
        return lt_fail_code(error, code);
    if (refining->resolved == refining->count && refining->done == refining->count) {
        lt_writing_begin(&refining->writing, refining->place.store, refining->changes);
        refining->changes = NULL;
    }
    return LT_OK;
}

bool lt_refining_waits(const struct lt_refining *refining)
{
    return lt_writing_waits(&refining->writing);
}

uint64_t lt_refining_operations(const struct lt_refining *refining)
{
    return refining->encode_operations + refining->refine_operations;
}

/* --- life --- */

/* Reads the document's tokens behind the control token of its segment. */
static int read_tokens(struct lt_refining *refining, size_t *ret_count, struct lt_error *error)
{
    const struct lt_model *model = refining->served->model;
    const struct lt_segment segment = {
        .text = refining->name, .bytes = strlen(refining->name), .stored = true, .version = refining->version};
    struct lt_document_version version;
    uint32_t *tokens = NULL;
    size_t count = 0, most = lt_model_shape(model)->context - 2; /* beside the control token and one of the answer */
    int code = lt_documents_version(refining->place.store, refining->space.id, &segment, &version, error);
    if (code)
        return code;
    if (!lt_documents_same_encoder(model, &version))
        return lt_fail(error, LT_EPARAM,
                       "'%.160s' was put with another encoder than %s has; put it again with this model",
                       refining->name, lt_model_name(model));
    code = lt_documents_tokens(refining->place.store, refining->space.id, model, &segment, most, &tokens, &count,
                               &refining->version, error);
    if (code)
        return code;
    refining->tokens = lt_malloc((count + 1) * sizeof *tokens);
    if (refining->tokens) {
        refining->tokens[0] = lt_model_prompt_format(model)->document;
        memcpy(refining->tokens + 1, tokens, count * sizeof *tokens);
        *ret_count = count + 1;
    }
    lt_free(tokens);
    return refining->tokens ? LT_OK : lt_fail_code(error, LT_ENOMEM);
}

static int cut(struct lt_refining *refining, size_t token_count)
{
    const struct lt_model *model = refining->served->model;
    size_t width = lt_model_shape(model)->width;
    uint32_t *ends = lt_malloc(token_count * sizeof *ends);
    if (!ends)
        return LT_ENOMEM;
    size_t count = refining->count = lt_span_cut(lt_model_span_rule(model), refining->tokens, token_count, ends);
    refining->spans = lt_calloc(count, sizeof *refining->spans);
    refining->latents = lt_malloc(count * width * sizeof *refining->latents);
    refining->refined = lt_malloc(count * width * sizeof *refining->refined);
    refining->chain = lt_malloc(count * sizeof *refining->chain);
    refining->changes = lt_changes_create(refining->space.id);
    int code = refining->spans && refining->latents && refining->refined && refining->chain && refining->changes
                   ? lt_sequence_create(model, count, &refining->sequence)
                   : LT_ENOMEM;
    for (size_t i = 0, start = 0; i < count && code == LT_OK; start = ends[i++])
        refining->spans[i] = (struct lt_cache_span){.space = &refining->space,
                                                    .tokens = refining->tokens + start,
                                                    .count = (uint32_t)(ends[i] - start),
                                                    .latent = refining->latents + i * width};
    lt_free(ends);
    return code;
}

int lt_refining_create(const struct lt_refining_place *place, const struct lt_served_model *served,
                       const struct lt_namespace *space, const char *name, uint32_t version,
                       struct lt_refining **ret_refining, struct lt_error *error)
{
    struct lt_refining *refining = lt_calloc(1, sizeof *refining);
    size_t tokens = 0;
    if (!refining)
        return lt_fail_code(error, LT_ENOMEM);
    refining->place = *place;
    refining->served = served;
    refining->space = *space;
    refining->version = version;
    refining->writing.wake = place->wake;
    strcpy(refining->name, name);
    int code = read_tokens(refining, &tokens, error);
    if (code == LT_OK) {
        code = cut(refining, tokens);
        if (code)
            lt_fail_code(error, code);
    }
    if (code)
        lt_refining_destroy(refining);
    else
        *ret_refining = refining;
    return code;
}

void lt_refining_destroy(struct lt_refining *refining)
{
    if (!refining)
        return;
    lt_free(refining->tokens);
    lt_free(refining->spans);
    lt_free(refining->latents);
    lt_free(refining->refined);
    lt_free(refining->chain);
    lt_sequence_destroy(refining->sequence);
    lt_changes_destroy(refining->changes);
    lt_free(refining);
}

/* --- response --- */

void lt_refining_reply(struct lt_writer *writer, uint32_t id, const struct lt_refining *refining, double seconds)
{
    lt_write_response(writer, id);
    lt_write_map(writer, 9);
    lt_write_text(writer, "name");
    lt_write_text(writer, refining->name);
    lt_pair_uint(writer, "version", refining->version);
    lt_write_text(writer, "model");
    lt_write_text(writer, lt_model_name(refining->served->model));
    lt_pair_uint(writer, "spans", refining->count);
    lt_pair_uint(writer, "known", refining->known);
    lt_pair_uint(writer, "refined", refining->count - refining->known);
    lt_pair_uint(writer, "encoded", refining->encoded);
    lt_write_text(writer, "timings");
    lt_write_map(writer, 4);
    lt_pair_milliseconds(writer, "lookup_ms", refining->lookup);
    lt_pair_milliseconds(writer, "encode_ms", refining->encode);
    lt_pair_milliseconds(writer, "refine_ms", refining->refine);
    lt_pair_milliseconds(writer, "total_ms", seconds);
    lt_write_text(writer, "ops");
    lt_write_map(writer, 2);
    lt_pair_uint(writer, "encode", refining->encode_operations);
    lt_pair_uint(writer, "refine", refining->refine_operations);
}
