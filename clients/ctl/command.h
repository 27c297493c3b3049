/* latentctl's commands and what they share. Data goes to standard output, everything else to standard error. */
#ifndef LATENTCTL_COMMAND_H
#define LATENTCTL_COMMAND_H

#include <stdbool.h>

#include "clients/c/latent.h"
#include "clients/ctl/options.h"

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct context {
    struct options options;
    const char *socket; /* where the daemon is: options.socket, or what stands for it */
    char usual_socket[256];
    bool terminal; /* standard output is one */
    bool colour;
    bool conversation;     /* many answers follow one another: say little about each */
    struct latent *latent; /* connected */
};

/* Each takes a connected context and returns an exit code. */
int command_generate(struct context *context);
int command_encode(struct context *context);
int command_score(struct context *context);
int command_bench(struct context *context);
int command_namespace(struct context *context);
int command_remote(struct context *context);
int command_pin(struct context *context);
int command_unpin(struct context *context);
int command_evict(struct context *context);
int command_flush(struct context *context);
int command_scan(struct context *context);
int command_verify(struct context *context);
int command_backup(struct context *context);
int command_export(struct context *context);
int command_import(struct context *context);
int command_doc(struct context *context);
int command_explain(struct context *context);
int command_near(struct context *context);
int command_stats(struct context *context);
int command_info(struct context *context);
int command_models(struct context *context);
int command_ping(struct context *context);
int command_shutdown(struct context *context);
int command_token(struct context *context);
int command_top(struct context *context);
int command_repl(struct context *context);

/* Runs the command of context->options, in its namespace, on a connected context. Returns an exit code. */
int command_run(struct context *context);

/* The function of a command; NULL for those that need no daemon. */
int (*command_of(enum command command))(struct context *);

/* Reports a failure on standard error, and with --json as a line on standard output. Returns EXIT_FAILED. */
int report_failure(const struct context *context, int code, const char *message);

/* Prints a reply as one line of JSON. Returns an exit code. */
int print_reply(const struct context *context, const struct latent_reply *reply);

/* As report_failure for the last failed call of context->latent. */
int report_call(const struct context *context, int code);

#endif
