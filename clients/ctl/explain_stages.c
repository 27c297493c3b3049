/* What the three ways did: stage by stage to the first token, and for each token behind it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clients/ctl/explain_page.h"

static const struct {
    const char *name;
    const char *title;
} stages[] = {{"tokenize", "tokenize"}, {"lookup", "look up"}, {"encode", "encode"},
              {"refine", "refine"},     {"mix", "mix"},        {"decode", "decode"}};

static const struct {
    const char *path;
    const char *title;
    const char *what;
} ways[] = {{"runs.cold", "latentd, cold", "nothing is known: every latent is made"},
            {"runs.warm", "latentd, warm", "every latent is known: none is made"},
            {"runs.token_level", "transformer", "every token goes through every layer"}};

#define WAY_TRANSFORMER 2
#define SAID_COLUMNS 96

struct quantity show_matrix(uint64_t queries, uint64_t keys, uint64_t entries)
{
    struct quantity shown = {""};
    struct quantity sum = show_count(entries), rows = show_count(queries), columns = show_count(keys);
    if (entries == 0)
        return shown;
    if (entries != queries * keys)
        snprintf(shown.text, sizeof shown.text, "Σ n² = %.12s", sum.text);
    else if (queries == keys)
        snprintf(shown.text, sizeof shown.text, "%.8s² = %.12s", rows.text, sum.text);
    else
        snprintf(shown.text, sizeof shown.text, "%.6s × %.6s = %.10s", rows.text, columns.text, sum.text);
    return shown;
}

struct quantity show_measured(double milliseconds)
{
    if (milliseconds < 0)
        return (struct quantity){"-"};
    return milliseconds > 0 && milliseconds < 0.005 ? (struct quantity){"<0.01 ms"} : show_milliseconds(milliseconds);
}

static void print_row(const char *const cells[8])
{
    static const int columns[] = {-16, 8, 8, 21, 11, 12, 11, 11};
    print_cells(cells, columns, 8);
}

/* A transformer's one stage is more than the decoding of latentd. */
static const char *title_of(const char *stage, bool latent)
{
    if (!latent && strcmp(stage, "decode") == 0)
        return "all layers";
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (strcmp(stages[i].name, stage) == 0)
            return stages[i].title;
    return stage;
}

static void print_stage(const struct latent_value *stage, bool latent)
{
    uint64_t objects = number_at(stage, "objects"), layers = number_at(stage, "layers");
    struct quantity rows = show_count(objects), depth = show_count(layers),
                    matrix = show_matrix(number_at(stage, "matrix.queries"), number_at(stage, "matrix.keys"),
                                         number_at(stage, "matrix.entries")),
                    calls = show_count(number_at(stage, "mlp_calls_per_layer")),
                    operations = show_operations(number_at(stage, "operations")),
                    bytes = show_bytes(number_at(stage, "bytes")), time = show_measured(real_at(stage, "ms"));
    const char *const cells[] = {title_of(word_at(stage, "stage"), latent),
                                 rows.text,
                                 layers ? depth.text : "",
                                 matrix.text,
                                 layers ? calls.text : "",
                                 layers ? operations.text : "",
                                 number_at(stage, "bytes") ? bytes.text : "",
                                 time.text};
    print_row(cells);
}

/* "tokenwise-s, 8.8 M parameters", and for a model that was not run why. */
static void print_way(const struct context *context, size_t way, const struct latent_value *run)
{
    printf("  %s%s%s  %s\n", colour_begin(context->colour, COLOUR_HEADING), ways[way].title,
           colour_end(context->colour), ways[way].what);
    if (way != WAY_TRANSFORMER)
        return;
    if (latent_value_bool(latent_value_at(run, "measured"), false))
        printf("  %s, %s parameters\n", word_at(run, "model"), show_operations(number_at(run, "parameters")).text);
    else
        printf("  %scounted, not run:%s %s parameters; %s\n", colour_begin(context->colour, COLOUR_BAD),
               colour_end(context->colour), show_operations(number_at(run, "parameters")).text, word_at(run, "reason"));
}

static void print_header(const struct context *context)
{
    fputs(colour_begin(context->colour, COLOUR_FAINT), stdout);
    print_row(
        (const char *const[]){"", "objects", "layers", "attention matrix", "MLP calls", "operations", "bytes", "time"});
    print_row((const char *const[]){"", "mixed", "", "", "per layer", "", "moved", ""});
    fputs(colour_end(context->colour), stdout);
}

static void print_run(const struct context *context, size_t way, const struct latent_value *run)
{
    const struct latent_value *prompt = latent_value_at(run, "prompt");
    putchar('\n');
    print_way(context, way, run);
    for (size_t i = 0; i < latent_value_count(prompt); i++)
        print_stage(latent_value_item(prompt, i), way != WAY_TRANSFORMER);
    fputs(colour_begin(context->colour, COLOUR_HEADING), stdout);
    print_row((const char *const[]){"first token", "", "", "", "", show_operations(number_at(run, "operations")).text,
                                    show_bytes(number_at(run, "bytes")).text,
                                    show_measured(real_at(run, "first_token_ms")).text});
    fputs(colour_end(context->colour), stdout);
}

