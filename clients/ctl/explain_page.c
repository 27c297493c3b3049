/* The page from top to bottom, and its first two sections: the prompt as tokens and as spans. */
#include "clients/ctl/explain_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE_COLUMNS 100
#define TEXT_COLUMNS 62
#define TOKEN_LINES 3 /* of the prompt's tokens */
#define SPANS_FIRST 8 /* of a long prompt */
#define SPANS_LAST 4

uint64_t number_at(const struct latent_value *value, const char *path)
{
    return latent_value_uint(latent_value_at(value, path), 0);
}

double real_at(const struct latent_value *value, const char *path)
{
    return latent_value_real(latent_value_at(value, path), -1);
}

const char *word_at(const struct latent_value *value, const char *path)
{
    return latent_value_text(latent_value_at(value, path), "");
}

void print_heading(const struct context *context, const char *title, const char *beside)
{
    printf("\n%s%s%s  %s\n", colour_begin(context->colour, COLOUR_HEADING), title, colour_end(context->colour), beside);
}

/* --- tokens --- */

/* Fills a few lines; what does not fit is told as a number. */
static void print_tokens(const struct context *context, const struct latent_value *tokens)
{
    size_t count = latent_value_count(tokens), shown = 0;
    int line = 1, used = 0;
    for (; shown < count; shown++) {
        const char *text = word_at(latent_value_item(tokens, shown), "text");
        int columns = escaped_columns(text) + 1;
        int room = PAGE_COLUMNS - 4 - (line == TOKEN_LINES ? 16 : 0);
        if (used + columns > room) {
            if (line++ == TOKEN_LINES)
                break;
            used = 0;
        }
        if (used == 0)
            fputs(shown ? "\n  " : "  ", stdout);
        printf("%s·%s", colour_begin(context->colour, COLOUR_FAINT), colour_end(context->colour));
        print_escaped(text);
        used += columns;
    }
    if (shown < count)
        printf(" … and %s more", show_count(count - shown).text);
    putchar('\n');
}

/* --- spans --- */

static void print_span(const struct context *context, const struct latent_value *span)
{
    const char *tier = latent_value_text(latent_value_at(span, "tier"), NULL);
    fputs("  ", stdout);
    print_quoted(word_at(span, "text"), TEXT_COLUMNS);
    printf(" %6" PRIu64 "  %s%.12s%s  %s%s%s%s\n", number_at(span, "tokens"),
           colour_begin(context->colour, COLOUR_FAINT), word_at(span, "key"), colour_end(context->colour),
           colour_begin(context->colour, tier ? COLOUR_GOOD : COLOUR_BAD),
           tier ? "" : "miss: ", tier ? tier : word_at(span, "miss"), colour_end(context->colour));
}

static void print_spans(const struct context *context, const struct latent_value *spans)
{
    size_t count = latent_value_count(spans), hidden = 0;
    if (count > SPANS_FIRST + SPANS_LAST + 1)
        hidden = count - SPANS_FIRST - SPANS_LAST;
    printf("  %s%-*s %6s  %-12s  %s%s\n", colour_begin(context->colour, COLOUR_FAINT), TEXT_COLUMNS, "text", "tokens",
           "key", "found", colour_end(context->colour));
    for (size_t i = 0; i < count; i++) {
        if (hidden && i == SPANS_FIRST) {
            uint64_t tokens = 0, hits = 0;
            for (; i < SPANS_FIRST + hidden; i++) {
                tokens += number_at(latent_value_item(spans, i), "tokens");
                hits += latent_value_at(latent_value_item(spans, i), "tier") != NULL;
            }
            char between[64];
            snprintf(between, sizeof between, "… %s more spans …", show_count(hidden).text);
            fputs("  ", stdout);
            print_cell(between, -TEXT_COLUMNS);
            printf(" %6s  %-12s  %s hits\n", show_count(tokens).text, "", show_count(hits).text);
        }
        print_span(context, latent_value_item(spans, i));
    }
}

