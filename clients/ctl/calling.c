#include "clients/ctl/calling.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clients/ctl/display.h"

#define BAR_PLACES 30

void show_progress(uint64_t done, uint64_t total, void *data)
{
    (void)data;
    if (!isatty(STDERR_FILENO) || !total)
        return;
    double share = done < total ? (double)done / (double)total : 1;
    fprintf(stderr, "\r%s %s of %s", show_bar(share, BAR_PLACES).text, show_count(done).text, show_count(total).text);
}

void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

bool call_method(struct context *context, const char *method, json_t *parameters, struct latent_reply **ret_reply,
                 int *ret_status)
{
    char *text = parameters ? json_dumps(parameters, JSON_COMPACT) : NULL;
    json_decref(parameters);
    if (!text) {
        *ret_status = report_failure(context, LATENT_ENOMEM, "out of memory");
        return false;
    }
    latent_on_progress(context->latent, show_progress, NULL);
    int code = latent_call(context->latent, method, text, ret_reply);
    end_progress();
    free(text);
    if (code)
        *ret_status = report_call(context, code);
    return code == LATENT_OK;
}

int show_reply(const struct context *context, struct latent_reply *reply, print_function print)
{
    int status = EXIT_DONE;
    if (context->options.json)
        status = print_reply(context, reply);
    else
        print(context, reply);
    latent_reply_destroy(reply);
    return status;
}

int call_and_print(struct context *context, const char *method, json_t *parameters, print_function print)
{
    struct latent_reply *reply = NULL;
    int status;
    return call_method(context, method, parameters, &reply, &status) ? show_reply(context, reply, print) : status;
}

void add_parameter(json_t **parameters, const char *name, json_t *value)
{
    if (!*parameters) {
        json_decref(value);
        return;
    }
    if (json_object_set_new(*parameters, name, value) != 0) {
        json_decref(*parameters);
        *parameters = NULL;
    }
}

void add_choices(const struct context *context, json_t **parameters)
{
    if (context->options.space)
        add_parameter(parameters, "namespace", json_string(context->options.space));
    if (context->options.generate.model)
        add_parameter(parameters, "model", json_string(context->options.generate.model));
}
