/* latentctl repl: a command or a prompt a line, over one connection. A line is read into the same options as a command
 * line is, so all that latentctl can do can be done here, and nothing is said twice. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <histedit.h>

#include "clients/ctl/command.h"
#include "clients/ctl/daemon.h"
#include "clients/ctl/interrupt.h"
#include "clients/ctl/line.h"

#define WORDS_MAX 256 /* of a command line that is made of a line */

struct repl {
    struct context *context;
    char *given[WORDS_MAX]; /* options of generate, for all prompts: first those of latentctl repl, then those of set */
    size_t given_count;
    size_t fixed_count; /* those of latentctl repl */
    bool done;
};

/* Reads the words behind "latentctl" into context->options and does what they say. */
static void run_words(struct repl *repl, int count, const char **words)
{
    struct context *context = repl->context;
    struct options options;
    if (!options_read(count, (char **)words, &options)) /* puts them in another order, no more */
        return;
    if (options.help || options.command == COMMAND_HELP) {
        fputs(options_help(options.help ? options.command : COMMAND_COUNT), stdout);
    } else if (options.version) {
        puts("latentctl " LT_VERSION);
    } else if (options.socket && strcmp(options.socket, context->socket) != 0) {
        fputs("latentctl: this conversation is with one daemon; quit, and name the other with -s\n", stderr);
    } else if (!command_of(options.command) || options.command == COMMAND_REPL) {
        fprintf(stderr, "latentctl: %s is for command lines\n", options_command_name(options.command));
    } else {
        context->options = options;
        /* The daemon may have been started anew since the last line. */
        if (latent_ping(context->latent) == LATENT_OK || daemon_connect(context) == EXIT_DONE)
            command_run(context);
    }
}

static void run_prompt(struct repl *repl, const char *prompt)
{
    const char *words[WORDS_MAX + 4] = {"latentctl", "generate"};
    int count = 2;
    for (size_t i = 0; i < repl->given_count; i++)
        words[count++] = repl->given[i];
    words[count++] = "--";
    words[count++] = prompt;
    run_words(repl, count, words);
}

/* ---- set ---- */

static void forget(struct repl *repl, size_t count)
{
    while (repl->given_count > count)
        free(repl->given[--repl->given_count]);
}

/* Adds words to what is given with each prompt, if generate takes them together. */
static void give(struct repl *repl, size_t count, const char *const *words)
{
    size_t before = repl->given_count;
    const char *line[WORDS_MAX + 4] = {"latentctl", "generate"};
    struct options options;
    for (size_t i = 0; i < count; i++) {
        char *word = repl->given_count < WORDS_MAX ? strdup(words[i]) : NULL;
        if (!word) {
            fputs("latentctl: too many options\n", stderr);
            forget(repl, before);
            return;
        }
        repl->given[repl->given_count++] = word;
    }
    for (size_t i = 0; i < repl->given_count; i++)
        line[2 + i] = repl->given[i];
    line[2 + repl->given_count] = "--";
    line[3 + repl->given_count] = "?";
    if (!options_read((int)repl->given_count + 4, (char **)line, &options))
        forget(repl, before);
}

static void set(struct repl *repl, size_t count, const char *const *words)
{
    if (count == 0)
        forget(repl, repl->fixed_count);
    else
        give(repl, count, words);
    fputs("set for each prompt:", stderr);
    for (size_t i = repl->fixed_count; i < repl->given_count; i++)
        fprintf(stderr, " %s", repl->given[i]);
    fputs(repl->given_count > repl->fixed_count ? "\n" : " nothing\n", stderr);
}

/* ---- Lines ---- */

/* A line that begins with a command, or with a word of the conversation's own: read as a shell reads it. */
static void run_command(struct repl *repl, const char *line)
{
    Tokenizer *tokenizer = tok_init(NULL);
    const char **words;
    int count;
    if (!tokenizer || tok_str(tokenizer, line, &count, &words) != 0) {
        fputs("latentctl: a quotation mark is missing at the end; begin a prompt with a blank to have it taken as it "
              "is\n",
              stderr);
    } else if (line_is_own(words[0])) {
        if (strcmp(words[0], "set") == 0)
            set(repl, (size_t)count - 1, words + 1);
        else
            repl->done = true;
    } else if (count < WORDS_MAX) {
        const char *line_words[WORDS_MAX + 1] = {"latentctl"};
        memcpy(line_words + 1, words, (size_t)count * sizeof *words);
        run_words(repl, count + 1, line_words);
    }
    if (tokenizer)
        tok_end(tokenizer);
}

static void run_line(struct repl *repl, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *text = line + strspn(line, " \t");
    if (!*text)
        return;
    if (text == line && line_is_command(line))
        run_command(repl, line);
    else
        run_prompt(repl, text);
}

int command_repl(struct context *context)
{
    struct repl repl = {.context = context};
    give(&repl, context->options.word_count, context->options.words);
    repl.fixed_count = repl.given_count;
    context->conversation = true;
    interrupt_catch();
    line_open();
    if (context->terminal)
        printf("latentd on %s. A line is a prompt, or a command: try help. Tab completes, Ctrl-D ends.\n",
               context->socket);
    while (!repl.done) {
        char *line = line_read("> ");
        if (!line)
            break;
        run_line(&repl, line);
        interrupt_clear();
        free(line);
    }
    line_close();
    forget(&repl, 0);
    return EXIT_DONE;
}