static void print_glossary(const struct context *context)
{
    static const char glossary[] =
        "  look up: which latents are known?       encode: the tokens of one span to a latent\n"
        "  refine: the latents of one document     mix: all latents of the prompt\n"
        "  decode: the last tokens, which see each other and all mixed latents, to the next one\n";
    printf("%s%s%s", colour_begin(context->colour, COLOUR_FAINT), glossary, colour_end(context->colour));
}

/* "3.6 times fewer", "1.4 times more" */
static struct quantity show_ratio(double ours, double theirs, const char *less, const char *more, const char *same)
{
    struct quantity shown = {""};
    snprintf(shown.text, sizeof shown.text, "%s", same);
    double ratio = ours < theirs ? theirs / ours : ours / theirs;
    if (ours > 0 && theirs > 0 && ratio >= 1.05)
        snprintf(shown.text, sizeof shown.text, "%.1f times %.10s", ratio, ours < theirs ? less : more);
    return shown;
}

static void print_comparison(const struct latent_value *reply)
{
    double theirs = (double)number_at(reply, "runs.token_level.operations");
    printf("\n  Beside the transformer, latentd does %s operations cold, %s warm.\n",
           show_ratio((double)number_at(reply, "runs.cold.operations"), theirs, "fewer", "more", "as many").text,
           show_ratio((double)number_at(reply, "runs.warm.operations"), theirs, "fewer", "more", "as many").text);
    double time = real_at(reply, "runs.token_level.first_token_ms");
    if (time > 0)
        printf("  Its first token comes %s cold, %s warm.\n",
               show_ratio(real_at(reply, "runs.cold.first_token_ms"), time, "sooner", "later", "as soon").text,
               show_ratio(real_at(reply, "runs.warm.first_token_ms"), time, "sooner", "later", "as soon").text);
    if (latent_value_bool(latent_value_at(reply, "answer.same"), false))
        printf("  Cold and warm gave the same answer, to the letter.\n");
    else
        printf("  Cold and warm did not give the same answer: that is a fault in latentd.\n");
}

/* --- each further token --- */

static void print_token_row(const char *const cells[7])
{
    static const int columns[] = {-16, 14, 16, 16, 12, 13, 11};
    print_cells(cells, columns, 7);
}

static void print_token(size_t way, const struct latent_value *run)
{
    const struct latent_value *answer = latent_value_at(run, "answer");
    uint64_t tokens = number_at(run, "answer_tokens"), operations = 0, bytes = 0, spans = 0;
    if (tokens == 0)
        return;
    const struct latent_value *decode = latent_value_item(answer, latent_value_count(answer) - 1);
    for (size_t i = 0; i < latent_value_count(answer); i++) {
        const struct latent_value *stage = latent_value_item(answer, i);
        operations += number_at(stage, "operations");
        bytes += number_at(stage, "bytes");
        if (strcmp(word_at(stage, "stage"), "encode") == 0)
            spans = number_at(stage, "objects") ? number_at(latent_value_item(answer, 0), "objects") : 0;
    }
    print_token_row((const char *const[]){ways[way].title, show_count(number_at(decode, "layers")).text,
                                          show_count(number_at(decode, "matrix.keys")).text,
                                          way == WAY_TRANSFORMER ? "" : show_count(spans).text,
                                          show_operations(operations / tokens).text, show_bytes(bytes / tokens).text,
                                          show_measured(real_at(run, "token_ms")).text});
}

static void print_answer(const struct context *context, const struct latent_value *reply)
{
    char beside[128];
    const struct latent_value *cold = latent_value_at(reply, "runs.cold");
    snprintf(beside, sizeof beside, "the mean of %s", show_count(number_at(cold, "answer_tokens")).text);
    print_heading(context, "4 EACH FURTHER TOKEN", beside);
    if (number_at(cold, "answer_tokens") == 0) {
        printf("  There was none: the model ended at once.\n");
        return;
    }
    fputs("  ", stdout);
    print_quoted_short(word_at(reply, "answer.text"), SAID_COLUMNS);
    putchar('\n');
    fputs(colour_begin(context->colour, COLOUR_FAINT), stdout);
    print_token_row(
        (const char *const[]){"", "layers", "sees at most", "latents made", "operations", "bytes moved", "time"});
    fputs(colour_end(context->colour), stdout);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        print_token(i, latent_value_at(reply, ways[i].path));
    printf("  latentd's decoder is small. It sees the last %s tokens, and all that came before as latents.\n"
           "  When the answer closes a span, that becomes a latent as well: made once, kept, mixed in.\n",
           show_count(number_at(reply, "model.window")).text);
}

void print_explained_stages(const struct context *context, const struct latent_value *reply)
{
    char beside[128];
    snprintf(beside, sizeof beside, "the fastest of %s rounds", show_count(number_at(reply, "rounds")).text);
    print_heading(context, "3 TO THE FIRST TOKEN", beside);
    print_glossary(context);
    print_header(context);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        print_run(context, i, latent_value_at(reply, ways[i].path));
    print_comparison(reply);
    print_answer(context, reply);
}
