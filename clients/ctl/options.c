/* Reading of the command line. */
#include "clients/ctl/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOR(command) (1u << (command))
#define FOR_ALL (FOR(COMMAND_COUNT) - 1)
#define FOR_GENERATE (FOR(COMMAND_GENERATE) | FOR(COMMAND_REPL)) /* repl passes them on */
#define FOR_PACKS (FOR(COMMAND_EXPORT) | FOR(COMMAND_IMPORT))
#define FOR_LATENTS (FOR(COMMAND_PIN) | FOR(COMMAND_UNPIN) | FOR(COMMAND_EVICT))
#define FOR_TEXTS (FOR_GENERATE | FOR(COMMAND_ENCODE) | FOR(COMMAND_SCORE))

static const struct {
    const char *name;
    int least, most; /* arguments */
} commands[COMMAND_COUNT] = {
    [COMMAND_REMOTE] = {"remote", 1, 1},     [COMMAND_GENERATE] = {"generate", 1, 1},
    [COMMAND_ENCODE] = {"encode", 1, 1},     [COMMAND_SCORE] = {"score", 1, 1},
    [COMMAND_DOC] = {"doc", 1, 3},           [COMMAND_NAMESPACE] = {"namespace", 1, 2},
    [COMMAND_PIN] = {"pin", 0, 1},           [COMMAND_UNPIN] = {"unpin", 0, 1},
    [COMMAND_EVICT] = {"evict", 0, 1},       [COMMAND_FLUSH] = {"flush", 0, 0},
    [COMMAND_SCAN] = {"scan", 0, 0},         [COMMAND_VERIFY] = {"verify", 0, 0},
    [COMMAND_BACKUP] = {"backup", 1, 1},     [COMMAND_EXPORT] = {"export", 1, 1},
    [COMMAND_IMPORT] = {"import", 1, 1},     [COMMAND_STATS] = {"stats", 0, 0},
    [COMMAND_INFO] = {"info", 0, 0},         [COMMAND_PING] = {"ping", 0, 0},
    [COMMAND_MODELS] = {"models", 0, 0},     [COMMAND_SHUTDOWN] = {"shutdown", 0, 0},
    [COMMAND_HELP] = {"help", 0, 1},         [COMMAND_BENCH] = {"bench", 0, 0},
    [COMMAND_EXPLAIN] = {"explain", 1, 1},   [COMMAND_NEAR] = {"near", 1, 1},
    [COMMAND_COMPLETE] = {"complete", 0, 1}, [COMMAND_TOKEN] = {"token", 2, 2},
    [COMMAND_TOP] = {"top", 0, 0},           [COMMAND_REPL] = {"repl", 0, 0},
};

enum option_key {
    OPTION_SOCKET = 's',
    OPTION_HELP = 'h',
    OPTION_VERSION = 'V',
    OPTION_NEAREST = 'k',
    OPTION_JSON = 256,
    OPTION_WATCH,
    OPTION_MODEL,
    OPTION_MAX_TOKENS,
    OPTION_TEMPERATURE,
    OPTION_TOP_K,
    OPTION_TOP_P,
    OPTION_REPETITION_PENALTY,
    OPTION_SEED,
    OPTION_STOP,
    OPTION_FORMAT,
    OPTION_DOC,
    OPTION_FILE,
    OPTION_DOC_VERSION,
    OPTION_NAMESPACE,
    OPTION_TTL,
    OPTION_QUOTA,
    OPTION_KEY,
    OPTION_SHARE,
    OPTION_ALL,
    OPTION_YES,
    OPTION_REENCODE,
    OPTION_MEASURE,
    OPTION_TOKEN_FILE,
    OPTION_TLS_CA,
    OPTION_ROLES,
};

