#include "daemon/explaining.h"

#include "daemon/explanation_reply.h"
#include "proto/alloc.h"

struct lt_explaining {
    struct lt_explaining_options options;
    struct lt_cache *look, *ignore; /* leave no trace: the one finds what is stored, the other nothing */
    struct lt_explanation *first;
};

int lt_explaining_create(const struct lt_explaining_options *options, struct lt_explaining **ret_explaining)
{
    struct lt_explaining *explaining = lt_calloc(1, sizeof *explaining);
    if (!explaining)
        return LT_ENOMEM;
    explaining->options = *options;
    const struct lt_cache_options look = {.store = options->store, .type = options->latent_type};
    const struct lt_cache_options ignore = {.type = options->latent_type};
    int code = lt_cache_create(&look, &explaining->look);
    if (code == LT_OK)
        code = lt_cache_create(&ignore, &explaining->ignore);
    if (code) {
        lt_explaining_destroy(explaining);
        return code;
    }
    *ret_explaining = explaining;
    return LT_OK;
}

void lt_explaining_destroy(struct lt_explaining *explaining)
{
    if (!explaining)
        return;
    lt_cache_destroy(explaining->look);
    lt_cache_destroy(explaining->ignore);
    lt_free(explaining);
}

static void answer_error(const struct lt_explaining *explaining, struct lt_job *job, const struct lt_error *error)
{
    explaining->options.answer(explaining->options.context, job, NULL, error);
}

void lt_explaining_begin(struct lt_explaining *explaining, struct lt_job *job, struct lt_served_model *served)
{
    const struct lt_explaining_options *options = &explaining->options;
    const struct lt_explanation_tools tools = {options->cache, explaining->look, explaining->ignore, options->counters,
                                               options->latent_type};
    struct lt_served_model *rival = NULL;
    struct lt_explanation *explanation;
    struct lt_error error;
    for (size_t i = 0; i < options->served_count && !rival; i++)
        if (lt_explanation_comparable(served->model, options->served[i].model))
            rival = &options->served[i];
    if (lt_explanation_create(job, served, rival, &tools, &explanation, &error)) {
        answer_error(explaining, job, &error);
        return;
    }
    struct lt_explanation **link = &explaining->first; /* oldest first */
    while (*link)
        link = &(*link)->next;
    *link = explanation;
}

static void end(struct lt_explaining *explaining, struct lt_explanation *explanation, int code)
{
    struct lt_explanation **link = &explaining->first;
    struct lt_buffer bytes;
    struct lt_writer writer;
    struct lt_error error;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    if (code == LT_OK) {
        lt_reply_explanation(&writer, explanation);
        code = writer.error;
    }
    if (code) {
        lt_buffer_finish(&bytes);
        lt_fail_code(&error, code);
        answer_error(explaining, explanation->job, &error);
    } else {
        explaining->options.answer(explaining->options.context, explanation->job, &bytes, NULL);
    }
    while (*link != explanation)
        link = &(*link)->next;
    *link = explanation->next;
    lt_explanation_destroy(explanation);
}

void lt_explaining_step(struct lt_explaining *explaining)
{
    for (struct lt_explanation *explanation = explaining->first, *next; explanation; explanation = next) {
        next = explanation->next;
        int code = atomic_load(&explanation->job->cancelled) ? LT_ECANCELLED : lt_explanation_step(explanation);
        if (code || explanation->done)
            end(explaining, explanation, code);
    }
}

bool lt_explaining_has_work(const struct lt_explaining *explaining)
{
    return explaining->first != NULL;
}

void lt_explaining_cancel(struct lt_explaining *explaining)
{
    while (explaining->first)
        end(explaining, explaining->first, LT_ECANCELLED);
}
