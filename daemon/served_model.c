/* What is kept of texts is small beside the states of the same prompts, about a hundredth, so a small share of the
 * budget holds the tokens of more prompts than there are states. */
#include "daemon/served_model.h"

#include <string.h>

#include "daemon/states.h"
#include "daemon/texts.h"
#include "proto/error.h"

#define TEXTS_SHARE 16 /* one part in so many of the budget */

int lt_served_model_init(struct lt_served_model *served, struct lt_model *model, struct lt_store *store,
                         uint32_t threads, uint64_t state_bytes)
{
    uint64_t text_bytes = state_bytes / TEXTS_SHARE;
    *served = (struct lt_served_model){.model = model, .store = store};
    int code = lt_workspace_create(model, &served->workspace);
    if (code == LT_OK)
        code = lt_workspace_set_threads(served->workspace, threads);
    if (code == LT_OK && lt_model_has_encoder(model))
        code = lt_states_create(state_bytes - text_bytes, &served->states);
    if (code == LT_OK)
        code = lt_texts_create(lt_model_tokenizer(model), text_bytes, &served->texts);
    if (code)
        lt_served_model_finish(served);
    return code;
}

void lt_served_model_finish(struct lt_served_model *served)
{
    lt_texts_destroy(served->texts);
    lt_states_destroy(served->states);
    lt_workspace_destroy(served->workspace);
    *served = (struct lt_served_model){0};
}

static struct lt_served_model *find(struct lt_served_model *served, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!*name || strcmp(lt_model_name(served[i].model), name) == 0)
            return &served[i];
    return NULL;
}

static const char *model_of(const struct lt_request *request)
{
    switch (request->method) {
    case LT_METHOD_GENERATE:
        return request->generate.model;
    case LT_METHOD_ENCODE:
        return request->encode.model;
    case LT_METHOD_SCORE:
        return request->score.model;
    case LT_METHOD_EXPLAIN:
        return request->explain.generate.model;
    case LT_METHOD_NEAR:
        return request->near.model;
    case LT_METHOD_LATENT_GET:
        return request->latent_get.model;
    case LT_METHOD_DOCUMENT_PUT:
        return request->document_put.model;
    case LT_METHOD_DOCUMENT_GET:
    case LT_METHOD_DOCUMENT_REFINE:
        return request->document.model;
    default:
        return "";
    }
}

struct lt_served_model *lt_served_model_choose(struct lt_served_model *served_models, size_t count,
                                               const struct lt_request *request, struct lt_error *error)
{
    const char *name = model_of(request);
    struct lt_served_model *served = find(served_models, count, name);
    if (!served) {
        lt_fail(error, LT_ENOMODEL, "no model is called '%s'; the method models lists them", name);
        return NULL;
    }
    bool wants_latents = request->method == LT_METHOD_ENCODE || request->method == LT_METHOD_LATENT_GET ||
                         request->method == LT_METHOD_EXPLAIN || request->method == LT_METHOD_NEAR ||
                         request->method == LT_METHOD_DOCUMENT_PUT || request->method == LT_METHOD_DOCUMENT_REFINE;
    if (wants_latents && !lt_model_has_encoder(served->model)) {
        lt_fail(error, LT_EPARAM, "model: %s has no encoder and makes no latents; choose an islet model",
                lt_model_name(served->model));
        return NULL;
    }
    return served;
}