static const struct option long_options[] = {
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"tls-ca", required_argument, NULL, OPTION_TLS_CA},
    {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
    {"json", no_argument, NULL, OPTION_JSON},
    {"watch", no_argument, NULL, OPTION_WATCH},
    {"model", required_argument, NULL, OPTION_MODEL},
    {"max-tokens", required_argument, NULL, OPTION_MAX_TOKENS},
    {"temperature", required_argument, NULL, OPTION_TEMPERATURE},
    {"top-k", required_argument, NULL, OPTION_TOP_K},
    {"top-p", required_argument, NULL, OPTION_TOP_P},
    {"repetition-penalty", required_argument, NULL, OPTION_REPETITION_PENALTY},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"stop", required_argument, NULL, OPTION_STOP},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"doc", required_argument, NULL, OPTION_DOC},
    {"file", required_argument, NULL, OPTION_FILE},
    {"doc-version", required_argument, NULL, OPTION_DOC_VERSION},
    {"namespace", required_argument, NULL, OPTION_NAMESPACE},
    {"ttl", required_argument, NULL, OPTION_TTL},
    {"quota", required_argument, NULL, OPTION_QUOTA},
    {"key", required_argument, NULL, OPTION_KEY},
    {"share", required_argument, NULL, OPTION_SHARE},
    {"all", no_argument, NULL, OPTION_ALL},
    {"yes", no_argument, NULL, OPTION_YES},
    {"reencode", no_argument, NULL, OPTION_REENCODE},
    {"roles", required_argument, NULL, OPTION_ROLES},
    {"nearest", required_argument, NULL, OPTION_NEAREST},
    {"measure", no_argument, NULL, OPTION_MEASURE},
    {NULL, 0, NULL, 0},
};

/* Which commands take an option, as a set of FOR(). */
static unsigned commands_of(int option)
{
    switch (option) {
    case OPTION_SOCKET:
    case OPTION_TOKEN_FILE:
    case OPTION_TLS_CA:
    case OPTION_HELP:
    case OPTION_VERSION:
    case OPTION_JSON:
        return FOR_ALL;
    case OPTION_WATCH:
        return FOR(COMMAND_STATS);
    case OPTION_NAMESPACE:
        return FOR_TEXTS | FOR_LATENTS | FOR(COMMAND_FLUSH) | FOR(COMMAND_SCAN) | FOR(COMMAND_VERIFY) | FOR_PACKS |
               FOR(COMMAND_DOC) | FOR(COMMAND_NEAR) | FOR(COMMAND_EXPLAIN) | FOR(COMMAND_TOKEN);
    case OPTION_ROLES:
        return FOR(COMMAND_TOKEN);
    case OPTION_REENCODE:
        return FOR(COMMAND_VERIFY);
    case OPTION_KEY:
        return FOR_LATENTS;
    case OPTION_SHARE:
        return FOR(COMMAND_EVICT);
    case OPTION_ALL:
    case OPTION_YES:
        return FOR(COMMAND_FLUSH);
    case OPTION_TTL:
        return FOR_TEXTS | FOR(COMMAND_NAMESPACE) | FOR(COMMAND_IMPORT);
    case OPTION_QUOTA:
        return FOR(COMMAND_NAMESPACE);
    case OPTION_MODEL:
        return FOR_TEXTS | FOR_LATENTS | FOR(COMMAND_BENCH) | FOR(COMMAND_EXPORT) | FOR(COMMAND_EXPLAIN) |
               FOR(COMMAND_NEAR) | FOR(COMMAND_DOC);
    case OPTION_DOC_VERSION:
        return FOR(COMMAND_DOC);
    case OPTION_DOC:
        return FOR_GENERATE | FOR(COMMAND_EXPLAIN) | FOR(COMMAND_EXPORT);
    case OPTION_FILE:
        return FOR_GENERATE | FOR(COMMAND_EXPLAIN);
    case OPTION_MEASURE:
        return FOR(COMMAND_EXPLAIN);
    case OPTION_NEAREST:
        return FOR(COMMAND_NEAR);
    default:
        return FOR_GENERATE;
    }
}

