/* The command line of latentctl: one table of options for all commands, so that an option may stand before or behind
 * the command; each says which commands take it. */
#ifndef LATENTCTL_OPTIONS_H
#define LATENTCTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/c/latent.h"
#include "proto/limits.h"

enum command {
    COMMAND_GENERATE,
    COMMAND_ENCODE,
    COMMAND_SCORE,
    COMMAND_BENCH,
    COMMAND_DOC,
    COMMAND_EXPLAIN,
    COMMAND_NEAR,
    COMMAND_STATS,
    COMMAND_INFO,
    COMMAND_PING,
    COMMAND_MODELS,
    COMMAND_SHUTDOWN,
    COMMAND_HELP,
    COMMAND_COUNT
};

enum doc_action { DOC_PUT, DOC_LIST, DOC_SHOW, DOC_REFINE, DOC_HISTORY, DOC_REMOVE, DOC_ACTION_COUNT };

struct options {
    enum command command;
    const char *argument; /* of generate, explain, encode, near, score and help; else NULL */
    enum doc_action doc_action;
    const char *doc_name; /* of doc, but not of doc list */
    const char *doc_path; /* of doc put */
    const char *socket;   /* NULL: the default */
    bool json;
    bool watch;
    bool measure;
    uint32_t nearest; /* how many; 0: the daemon's choice */
    bool help;
    bool version;
    struct latent_generate_options generate; /* without prompt and segments */
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

/* Prints the help on one command, or for COMMAND_COUNT on all. */
void options_print_help(enum command command);

#endif
