#include "daemon/prompt.h"

#include <string.h>

#include "daemon/documents.h"
#include "daemon/texts.h"
#include "proto/alloc.h"

static int append(struct lt_prompt *prompt, const uint32_t *tokens, size_t count)
{
    if (prompt->count + count > prompt->capacity) {
        size_t capacity = 2 * (prompt->count + count);
        uint32_t *grown = lt_realloc(prompt->tokens, capacity * sizeof *grown);
        if (!grown)
            return LT_ENOMEM;
        prompt->tokens = grown;
        prompt->capacity = capacity;
    }
    if (count)
        memcpy(prompt->tokens + prompt->count, tokens, count * sizeof *tokens);
    prompt->count += count;
    return LT_OK;
}

/* Tokens that there is room for, if the prompt must fit the context: one is left for the answer. */
static size_t room(const struct lt_prompt *prompt, const struct lt_model *model)
{
    size_t context = lt_model_shape(model)->context, used = prompt->count + 1;
    return used + 1 < context ? context - used - 1 : 0;
}

/* control: token that opens the segment, or NULL for bare text. */
static int add_segment(struct lt_prompt *prompt, const struct lt_served_model *served, const uint32_t *control,
                       const struct lt_segment *segment, struct lt_error *error)
{
    const uint32_t *tokens = NULL;
    uint32_t *stored = NULL;
    size_t count = 0;
    int code = LT_OK;
    if (segment && segment->stored)
        code = lt_documents_tokens(served->store, prompt->space, served->model, segment, room(prompt, served->model),
                                   &stored, &count, &prompt->versions[prompt->segments], error);
    else if (segment)
        code = lt_texts_tokenize(served->texts, segment->text, segment->bytes, &tokens, &count, error);
    if (code)
        return code;
    if (control)
        code = append(prompt, control, 1);
    if (code == LT_OK)
        code = append(prompt, stored ? stored : tokens, count);
    lt_free(stored);
    if (code)
        return lt_fail_code(error, code);
    prompt->ends[prompt->segments++] = prompt->count;
    return LT_OK;
}

static const uint32_t *control_of(const struct lt_prompt_format *format, enum lt_segment_role role)
{
    switch (role) {
    case LT_ROLE_USER:
        return &format->user;
    case LT_ROLE_ANSWER:
        return &format->answer;
    case LT_ROLE_DOCUMENT:
        break;
    }
    return &format->document;
}

static int add_segments(struct lt_prompt *prompt, const struct lt_served_model *served,
                        const struct lt_segment *segments, size_t count, struct lt_error *error)
{
    int code = LT_OK;
    for (size_t i = 0; code == LT_OK && i < count; i++)
        code = add_segment(prompt, served, control_of(lt_model_prompt_format(served->model), segments[i].role),
                           &segments[i], error);
    return code;
}

static int check_context(const struct lt_model *model, size_t tokens, struct lt_error *error)
{
    uint32_t context = lt_model_shape(model)->context;
    if (tokens < context)
        return LT_OK;
    return lt_fail(error, LT_ECONTEXT,
                   "the prompt has %zu tokens; model %s takes fewer than %u, prompt and answer together", tokens,
                   lt_model_name(model), context);
}

static int make_generate(struct lt_prompt *prompt, const struct lt_served_model *served,
                         const struct lt_generate_request *request, struct lt_error *error)
{
    int code = add_segments(prompt, served, request->segments, request->segment_count, error);
    if (code == LT_OK && request->format == LT_FORMAT_CHAT)
        code = add_segment(prompt, served, &lt_model_prompt_format(served->model)->answer, NULL, error);
    return code == LT_OK ? check_context(served->model, prompt->count, error) : code;
}

static int make_score(struct lt_prompt *prompt, const struct lt_served_model *served,
                      const struct lt_score_request *request, struct lt_error *error)
{
    if (request->in_pieces)
        return add_segment(prompt, served, NULL, &request->segments[0], error);
    int code = add_segments(prompt, served, request->segments, request->segment_count, error);
    return code == LT_OK ? check_context(served->model, prompt->count, error) : code;
}

int lt_prompt_make(const struct lt_served_model *served, const struct lt_job *job, struct lt_prompt *ret_prompt,
                   struct lt_error *error)
{
    const struct lt_request *request = job->request;
    *ret_prompt = (struct lt_prompt){.space = job->space.id};
    switch (request->method) {
    case LT_METHOD_GENERATE:
        return make_generate(ret_prompt, served, &request->generate, error);
    case LT_METHOD_SCORE:
        return make_score(ret_prompt, served, &request->score, error);
    default:
        return add_segment(ret_prompt, served, NULL, &request->encode.segment, error);
    }
}

void lt_prompt_finish(struct lt_prompt *prompt)
{
    lt_free(prompt->tokens);
    *prompt = (struct lt_prompt){0};
}