static const char *name_of(int option)
{
    const struct option *found = long_options;
    while (found->name && found->val != option)
        found++;
    return found->name;
}

static bool fail(const char *message, const char *what)
{
    fprintf(stderr, "latentctl: %s%s; see latentctl --help\n", message, what);
    return false;
}

static bool fail_value(int option, const char *right)
{
    fprintf(stderr, "latentctl: --%s takes %s; found \"%s\"\n", name_of(option), right, optarg);
    return false;
}

static bool read_integer(int option, unsigned long long min, unsigned long long max, unsigned long long *ret_value)
{
    char *end;
    char right[80];
    errno = 0;
    unsigned long long value = strtoull(optarg, &end, 10);
    if (errno || end == optarg || *end || strchr(optarg, '-') || value < min || value > max) {
        snprintf(right, sizeof right, "an integer from %llu to %llu", min, max);
        return fail_value(option, right);
    }
    *ret_value = value;
    return true;
}

static bool read_number(int option, double min, double max, double *ret_value)
{
    char *end;
    char right[80];
    double value = strtod(optarg, &end);
    if (end == optarg || *end || isnan(value) || value < min || value > max) {
        snprintf(right, sizeof right, "a number from %g to %g", min, max);
        return fail_value(option, right);
    }
    *ret_value = value;
    return true;
}

/* A number with an optional letter behind it, each standing for a factor; a number alone is taken as it is. */
static bool read_scaled(int option, const char *letters, const uint64_t *factors, uint64_t max, const char *right,
                        uint64_t *ret_value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(optarg, &end, 10);
    uint64_t factor = 1;
    const char *letter = *end ? strchr(letters, *end) : NULL;
    if (letter) {
        factor = factors[letter - letters];
        end++;
    }
    if (errno || end == optarg || *end || strchr(optarg, '-') || number > max / factor)
        return fail_value(option, right);
    *ret_value = number * factor;
    return true;
}

static bool read_quota(struct options *options)
{
    static const uint64_t factors[] = {1ull << 10, 1ull << 20, 1ull << 30, 1ull << 40};
    options->has_quota = true;
    return read_scaled(OPTION_QUOTA, "KMGT", factors, LT_NAMESPACE_QUOTA_MAX,
                       "a size such as 64K, 10M or 2G; 0 is none", &options->quota_bytes);
}

static bool read_ttl(struct options *options)
{
    static const uint64_t factors[] = {1, 60, 3600, 86400};
    uint64_t seconds = 0;
    bool good = read_scaled(OPTION_TTL, "smhd", factors, LT_TTL_SECONDS_MAX,
                            "a time such as 90s, 10m, 12h or 7d; 0 is for ever", &seconds);
    options->ttl_seconds = (uint32_t)seconds;
    return good;
}

static bool read_key(struct options *options)
{
    if (options->key_count == OPTION_KEYS_MAX)
        return fail_value(OPTION_KEY, "at most 64 keys, one at a time");
    options->keys[options->key_count++] = optarg;
    return true;
}

static bool read_stop(struct options *options)
{
    if (options->generate.stop_count == LT_STOP_TEXTS_MAX)
        return fail_value(OPTION_STOP, "at most 8 texts, one at a time");
    if (!*optarg || strlen(optarg) > LT_STOP_TEXT_BYTES_MAX)
        return fail_value(OPTION_STOP, "a text of 1 to 256 bytes");
    options->stops[options->generate.stop_count++] = optarg;
    return true;
}

static bool read_document(struct options *options, int option)
{
    if (options->document_count == sizeof options->documents / sizeof *options->documents)
        return fail_value(option, "at most 255 documents, one at a time");
    options->documents[options->document_count++] = (struct option_document){optarg, option == OPTION_DOC};
    return true;
}

