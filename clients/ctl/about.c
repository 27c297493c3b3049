/* latentctl info, models, ping and shutdown: what the daemon is, and whether. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"

static void print_pair(const char *title, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print_pair(const char *title, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%-14s ", title);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

static const char *text_at(const struct latent_value *value, const char *path, const char *otherwise)
{
    return latent_value_text(latent_value_at(value, path), otherwise);
}

static uint64_t uint_at(const struct latent_value *value, const char *path)
{
    return latent_value_uint(latent_value_at(value, path), 0);
}

static void print_info(const struct context *context, const struct latent_reply *reply)
{
    (void)context;
    const struct latent_value *info = latent_reply_at(reply, "");
    print_pair("version", "%s, protocol %" PRIu64, text_at(info, "version", "?"), uint_at(info, "protocol"));
    print_pair("process", "%" PRIu64, uint_at(info, "pid"));
    print_pair("running for", "%s", show_duration(latent_value_real(latent_value_at(info, "uptime_s"), 0)).text);
    print_pair("socket", "%s", text_at(info, "socket", "none"));
    print_pair("TCP address", "%s", text_at(info, "listen", "none"));
    print_pair("HTTP address", "%s", text_at(info, "http", "none"));
    print_pair("default model", "%s", text_at(info, "default_model", "none"));
    print_pair("store", "%s", text_at(info, "store.path", "?"));
    print_pair("  used", "%s of %s", show_bytes(uint_at(info, "store.bytes")).text,
               show_bytes(uint_at(info, "store.budget_bytes")).text);
    print_pair("  durability", "%s", text_at(info, "store.durability", "?"));
    print_pair("  latents as", "%s", text_at(info, "store.latent_type", "?"));
    print_pair("threads", "%" PRIu64, uint_at(info, "threads"));
    print_pair("compute", "%s", text_at(info, "compute_kernel", "?"));
    const struct latent_value *limits = latent_value_at(info, "limits");
    for (size_t i = 0; i < latent_value_count(limits); i++)
        printf("%-14s %-26s %s\n", i == 0 ? "limits" : "", latent_value_key(limits, i),
               show_count(latent_value_uint(latent_value_item(limits, i), 0)).text);
}

static void print_models(const struct context *context, const struct latent_reply *reply)
{
    const struct latent_value *models = latent_reply_at(reply, "models");
    printf("%s%-24s %-10s %10s %9s %6s %8s %10s %8s  %-12s%s\n", colour_begin(context->colour, COLOUR_HEADING), "name",
           "kind", "parameters", "file", "width", "context", "vocabulary", "span", "encoder",
           colour_end(context->colour));
    for (size_t i = 0; i < latent_value_count(models); i++) {
        const struct latent_value *model = latent_value_item(models, i);
        char span[48];
        if (uint_at(model, "span_maximum"))
            snprintf(span, sizeof span, "%" PRIu64 "..%" PRIu64, uint_at(model, "span_minimum"),
                     uint_at(model, "span_maximum"));
        else
            snprintf(span, sizeof span, "-");
        printf("%-24s %-10s %10s %9s %6" PRIu64 " %8" PRIu64 " %10" PRIu64 " %8s  %.12s%s\n",
               text_at(model, "name", "?"), text_at(model, "architecture", "?"),
               show_operations(uint_at(model, "parameters")).text, show_bytes(uint_at(model, "file_bytes")).text,
               uint_at(model, "width"), uint_at(model, "context_tokens"), uint_at(model, "vocabulary"), span,
               text_at(model, "encoder_fingerprint", "-"),
               latent_value_bool(latent_value_at(model, "default"), false) ? "  default" : "");
    }
}

int command_info(struct context *context)
{
    return call_and_print(context, "info", json_object(), print_info);
}

int command_models(struct context *context)
{
    return call_and_print(context, "models", json_object(), print_models);
}

int command_ping(struct context *context)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int code = latent_ping(context->latent);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (code)
        return report_call(context, code);
    double milliseconds = 1e3 * (double)(end.tv_sec - begin.tv_sec) + 1e-6 * (double)(end.tv_nsec - begin.tv_nsec);
    if (context->options.json)
        printf("{\"pong\":true,\"ms\":%.3f}\n", milliseconds);
    else
        printf("latentd answers on %s, in %s\n", context->socket, show_milliseconds(milliseconds).text);
    return EXIT_DONE;
}

int command_shutdown(struct context *context)
{
    int code = latent_shutdown(context->latent);
    if (code)
        return report_call(context, code);
    puts(context->options.json ? "{\"stopping\":true}" : "latentd is stopping");
    return EXIT_DONE;
}
