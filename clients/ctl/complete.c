/* Candidates for one word. The words in front of it say what it is: a command, an option, an option's value or one of
 * the command's arguments. */
#include "clients/ctl/complete.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "clients/ctl/daemon.h"

#define TOKEN_BYTES_MAX 64
#define ABOUT_BYTES_MAX 96
#define PATIENCE_MS 500 /* for a daemon that is to name its models */

struct completion {
    enum command command;         /* COMMAND_COUNT: none yet */
    const struct option *option;  /* whose value is typed, or NULL */
    const char *const *arguments; /* the words, from the first behind the command on; options may be among them */
    size_t argument_count;
    const char *typed;
    const char *socket;              /* of -s */
    const char *token_file, *tls_ca; /* likewise */
    candidate_function offer;
    void *data;
};

/* Names that the daemon knows: what they are names of, and the method that lists them. */
static const struct source {
    const char *of;     /* an option, or a command that takes one as an argument */
    const char *method; /* and where the names are in what it returns */
    const char *list;
} sources[] = {
    {"model", "models", "models"},
    {"namespace", "namespace.list", "namespaces"},
    {"doc", "doc.list", "documents"}, /* the option of generate and explain, and what doc show and its like take */
};

static void offer(const struct completion *completion, const char *candidate, const char *about)
{
    if (*candidate == ':' || strncmp(candidate, completion->typed, strlen(completion->typed)) == 0)
        completion->offer(candidate, about, completion->data);
}

/* ---- What the daemon knows ---- */

static void offer_names(const struct completion *completion, const struct source *source)
{
    struct context context = {
        .options = {.socket = completion->socket, .token_file = completion->token_file, .tls_ca = completion->tls_ca}};
    const char *why;
    struct latent_reply *reply = NULL;
    struct latent *latent = context.latent = latent_create();
    if (!latent)
        return;
    daemon_find(&context);
    latent_set_timeout(latent, PATIENCE_MS);
    int code = daemon_take_token(&context, &why) ? latent_connect(latent, context.socket) : LATENT_EPARAM;
    if (code == LATENT_OK)
        code = latent_call(latent, source->method, NULL, &reply);
    if (code == LATENT_OK) {
        const struct latent_value *list = latent_reply_at(reply, source->list);
        for (size_t i = 0; i < latent_value_count(list); i++)
            offer(completion, latent_value_text(latent_value_at(latent_value_item(list, i), "name"), ""), "");
    }
    latent_reply_destroy(reply);
    latent_destroy(latent);
}

/* ---- Help texts, read ---- */

/* The next word of a line of usage, a part in brackets as a whole. False at the end of the line. */
static bool read_token(const char **at, char *ret_token)
{
    size_t bytes = 0;
    int depth = 0;
    while (**at == ' ')
        ++*at;
    for (; **at && **at != '\n' && (depth > 0 || **at != ' '); ++*at) {
        depth += (**at == '[') - (**at == ']');
        if (bytes + 1 < TOKEN_BYTES_MAX)
            ret_token[bytes++] = **at;
    }
    ret_token[bytes] = '\0';
    return bytes > 0;
}

/* The next argument that a line of usage names: "put", "NAME", "FILE|-", of "[COMMAND]" what is in the brackets. */
static bool read_operand(const char **at, char *ret_token)
{
    while (read_token(at, ret_token)) {
        const char *after = *at;
        if (strncmp(ret_token, "--", 2) == 0) { /* an option that must be given; its value is a word, too */
            char value[TOKEN_BYTES_MAX];
            if (read_token(&after, value) && isupper((unsigned char)*value))
                *at = after;
        } else if (*ret_token == '[' && isupper((unsigned char)ret_token[1]) && strncmp(ret_token, "[OPTION", 7) != 0) {
            memmove(ret_token, ret_token + 1, strlen(ret_token));
            ret_token[strcspn(ret_token, "]")] = '\0';
            return true;
        } else if (*ret_token != '[' && *ret_token != '|') {
            return true;
        }
    }
    return false;
}

/* Where the text says "--NAME " or "--NAME\n" at the start of a line, behind the name; NULL if it does not. */
static const char *find_option(const char *text, const char *name)
{
    size_t bytes = strlen(name);
    for (const char *at = text; (at = strstr(at, "--")) != NULL; at += 2) {
        const char *line = at;
        while (line > text && line[-1] != '\n')
            line--;
        if (*line == ' ' && line[strspn(line, " ")] == '-' && strncmp(at + 2, name, bytes) == 0 &&
            (at[2 + bytes] == ' ' || at[2 + bytes] == '\n'))
            return at + 2 + bytes;
    }
    return NULL;
}

/* What an option is, as the help on the command says it, or else that on all, or on another command: the name of its
 * value, and the first line about it. */
static void describe(enum command command, const struct option *option, char *ret_value, char *ret_about)
{
    const char *at = find_option(options_help(command), option->name);
    if (!at)
        at = find_option(options_help(COMMAND_COUNT), option->name);
    for (enum command other = 0; !at && other < COMMAND_COUNT; other++)
        at = find_option(options_help(other), option->name);
    *ret_value = *ret_about = '\0';
    if (!at)
        return;
    if (option->has_arg)
        read_token(&at, ret_value);
    at += strspn(at, " ");
    snprintf(ret_about, ABOUT_BYTES_MAX, "%.*s", (int)strcspn(at, "\n"), at);
}

/* ---- Candidates ---- */