/* An option of generate. */
static bool read_generate_option(struct options *options, int option)
{
    struct latent_generate_options *generate = &options->generate;
    unsigned long long value = 0;
    bool good = true;
    switch (option) {
    case OPTION_MAX_TOKENS:
        good = read_integer(option, 1, LT_GENERATE_TOKENS_MAX, &value);
        generate->max_tokens = (uint32_t)value;
        return good;
    case OPTION_TEMPERATURE:
        return read_number(option, 0, LT_TEMPERATURE_MAX, &generate->temperature);
    case OPTION_TOP_K:
        good = read_integer(option, 0, LT_TOP_K_MAX, &value);
        generate->top_k = (int32_t)value;
        return good;
    case OPTION_TOP_P:
        return read_number(option, 0, 1, &generate->top_p);
    case OPTION_REPETITION_PENALTY:
        return read_number(option, 1, LT_REPETITION_PENALTY_MAX, &generate->repetition_penalty);
    case OPTION_SEED:
        good = read_integer(option, 0, UINT64_MAX, &value);
        generate->seed = value;
        return good;
    case OPTION_STOP:
        return read_stop(options);
    case OPTION_DOC:
    case OPTION_FILE:
        return read_document(options, option);
    default:
        if (strcmp(optarg, "chat") != 0 && strcmp(optarg, "text") != 0)
            return fail_value(option, "\"chat\" or \"text\"");
        generate->format = optarg;
        return true;
    }
}

static bool read_nearest(struct options *options)
{
    unsigned long long count = 0;
    bool good = read_integer(OPTION_NEAREST, 1, LT_NEAR_COUNT_MAX, &count);
    options->nearest = (uint32_t)count;
    return good;
}

static bool read_option(struct options *options, int option)
{
    switch (option) {
    case OPTION_SOCKET:
        options->socket = optarg;
        return true;
    case OPTION_TOKEN_FILE:
        options->token_file = optarg;
        return true;
    case OPTION_TLS_CA:
        options->tls_ca = optarg;
        return true;
    case OPTION_ROLES:
        options->roles = optarg;
        return true;
    case OPTION_HELP:
        options->help = true;
        return true;
    case OPTION_VERSION:
        options->version = true;
        return true;
    case OPTION_JSON:
        options->json = true;
        return true;
    case OPTION_WATCH:
        options->watch = true;
        return true;
    case OPTION_MEASURE:
        options->measure = true;
        return true;
    case OPTION_NEAREST:
        return read_nearest(options);
    case OPTION_MODEL:
        options->generate.model = optarg;
        return true;
    case OPTION_NAMESPACE:
        options->space = optarg;
        return true;
    case OPTION_TTL:
        return read_ttl(options);
    case OPTION_QUOTA:
        return read_quota(options);
    case OPTION_KEY:
        return read_key(options);
    case OPTION_SHARE:
        return read_number(option, 1e-6, 1, &options->share);
    case OPTION_ALL:
        options->all = true;
        return true;
    case OPTION_YES:
        options->yes = true;
        return true;
    case OPTION_REENCODE:
        options->reencode = true;
        return true;
    case OPTION_DOC_VERSION:
        return read_integer(option, 1, UINT32_MAX, &options->document_version);
    default:
        return read_generate_option(options, option);
    }
}

bool options_find_command(const char *name, enum command *ret_command)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            *ret_command = (enum command)i;
            return true;
        }
    }
    return false;
}

static bool find_command(const char *name, enum command *ret_command)
{
    return options_find_command(name, ret_command) || fail("there is no command ", name);
}

