/* latentctl scan: all records, as many pages as there are. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"

#define TEXT_COLUMNS 40
#define PAGE 512

static void print_record(const struct context *context, const struct latent_value *record)
{
    const char *text = latent_value_text(latent_value_at(record, "text"), NULL);
    const struct latent_value *expires = latent_value_at(record, "expires_in_s");
    uint64_t seconds = latent_value_uint(expires, UINT64_MAX);
    print_quoted(text ? text : "", TEXT_COLUMNS);
    printf(" %6" PRIu64 " %5s %6" PRIu64 " %-16s %14s %14s %s  %s%.12s%s\n",
           latent_value_uint(latent_value_at(record, "tokens"), 0),
           latent_value_bool(latent_value_at(record, "sound"), false)
               ? latent_value_text(latent_value_at(record, "type"), "?")
               : "bad",
           latent_value_uint(latent_value_at(record, "bytes"), 0),
           latent_value_text(latent_value_at(record, "namespace"), "?"),
           show_duration((double)latent_value_uint(latent_value_at(record, "age_s"), 0)).text,
           seconds == UINT64_MAX ? "-" : show_duration((double)seconds).text,
           latent_value_bool(latent_value_at(record, "pinned"), false) ? "pin" : "   ",
           colour_begin(context->colour, COLOUR_FAINT), latent_value_text(latent_value_at(record, "key"), "?"),
           colour_end(context->colour));
}

static bool print_json(const struct latent_value *record)
{
    char *text = latent_value_json(record);
    bool printed = text && puts(text) != EOF;
    free(text);
    return printed;
}

static int print_page(const struct context *context, const struct latent_reply *reply)
{
    const struct latent_value *records = latent_reply_at(reply, "records");
    for (size_t i = 0; i < latent_value_count(records); i++) {
        const struct latent_value *record = latent_value_item(records, i);
        if (!context->options.json)
            print_record(context, record);
        else if (!print_json(record))
            return report_failure(context, LATENT_EIO, "cannot write to standard output");
    }
    return EXIT_DONE;
}

int command_scan(struct context *context)
{
    char cursor[2 * LT_SPAN_KEY_BYTES + 1] = "";
    int status = EXIT_DONE;
    if (!context->options.json)
        printf("%s%-*s %6s %5s %6s %-16s %14s %14s %s  %s%s\n", colour_begin(context->colour, COLOUR_HEADING),
               TEXT_COLUMNS, "text", "tokens", "type", "bytes", "namespace", "age", "expires in", "   ", "key",
               colour_end(context->colour));
    do {
        struct latent_reply *reply = NULL;
        json_t *parameters = json_pack("{s:i}", "count", PAGE);
        if (*cursor)
            add_parameter(&parameters, "cursor", json_string(cursor));
        if (context->options.space)
            add_parameter(&parameters, "namespace", json_string(context->options.space));
        if (!call_method(context, "scan", parameters, &reply, &status))
            return status;
        status = print_page(context, reply);
        snprintf(cursor, sizeof cursor, "%s", latent_value_text(latent_reply_at(reply, "cursor"), ""));
        latent_reply_destroy(reply);
    } while (*cursor && status == EXIT_DONE);
    return fflush(stdout) == 0 ? status : report_failure(context, LATENT_EIO, "cannot write to standard output");
}
