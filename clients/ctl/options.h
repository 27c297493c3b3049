/* The command line of latentctl: one table of options for all commands, so that an option may stand before or behind
 * the command; each says which commands take it. */
#ifndef LATENTCTL_OPTIONS_H
#define LATENTCTL_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/c/latent.h"
#include "proto/limits.h"

#define OPTION_KEYS_MAX 64

enum command {
    COMMAND_GENERATE,
    COMMAND_ENCODE,
    COMMAND_SCORE,
    COMMAND_BENCH,
    COMMAND_NAMESPACE,
    COMMAND_PIN,
    COMMAND_UNPIN,
    COMMAND_EVICT,
    COMMAND_FLUSH,
    COMMAND_SCAN,
    COMMAND_VERIFY,
    COMMAND_BACKUP,
    COMMAND_EXPORT,
    COMMAND_IMPORT,
    COMMAND_DOC,
    COMMAND_EXPLAIN,
    COMMAND_NEAR,
    COMMAND_STATS,
    COMMAND_REMOTE,
    COMMAND_INFO,
    COMMAND_PING,
    COMMAND_MODELS,
    COMMAND_SHUTDOWN,
    COMMAND_TOKEN,
    COMMAND_TOP,
    COMMAND_REPL,
    COMMAND_COMPLETE, /* read in main.c: its words are no options of its own */
    COMMAND_HELP,
    COMMAND_COUNT
};

enum doc_action { DOC_PUT, DOC_LIST, DOC_SHOW, DOC_REFINE, DOC_HISTORY, DOC_REMOVE, DOC_ACTION_COUNT };

struct options {
    enum command command;
    const char *argument;    /* the first word behind the command, or NULL */
    const char *operands[2]; /* what stands behind it, or NULL */
    enum doc_action doc_action;
    const char *doc_name;   /* of doc, but not of doc list */
    const char *doc_path;   /* of doc put */
    const char *socket;     /* NULL: the default */
    const char *token_file; /* NULL: $LATENTD_TOKEN, or none */
    const char *tls_ca;     /* NULL: the system's authorities */
    const char *roles;      /* of token new; NULL if not given */
    const char *space;      /* namespace; NULL: the daemon's choice */
    uint32_t ttl_seconds;   /* LATENT_TTL_DEFAULT if not given */
    uint64_t quota_bytes;
    bool has_quota;
    const char *keys[OPTION_KEYS_MAX]; /* --key */
    size_t key_count;
    double share; /* 0 if not given */
    bool all;
    bool yes;
    bool reencode;
    bool json;
    bool watch;
    bool measure;
    uint32_t nearest; /* how many; 0: the daemon's choice */
    bool help;
    bool version;
    struct latent_generate_options generate; /* without prompt and segments */
    const char *const *words;                /* of the command line: the options, in the order given */
    size_t word_count;
    const char *stops[LT_STOP_TEXTS_MAX];
    struct option_document {
        const char *name; /* of a file, or of a stored document */
        bool stored;
    } documents[LT_SEGMENTS_MAX - 1];
    size_t document_count;
    unsigned long long document_version; /* of doc show and doc refine; 0: the newest */
};

/* Reads the command line. False after a usage error, which it has reported. The options point into `arguments`. */
bool options_read(int count, char **arguments, struct options *ret_options);

/* The help on one command, or for COMMAND_COUNT on all. Its form is that of a grammar, which complete.h and the manual
 * pages read: lines of usage first, words that stand as they are in small letters and names of values in capitals; each
 * option on a line of its own, "  --name VALUE  what it does". */
const char *options_help(enum command command);

/* ---- The tables, for who completes a line ---- */

/* NULL for COMMAND_COUNT. */
const char *options_command_name(enum command command);
bool options_find_command(const char *name, enum command *ret_command);

/* All options of all commands; the last has no name. */
const struct option *options_list(void);

/* Whether a command takes the option with this value; COMMAND_COUNT takes those that may stand before any command. */
bool options_takes(enum command command, int option);

#endif