/* What doc does, and to what. */
static bool read_doc_words(struct options *options, int count, char **words)
{
    static const struct {
        const char *name, *usage;
        int arguments;
    } actions[DOC_ACTION_COUNT] = {
        [DOC_PUT] = {"put", "doc put takes a NAME, and a FILE, - or a DIRECTORY", 2},
        [DOC_LIST] = {"list", "doc list takes no argument", 0},
        [DOC_SHOW] = {"show", "doc show takes a NAME", 1},
        [DOC_REFINE] = {"refine", "doc refine takes a NAME", 1},
        [DOC_HISTORY] = {"history", "doc history takes a NAME", 1},
        [DOC_REMOVE] = {"rm", "doc rm takes a NAME", 1},
    };
    int action = 0;
    while (action < DOC_ACTION_COUNT && strcmp(actions[action].name, words[0]) != 0)
        action++;
    if (action == DOC_ACTION_COUNT)
        return fail("doc takes put, list, show, refine, history or rm; found ", words[0]);
    if (count - 1 != actions[action].arguments)
        return options->help || fail(actions[action].usage, "");
    options->doc_action = (enum doc_action)action;
    options->doc_name = count > 1 ? words[1] : NULL;
    options->doc_path = count > 2 ? words[2] : NULL;
    return true;
}

/* The command and its argument. Without either, at a terminal, a conversation. */
static bool read_words(struct options *options, int count, char **words)
{
    if (count == 0 && !options->help && !options->version && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        options->command = COMMAND_REPL;
        return true;
    }
    if (count == 0)
        return options->help || options->version || fail("a command is missing", "");
    if (!find_command(words[0], &options->command))
        return false;
    int arguments = count - 1;
    if (arguments > commands[options->command].most) {
        if (commands[options->command].most == 1)
            return fail("one argument only, in quotation marks if it has spaces; found also ", words[2]);
        return fail("too much on the command line: ", words[1 + commands[options->command].most]);
    }
    if (arguments < commands[options->command].least && !options->help)
        return fail(commands[options->command].name, " needs its argument");
    if (options->command == COMMAND_DOC && arguments > 0)
        return read_doc_words(options, arguments, words + 1);
    for (int i = 2; i < count; i++)
        options->operands[i - 2] = words[i];
    options->argument = count > 1 ? words[1] : NULL;
    return true;
}

bool options_read(int count, char **arguments, struct options *ret_options)
{
    struct options options = {.command = COMMAND_COUNT, .ttl_seconds = LATENT_TTL_DEFAULT};
    unsigned takers = FOR_ALL;
    const char *narrowest = "";
    int option;
    latent_generate_options_init(&options.generate);
    optind = 0; /* from the beginning: repl reads many lines */
    while ((option = getopt_long(count, arguments, "s:k:hV", long_options, NULL)) >= 0) {
        if (option == '?')
            return fail("the command line is wrong", "");
        if (!read_option(&options, option))
            return false;
        if (commands_of(option) != FOR_ALL)
            narrowest = name_of(option);
        takers &= commands_of(option);
        if (options.command == COMMAND_COUNT && takers == 0)
            return fail("options of different commands are mixed, the last being --", narrowest);
    }
    /* getopt_long has put what is no option to the end, behind "--" if that was given. */
    options.words = (const char *const *)arguments + 1;
    options.word_count = (size_t)optind - 1;
    if (options.word_count && strcmp(options.words[options.word_count - 1], "--") == 0)
        options.word_count--;
    if (!read_words(&options, count - optind, arguments + optind))
        return false;
    if (options.command != COMMAND_COUNT && !(takers & FOR(options.command))) {
        fprintf(stderr, "latentctl: %s does not take --%s\n", commands[options.command].name, narrowest);
        return false;
    }
    if (options.command == COMMAND_HELP && options.argument) {
        options.help = true;
        if (!find_command(options.argument, &options.command))
            return false;
    }
    *ret_options = options;
    return true;
}

const char *options_command_name(enum command command)
{
    return command < COMMAND_COUNT ? commands[command].name : NULL;
}

const struct option *options_list(void)
{
    return long_options;
}

bool options_takes(enum command command, int option)
{
    return command < COMMAND_COUNT ? (commands_of(option) & FOR(command)) != 0 : commands_of(option) == FOR_ALL;
}
