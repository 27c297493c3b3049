/* What is kept of texts is small beside the states of the same prompts, about a hundredth, so a small share of the
 * budget holds the tokens of more prompts than there are states. */
#include "daemon/served_model.h"

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

void lt_served_model_forget(struct lt_served_model *served)
{
    if (served->states)
        lt_states_clear(served->states);
    lt_texts_clear(served->texts);
}

void lt_served_model_finish(struct lt_served_model *served)
{
    lt_texts_destroy(served->texts);
    lt_states_destroy(served->states);
    lt_workspace_destroy(served->workspace);
    *served = (struct lt_served_model){0};
}
