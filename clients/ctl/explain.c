/* latentctl explain: asks the daemon; clients/ctl/explain_page.c shows what it says. */
#include <jansson.h>
#include <stdlib.h>

#include "clients/ctl/command.h"
#include "clients/ctl/explain_page.h"
#include "clients/ctl/passage.h"
#include "clients/ctl/texts.h"

static json_t *segments_json(const struct texts *texts)
{
    json_t *segments = json_array();
    for (size_t i = 0; i < texts->count; i++) {
        const struct latent_segment *segment = &texts->segments[i];
        json_t *item = json_pack("{s:s, s:s%}", "role", segment->role == LATENT_DOCUMENT ? "document" : "user", "text",
                                 segment->text, segment->bytes);
        if (json_array_append_new(segments, item)) {
            json_decref(segments);
            return NULL;
        }
    }
    return segments;
}

/* The request's parameters as JSON text, to be freed; NULL if a text is not UTF-8 or memory is short. */
static char *parameters(const struct options *options, const struct texts *texts)
{
    json_t *json = json_pack("{s:o}", "segments", segments_json(texts));
    bool good = json != NULL;
    if (good && options->generate.model)
        good = json_object_set_new(json, "model", json_string(options->generate.model)) == 0;
    if (good && options->measure) {
        char *passage = passage_text();
        good = passage && json_object_set_new(json, "measure", json_string(passage)) == 0;
        free(passage);
    }
    char *text = good ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static int explain(struct context *context, const struct texts *texts)
{
    struct latent_reply *reply = NULL;
    char *params = parameters(&context->options, texts);
    if (!params)
        return report_failure(context, LATENT_EUTF8, "a document or the prompt is not valid UTF-8");
    int code = latent_call(context->latent, "explain", params, &reply);
    free(params);
    if (code)
        return report_call(context, code);
    int status = EXIT_DONE;
    if (context->options.json)
        status = print_reply(context, reply);
    else
        print_explanation(context, latent_reply_at(reply, ""));
    latent_reply_destroy(reply);
    return status;
}

int command_explain(struct context *context)
{
    struct texts *texts = texts_read(context);
    int status = texts ? explain(context, texts) : EXIT_FAILED;
    texts_free(texts);
    return status;
}
