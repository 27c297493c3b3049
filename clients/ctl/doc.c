/* latentctl doc: documents that the daemon keeps. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"
#include "clients/ctl/doc.h"

static uint64_t uint_at(const struct latent_value *value, const char *path)
{
    return latent_value_uint(latent_value_at(value, path), 0);
}

/* Calls a method with parameters, which are freed. */
static int call(struct context *context, const char *method, json_t *parameters, struct latent_reply **ret_reply)
{
    int status = EXIT_DONE;
    if (!parameters)
        return report_failure(context, LATENT_EPARAM, "the name of a document must be UTF-8");
    if (context->options.space)
        add_parameter(&parameters, "namespace", json_string(context->options.space));
    (void)call_method(context, method, parameters, ret_reply, &status);
    return status;
}

/* The same, and shows what it returned. */
static int call_and_show(struct context *context, const char *method, json_t *parameters, print_function print)
{
    struct latent_reply *reply = NULL;
    int status = call(context, method, parameters, &reply);
    return status ? status : show_reply(context, reply, print);
}

/* Local time, "2026-11-25 08:01:22". */
static void print_time(uint64_t milliseconds)
{
    char text[32] = "?";
    time_t seconds = (time_t)(milliseconds / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    printf("%-19s", text);
}

/* --- list --- */

static void print_list_heading(const struct context *context)
{
    if (!context->options.json)
        printf("%s%-19s %8s %10s %10s %9s  %s%s\n", colour_begin(context->colour, COLOUR_HEADING), "put", "version",
               "tokens", "spans", "bytes", "name", colour_end(context->colour));
}

static void print_listed(const struct latent_value *document)
{
    const char *name = latent_value_text(latent_value_at(document, "name"), "");
    if (latent_value_bool(latent_value_at(document, "damaged"), false)) {
        printf("%-60s  %s\n", "damaged on disk; put it again", name);
        return;
    }
    print_time(uint_at(document, "created_ms"));
    printf(" %8" PRIu64 " %10s %10s %9s  %s\n", uint_at(document, "version"),
           show_count(uint_at(document, "tokens")).text, show_count(uint_at(document, "spans")).text,
           show_bytes(uint_at(document, "bytes")).text, name);
}

static int list(struct context *context)
{
    char after[LT_DOCUMENT_NAME_MAX + 1] = "";
    bool more = true;
    int status = EXIT_DONE;
    print_list_heading(context);
    while (more && status == EXIT_DONE) {
        struct latent_reply *reply = NULL;
        status = call(context, "doc.list", *after ? json_pack("{s:s}", "after", after) : json_object(), &reply);
        if (status)
            break;
        const struct latent_value *documents = latent_reply_at(reply, "documents");
        size_t count = latent_value_count(documents);
        if (context->options.json)
            status = print_reply(context, reply);
        for (size_t i = 0; i < count && !context->options.json; i++)
            print_listed(latent_value_item(documents, i));
        more = latent_value_bool(latent_reply_at(reply, "more"), false) && count > 0;
        if (more)
            snprintf(after, sizeof after, "%s",
                     latent_value_text(latent_value_at(latent_value_item(documents, count - 1), "name"), ""));
        latent_reply_destroy(reply);
    }
    return status;
}

/* --- show --- */

static json_t *part_parameters(const struct context *context, const char *name, uint64_t part, uint64_t version)
{
    json_t *parameters = json_pack("{s:s, s:I}", "name", name, "part", (json_int_t)part);
    if (parameters && version)
        json_object_set_new(parameters, "version", json_integer((json_int_t)version));
    if (parameters && context->options.generate.model)
        json_object_set_new(parameters, "model", json_string(context->options.generate.model));
    return parameters;
}

static int print_part(const struct context *context, const struct latent_reply *reply)
{
    size_t bytes = 0;
    if (context->options.json)
        return print_reply(context, reply);
    const char *text = latent_value_bytes(latent_reply_at(reply, "text"), &bytes);
    return print_text(text, bytes, context->terminal)
               ? EXIT_DONE
               : report_failure(context, LATENT_EIO, "cannot write to standard output");
}

/* What is shown is one version from beginning to end, also if a newer one is put meanwhile. */
static int show(struct context *context, const char *name)
{
    uint64_t version = context->options.document_version;
    uint64_t parts = 1, tokens = 0, spans = 0, stored = 0;
    for (uint64_t part = 0; part < parts; part++) {
        struct latent_reply *reply = NULL;
        int status = call(context, "doc.get", part_parameters(context, name, part, version), &reply);
        if (status)
            return status;
        const struct latent_value *whole = latent_reply_at(reply, "");
        const struct latent_value *list = latent_value_at(whole, "spans_of_part");
        version = uint_at(whole, "version");
        parts = uint_at(whole, "parts");
        tokens = uint_at(whole, "tokens");
        spans = uint_at(whole, "spans");
        for (size_t i = 0; i < latent_value_count(list); i++)
            stored += latent_value_at(latent_value_item(list, i), "tier") != NULL;
        status = print_part(context, reply);
        latent_reply_destroy(reply);
        if (status)
            return status;
    }
    if (!context->options.json)
        fprintf(stderr, "%s%s: version %" PRIu64 ", %s tokens in %s spans, %s of their latents stored\n",
                context->terminal ? "\n" : "", name, version, show_count(tokens).text, show_count(spans).text,
                show_count(stored).text);
    return EXIT_DONE;
}

/* --- refine --- */

static void print_refined(const struct context *context, const struct latent_reply *reply)
{
    const struct latent_value *result = latent_reply_at(reply, "");
    printf("%s: version %" PRIu64 ", %s spans refined, %s were; %s operations, %s\n", context->options.doc_name,
           uint_at(result, "version"), show_count(uint_at(result, "refined")).text,
           show_count(uint_at(result, "known")).text, show_operations(uint_at(result, "ops.refine")).text,
           show_milliseconds(latent_value_real(latent_value_at(result, "timings.total_ms"), 0)).text);
}

static int refine(struct context *context, const char *name)
{
    json_t *parameters = json_pack("{s:s}", "name", name);
    if (parameters && context->options.document_version)
        json_object_set_new(parameters, "version", json_integer((json_int_t)context->options.document_version));
    if (parameters && context->options.generate.model)
        json_object_set_new(parameters, "model", json_string(context->options.generate.model));
    return call_and_show(context, "doc.refine", parameters, print_refined);
}

/* --- history and rm --- */

static void print_history(const struct context *context, const struct latent_reply *reply)
{
    const struct latent_value *versions = latent_reply_at(reply, "versions");
    printf("%s%-19s %8s %10s %10s %10s %10s %10s%s\n", colour_begin(context->colour, COLOUR_HEADING), "put", "version",
           "tokens", "spans", "kept", "encoded", "dropped", colour_end(context->colour));
    for (size_t i = 0; i < latent_value_count(versions); i++) {
        const struct latent_value *version = latent_value_item(versions, i);
        print_time(uint_at(version, "created_ms"));
        printf(" %8" PRIu64 " %10s %10s %10s %10s %10s\n", uint_at(version, "version"),
               show_count(uint_at(version, "tokens")).text, show_count(uint_at(version, "spans")).text,
               show_count(uint_at(version, "kept")).text, show_count(uint_at(version, "encoded")).text,
               show_count(uint_at(version, "dropped")).text);
    }
}

static void print_removed(const struct context *context, const struct latent_reply *reply)
{
    (void)reply;
    printf("%s is removed, with its history\n", context->options.doc_name);
}

int command_doc(struct context *context)
{
    const struct options *options = &context->options;
    switch (options->doc_action) {
    case DOC_PUT:
        return doc_put(context, options->doc_name, options->doc_path);
    case DOC_SHOW:
        return show(context, options->doc_name);
    case DOC_REFINE:
        return refine(context, options->doc_name);
    case DOC_HISTORY:
        return call_and_show(context, "doc.history", json_pack("{s:s}", "name", options->doc_name), print_history);
    case DOC_REMOVE:
        return call_and_show(context, "doc.remove", json_pack("{s:s}", "name", options->doc_name), print_removed);
    default:
        return list(context);
    }
}
