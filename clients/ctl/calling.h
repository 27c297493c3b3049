/* Commands that are one call of a method: parameters in, a reply shown. */
#ifndef LATENTCTL_CALLING_H
#define LATENTCTL_CALLING_H

#include <jansson.h>

#include "clients/ctl/command.h"

/* Shows a reply to a person. */
typedef void (*print_function)(const struct context *context, const struct latent_reply *reply);

/* Shows a reply, as JSON with --json, else through `print`, and destroys it. Returns an exit code. */
int show_reply(const struct context *context, struct latent_reply *reply, print_function print);

/* Calls a method and shows what it returned. Takes over `parameters`; NULL is reported as out of memory. While it runs,
 * a terminal shows how far it is. Returns an exit code. */
int call_and_print(struct context *context, const char *method, json_t *parameters, print_function print);

/* Calls a method; on failure reports it and returns an exit code in *ret_status. Takes over `parameters`. */
bool call_method(struct context *context, const char *method, json_t *parameters, struct latent_reply **ret_reply,
                 int *ret_status);

/* Adds a pair to parameters, or turns them into NULL if memory is out. Takes over `value`. */
void add_parameter(json_t **parameters, const char *name, json_t *value);

/* Adds "namespace" if --namespace was given, and "model" if --model was. */
void add_choices(const struct context *context, json_t **parameters);

/* Shows on a terminal how much is done, and wipes it off again. */
void show_progress(uint64_t done, uint64_t total, void *data);
void end_progress(void);

#endif