static void print_lookups(const struct latent_value *reply)
{
    uint64_t spans = number_at(reply, "usage.prompt_spans"), misses = number_at(reply, "usage.span_misses");
    if (misses == 0)
        printf("  All %s were known: nothing was encoded.\n", show_count(spans).text);
    else if (misses == spans)
        printf("  None was known. All were encoded now, and never have to be again.\n");
    else
        printf("  %s of %s were known; %s had to be encoded now, and never again.\n", show_count(spans - misses).text,
               show_count(spans).text, show_count(misses).text);
    uint64_t restored = number_at(reply, "usage.restored_spans");
    if (restored)
        printf("  A prompt that began alike was mixed before: %s latents were not even mixed again.\n",
               show_count(restored).text);
    printf("  So the first token of the answer came after %s.\n",
           show_measured(real_at(reply, "answer.first_token_ms")).text);
}

void print_explained_prompt(const struct context *context, const struct latent_value *reply)
{
    char beside[128];
    snprintf(beside, sizeof beside, "%s pieces of text, out of a vocabulary of %s",
             show_count(number_at(reply, "usage.prompt_tokens")).text,
             show_count(number_at(reply, "model.vocabulary")).text);
    print_heading(context, "1 TOKENS", beside);
    print_tokens(context, latent_value_at(reply, "tokens"));
    snprintf(beside, sizeof beside, "%s, each cut behind punctuation or at %s tokens",
             show_count(number_at(reply, "usage.prompt_spans")).text,
             show_count(number_at(reply, "model.span_maximum")).text);
    print_heading(context, "2 SPANS", beside);
    print_spans(context, latent_value_at(reply, "spans"));
    printf("  A span becomes one latent: %s numbers made from its own words and nothing else. So they\n"
           "  serve wherever the words stand, and are found again under a hash of them, the key.\n",
           show_count(number_at(reply, "model.width")).text);
    print_lookups(reply);
}

/* --- what stays --- */

static void print_kept_row(const char *who, const char *amount, const char *bytes, const char *what)
{
    static const int columns[] = {-13, 21, 11, -2, -50};
    print_cells((const char *const[]){who, amount, bytes, "", what}, columns, 5);
}

static void print_kept(const struct context *context, const struct latent_value *reply)
{
    const struct latent_value *kept = latent_value_at(reply, "kept");
    char amount[64];
    print_heading(context, "5 WHAT STAYS", "of the prompt and its answer");
    snprintf(amount, sizeof amount, "%s latents", show_count(number_at(kept, "latents")).text);
    print_kept_row("latentd keeps", amount, show_bytes(number_at(kept, "latent_bytes")).text,
                   "on disk, for any prompt and model with this encoder");
    snprintf(amount, sizeof amount, "%s mixed latents", show_count(number_at(kept, "state_spans")).text);
    print_kept_row("", amount, show_bytes(number_at(kept, "state_bytes")).text,
                   "in memory, for prompts that begin alike");
    print_kept_row("      drops", "all else", "", "tokens, attention matrices, logits");
    snprintf(amount, sizeof amount, "%s tokens", show_count(number_at(kept, "token_states")).text);
    print_kept_row("transformer", amount, show_bytes(number_at(kept, "token_state_bytes")).text,
                   "keys and values, for this very prefix and model");
}

/* --- the page --- */

static void print_title(const struct context *context, const struct latent_value *reply)
{
    printf("%sONE PROMPT, THREE WAYS: latentd with nothing cached, latentd with all cached, a transformer%s\n",
           colour_begin(context->colour, COLOUR_HEADING), colour_end(context->colour));
    printf("A transformer thinks about every token of a prompt, in every layer, each time the prompt comes.\n"
           "latentd turns every few words into one vector, a latent, once; then it thinks about latents.\n"
           "Model %s, %s parameters.\n",
           word_at(reply, "model.name"), show_operations(number_at(reply, "model.parameters")).text);
}

void print_explanation(const struct context *context, const struct latent_value *reply)
{
    print_title(context, reply);
    print_explained_prompt(context, reply);
    print_explained_stages(context, reply);
    print_kept(context, reply);
    print_explained_projection(context, reply);
    fflush(stdout);
}