static void offer_commands(const struct completion *completion)
{
    for (enum command command = 0; command < COMMAND_COUNT; command++) {
        char about[ABOUT_BYTES_MAX] = "", start[TOKEN_BYTES_MAX];
        snprintf(start, sizeof start, "\n  %s ", options_command_name(command));
        const char *at = strstr(options_help(COMMAND_COUNT), start);
        if (at && (at = strstr(at + strlen(start), "  ")) != NULL) {
            at += strspn(at, " ");
            snprintf(about, sizeof about, "%.*s", (int)strcspn(at, "\n"), at);
        }
        offer(completion, options_command_name(command), about);
    }
}

static void offer_options(const struct completion *completion)
{
    for (const struct option *option = options_list(); option->name; option++) {
        char value[TOKEN_BYTES_MAX], about[ABOUT_BYTES_MAX], candidate[TOKEN_BYTES_MAX];
        if (!options_takes(completion->command, option->val))
            continue;
        describe(completion->command, option, value, about);
        snprintf(candidate, sizeof candidate, "--%s", option->name);
        offer(completion, candidate, about);
    }
}

/* What a help text calls `value`: "FILE", "chat|text", "FILE|-|DIRECTORY". `of` is the option or command that it
 * belongs to. */
static void offer_value(const struct completion *completion, char *value, const char *of)
{
    char *rest = value;
    bool file = false;
    for (char *one; (one = strsep(&rest, "|")) != NULL;) {
        file |= strcmp(one, "FILE") == 0;
        if (strcmp(one, "FILE") == 0 || strcmp(one, "SOCKET") == 0)
            offer(completion, CANDIDATE_FILE, "");
        else if (strcmp(one, "DIRECTORY") == 0 && !file) /* files are looked for in directories */
            offer(completion, CANDIDATE_DIRECTORY, "");
        else if (strcmp(one, "COMMAND") == 0)
            offer_commands(completion);
        else if (islower((unsigned char)*one))
            offer(completion, one, "");
        else if (strcmp(one, "NAME") == 0)
            for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
                if (strcmp(sources[i].of, of) == 0)
                    offer_names(completion, &sources[i]);
    }
}

/* Whether a word may be what a line of usage calls `operand`: the same if that is a word itself, anything if it is a
 * name. */
static bool matches(const char *operand, const char *word)
{
    char alternatives[TOKEN_BYTES_MAX], *rest = alternatives;
    if (!islower((unsigned char)*operand))
        return true;
    snprintf(alternatives, sizeof alternatives, "%s", operand);
    for (char *one; (one = strsep(&rest, "|")) != NULL;)
        if (strcmp(one, word) == 0)
            return true;
    return false;
}

/* Whether the word before is an option that takes a value. */
static const struct option *find_pending(const char *word)
{
    if (*word != '-' || strchr(word, '='))
        return NULL;
    for (const struct option *option = options_list(); option->name; option++)
        if (option->has_arg &&
            (strncmp(word, "--", 2) == 0 ? strcmp(word + 2, option->name) == 0 : word[1] == option->val && !word[2]))
            return option;
    return NULL;
}

/* The argument that is typed, by each line of usage that goes with the arguments before it. */
static void offer_arguments(const struct completion *completion)
{
    const char *name = options_command_name(completion->command);
    const char *line = options_help(completion->command);
    for (; strncmp(line, "Usage: ", 7) == 0 || *line == ' '; line += strcspn(line, "\n") + 1) {
        char operand[TOKEN_BYTES_MAX] = "";
        const char *at = strstr(line, name);
        bool fits = at && read_operand((at += strlen(name), &at), operand);
        for (size_t i = 0; fits && i + 1 < completion->argument_count; i++) {
            const char *word = completion->arguments[i];
            if (*word == '-' && word[1])
                i += find_pending(word) != NULL;
            else
                fits = matches(operand, word) && read_operand(&at, operand);
        }
        if (fits)
            offer_value(completion, operand, name);
    }
}

/* Goes through the words in front of the one that is typed. */
static void read_words(struct completion *completion, size_t count, const char *const *words)
{
    for (size_t i = 0; i + 1 < count; i++) {
        const struct option *option = find_pending(words[i]);
        if (option && i + 2 == count)
            completion->option = option;
        else if (option && option->val == 's')
            completion->socket = words[i + 1];
        else if (option && strcmp(option->name, "token-file") == 0)
            completion->token_file = words[i + 1];
        else if (option && strcmp(option->name, "tls-ca") == 0)
            completion->tls_ca = words[i + 1];
        else if (!option && *words[i] != '-' && completion->command == COMMAND_COUNT &&
                 options_find_command(words[i], &completion->command)) {
            completion->arguments = words + i + 1;
            completion->argument_count = count - i - 1;
        }
        i += option != NULL;
    }
}

void complete_words(size_t count, const char *const *words, candidate_function offer_one, void *data)
{
    struct completion completion = {.command = COMMAND_COUNT, .offer = offer_one, .data = data};
    char value[TOKEN_BYTES_MAX], about[ABOUT_BYTES_MAX];
    if (count == 0)
        return;
    completion.typed = words[count - 1];
    read_words(&completion, count, words);
    if (completion.option) {
        describe(completion.command, completion.option, value, about);
        offer_value(&completion, value, completion.option->name);
    } else if (*completion.typed == '-') {
        offer_options(&completion);
    } else if (completion.command == COMMAND_COUNT) {
        offer_commands(&completion);
    } else {
        offer_arguments(&completion);
    }
}

static void print_candidate(const char *candidate, const char *about, void *data)
{
    (void)data;
    printf("%s\t%s\n", candidate, about);
}

int complete_print(size_t count, const char *const *words)
{
    complete_words(count, words, print_candidate, NULL);
    return EXIT_DONE;
}
