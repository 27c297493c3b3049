/* latentctl explain: asks the daemon; clients/ctl/explain_page.c shows what it says. */
#include <jansson.h>
#include <stdlib.h>

#include "clients/ctl/calling.h"
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

static void print_page(const struct context *context, const struct latent_reply *reply)
{
    print_explanation(context, latent_reply_at(reply, ""));
}

static int explain(struct context *context, const struct texts *texts)
{
    json_t *parameters = json_pack("{s:o}", "segments", segments_json(texts));
    if (!parameters)
        return report_failure(context, LATENT_EUTF8, "a document or the prompt is not valid UTF-8");
    add_choices(context, &parameters);
    if (context->options.measure) {
        char *passage = passage_text();
        add_parameter(&parameters, "measure", passage ? json_string(passage) : NULL);
        free(passage);
    }
    return call_and_print(context, "explain", parameters, print_page);
}

int command_explain(struct context *context)
{
    struct texts *texts = texts_read(context);
    int status = texts ? explain(context, texts) : EXIT_FAILED;
    texts_free(texts);
    return status;
}
