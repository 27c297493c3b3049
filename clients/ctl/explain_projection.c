/* What becomes of it when prompts are long. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clients/ctl/explain_page.h"

static void print_row(const char *const cells[8])
{
    static const int columns[] = {-18, 7, 21, 11, 10, 10, 12, 9};
    print_cells(cells, columns, 8);
}

static void print_header(const struct context *context)
{
    static const int groups[] = {46, 31, 21};
    fputs(colour_begin(context->colour, COLOUR_FAINT), stdout);
    print_cells((const char *const[]){"", "to the first token", "each further token"}, groups, 3);
    print_row(
        (const char *const[]){"", "objects", "attention matrix", "operations", "bytes", "time", "operations", "time"});
    fputs(colour_end(context->colour), stdout);
}

static struct quantity show_time(double milliseconds)
{
    return milliseconds < 0 ? (struct quantity){"counted"} : show_measured(milliseconds);
}

static void print_cut(const struct latent_value *row)
{
    const char *cut = word_at(row, "cut");
    uint64_t objects = number_at(row, "objects");
    bool latent = strcmp(cut, "token_level") != 0;
    char title[64] = "transformer";
    if (strcmp(cut, "fixed") == 0)
        snprintf(title, sizeof title, "spans of %" PRIu64 ", cold", number_at(row, "span_tokens"));
    else if (latent)
        snprintf(title, sizeof title, "cut as above, cold");
    print_row((const char *const[]){
        title, show_count(objects).text, show_matrix(objects, objects, number_at(row, "matrix_entries")).text,
        show_operations(number_at(row, "cold_operations")).text, show_bytes(number_at(row, "cold_bytes")).text,
        show_time(real_at(row, "cold_ms")).text, show_operations(number_at(row, "token_operations")).text,
        show_time(real_at(row, "token_ms")).text});
    if (latent)
        print_row((const char *const[]){
            "             warm", "", "", show_operations(number_at(row, "warm_operations")).text,
            show_bytes(number_at(row, "warm_bytes")).text, show_time(real_at(row, "warm_ms")).text, "", ""});
}

static const struct latent_value *find_cut(const struct latent_value *rows, uint64_t tokens, const char *cut,
                                           uint64_t span_tokens)
{
    for (size_t i = 0; i < latent_value_count(rows); i++) {
        const struct latent_value *row = latent_value_item(rows, i);
        if (number_at(row, "tokens") == tokens && strcmp(word_at(row, "cut"), cut) == 0 &&
            number_at(row, "span_tokens") == span_tokens)
            return row;
    }
    return NULL;
}

static void print_lesson(const struct latent_value *rows, uint64_t tokens)
{
    const struct latent_value *whole = find_cut(rows, tokens, "token_level", 0);
    const struct latent_value *eight = find_cut(rows, tokens, "fixed", 8), *more = find_cut(rows, tokens, "fixed", 32);
    if (!whole || !eight || !more)
        return;
    printf("  The attention matrix shrinks by the square: %s-fold with spans of 8, %s-fold with spans of 32.\n"
           "  Operations to the first token, warm: %.1f and %.1f times fewer.\n",
           show_count(number_at(whole, "matrix_entries") / number_at(eight, "matrix_entries")).text,
           show_count(number_at(whole, "matrix_entries") / number_at(more, "matrix_entries")).text,
           (double)number_at(whole, "warm_operations") / (double)number_at(eight, "warm_operations"),
           (double)number_at(whole, "warm_operations") / (double)number_at(more, "warm_operations"));
}

/* What the rows of fixed spans and long texts do not say. */
static void print_caveats(const struct context *context, const struct latent_value *reply)
{
    uint64_t maximum = number_at(reply, "model.span_maximum"), tokens = number_at(reply, "model.trained_tokens");
    if (maximum < 32)
        printf("  Spans of 32 are counted for an encoder that takes them; that of %s takes %" PRIu64 ".\n",
               word_at(reply, "model.name"), maximum);
    if (context->options.measure && tokens < number_at(latent_value_at(reply, "projection[0]"), "tokens"))
        printf("  %s was trained on %s tokens at most: longer runs show its work, not its wit.\n",
               word_at(reply, "model.name"), show_count(tokens).text);
}

static void print_notes(const struct context *context)
{
    static const char notes[] =
        "\n"
        "objects: tokens or latents that go through the layers, and so calls of each layer's MLP, its feed-\n"
        "forward network. attention matrix: of one head in one layer, with the half that causality hides;\n"
        "Σ n²: of small ones side by side. operations: of matrix products and attention, a multiply-add is\n"
        "two. bytes: weights once a pass, keys and values each time a row reads them, latents looked up.\n";
    printf("%s%s%s", colour_begin(context->colour, COLOUR_FAINT), notes, colour_end(context->colour));
}

void print_explained_projection(const struct context *context, const struct latent_value *reply)
{
    const struct latent_value *rows = latent_value_at(reply, "projection");
    uint64_t tokens = 0;
    int number = 6;
    char title[64];
    for (size_t i = 0; i < latent_value_count(rows); i++) {
        const struct latent_value *row = latent_value_item(rows, i);
        if (number_at(row, "tokens") != tokens) {
            if (tokens)
                print_lesson(rows, tokens);
            tokens = number_at(row, "tokens");
            snprintf(title, sizeof title, "%d AT %s TOKENS", number++, show_count(tokens).text);
            print_heading(context, title,
                          context->options.measure ? "run, or counted where no model here can run it"
                                                   : "counted; run them with --measure");
            print_header(context);
        }
        print_cut(row);
    }
    print_lesson(rows, tokens);
    print_caveats(context, reply);
    print_notes(context);
}
