/* latentctl stats. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"
#include "clients/ctl/interrupt.h"

#define BAR_WIDTH 24

enum unit { UNIT_COUNT, UNIT_BYTES, UNIT_OPERATIONS, UNIT_DURATION, UNIT_MILLISECONDS };

/* One line of the table; `name` is that of the counter, "" a line between two groups. */
static const struct row {
    const char *name;
    const char *title;
    enum unit unit;
} rows[] = {
    {"span_lookups", "spans looked up", UNIT_COUNT},
    {"span_hits", "hits", UNIT_COUNT},
    {"hits_memory", "  in memory", UNIT_COUNT},
    {"hits_disk", "  on disk", UNIT_COUNT},
    {"hits_remote", "  in the remote tier", UNIT_COUNT},
    {"singleflight_joined", "  joined another's work", UNIT_COUNT},
    {"hits_verified", "  encoded again to compare", UNIT_COUNT},
    {"hits_wrong", "  found wrong (alarm)", UNIT_COUNT},
    {"span_misses", "misses", UNIT_COUNT},
    {"misses_new", "  never seen", UNIT_COUNT},
    {"misses_evicted", "  evicted", UNIT_COUNT},
    {"misses_corrupt", "  damaged", UNIT_COUNT},
    {"misses_expired", "  expired", UNIT_COUNT},
    {"misses_encoder", "  another encoder's", UNIT_COUNT},
    {"spans_encoded", "spans encoded", UNIT_COUNT},
    {"remote_refused", "unsound remote values", UNIT_COUNT},
    {"spans_unstored", "  not stored", UNIT_COUNT},
    {"encode_seconds", "time spent encoding", UNIT_DURATION},
    {"seconds_avoided", "  avoided by hits", UNIT_DURATION},
    {"spans_restored", "spans not mixed again", UNIT_COUNT},
    {"refined_spans", "spans not refined again", UNIT_COUNT},
    {"documents_refined", "documents refined", UNIT_COUNT},
    {"operations", "operations", UNIT_OPERATIONS},
    {"", "", UNIT_COUNT},
    {"requests", "requests", UNIT_COUNT},
    {"requests_failed", "  failed", UNIT_COUNT},
    {"running", "  under way", UNIT_COUNT},
    {"ttft_p50_ms", "first token, half within", UNIT_MILLISECONDS},
    {"ttft_p99_ms", "  99 % within", UNIT_MILLISECONDS},
    {"prompt_tokens", "prompt tokens", UNIT_COUNT},
    {"prompt_tokens_cached", "  of cached spans", UNIT_COUNT},
    {"completion_tokens", "completion tokens", UNIT_COUNT},
    {"connections", "connections open", UNIT_COUNT},
    {"uptime_s", "time running", UNIT_DURATION},
    {"", "", UNIT_COUNT},
    {"store_entries", "latents stored", UNIT_COUNT},
    {"store_bytes", "  of bytes", UNIT_BYTES},
    {"store_budget_bytes", "  of a budget of", UNIT_BYTES},
    {"store_in_memory", "  in memory as well", UNIT_COUNT},
    {"store_pinned", "  pinned", UNIT_COUNT},
    {"store_waiting", "  waiting to be written", UNIT_COUNT},
    {"evictions", "evictions", UNIT_COUNT},
    {"store_corrupt", "damaged records", UNIT_COUNT},
    {"store_write_failures", "failed writes", UNIT_COUNT},
};

static struct quantity show_value(const struct latent_value *value, enum unit unit)
{
    if (!value)
        return (struct quantity){""};
    if (unit == UNIT_MILLISECONDS)
        return show_milliseconds(latent_value_real(value, NAN));
    if (unit == UNIT_DURATION)
        return show_duration(latent_value_real(value, 0));
    uint64_t count = latent_value_uint(value, 0);
    if (unit == UNIT_OPERATIONS)
        return show_operations(count);
    return unit == UNIT_BYTES ? show_bytes(count) : show_count(count);
}

static void print_rate(const struct context *context, const char *title, const struct latent_value *counters)
{
    uint64_t lookups = latent_value_uint(latent_value_at(counters, "span_lookups"), 0);
    uint64_t hits = latent_value_uint(latent_value_at(counters, "span_hits"), 0);
    double rate = lookups ? (double)hits / (double)lookups : 0;
    printf("%-18s %s%s%s %7s\n", title, colour_begin(context->colour, rate >= 0.5 ? COLOUR_GOOD : COLOUR_BAD),
           show_bar(rate, BAR_WIDTH).text, colour_end(context->colour), show_rate(hits, lookups).text);
}

static void print_table(const struct context *context, const struct latent_reply *reply)
{
    const struct latent_value *session = latent_reply_at(reply, "");
    const struct latent_value *lifetime = latent_reply_at(reply, "lifetime");
    print_rate(context, "hit rate, session", session);
    print_rate(context, "hit rate, lifetime", lifetime);
    printf("\n%s%-26s %17s %17s%s\n", colour_begin(context->colour, COLOUR_HEADING), "", "since the start", "lifetime",
           colour_end(context->colour));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct latent_value *now = *rows[i].name ? latent_value_at(session, rows[i].name) : NULL;
        const struct latent_value *ever = *rows[i].name ? latent_value_at(lifetime, rows[i].name) : NULL;
        if (now || ever)
            printf("%-26s %17s %17s\n", rows[i].title, show_value(now, rows[i].unit).text,
                   show_value(ever, rows[i].unit).text);
        else if (!*rows[i].name)
            putchar('\n');
    }
}

/* Hits and misses of each namespace, if there is more than one, over its lifetime. */
static void print_namespaces(const struct context *context, const struct latent_reply *reply)
{
    static const char *const columns[] = {"hits_memory",    "hits_disk",      "hits_joined",    "misses_new",
                                          "misses_evicted", "misses_encoder", "misses_corrupt", "misses_expired"};
    const struct latent_value *spaces = latent_reply_at(reply, "namespaces");
    if (latent_value_count(spaces) < 2)
        return;
    printf("\n%s%-20s %9s %10s | %9s %9s %9s | %9s %9s %9s %9s %9s%s\n", colour_begin(context->colour, COLOUR_HEADING),
           "namespace, lifetime", "latents", "bytes", "memory", "disk", "joined", "new", "evicted", "encoder",
           "corrupt", "expired", colour_end(context->colour));
    for (size_t i = 0; i < latent_value_count(spaces); i++) {
        const struct latent_value *space = latent_value_item(spaces, i);
        const struct latent_value *lifetime = latent_value_at(space, "lifetime");
        printf("%-20.20s %9s %10s", latent_value_text(latent_value_at(space, "name"), "?"),
               show_count(latent_value_uint(latent_value_at(space, "entries"), 0)).text,
               show_bytes(latent_value_uint(latent_value_at(space, "bytes"), 0)).text);
        for (size_t column = 0; column < sizeof columns / sizeof *columns; column++)
            printf("%s%9s", column % 3 == 0 && column < 6 ? " | " : " ",
                   show_count(latent_value_uint(latent_value_at(lifetime, columns[column]), 0)).text);
        putchar('\n');
    }
}

static void print_page(const struct context *context, const struct latent_reply *reply)
{
    if (context->options.watch && context->terminal)
        fputs("\033[H\033[2J", stdout);
    print_table(context, reply);
    print_namespaces(context, reply);
    fflush(stdout);
}

static int show(struct context *context)
{
    return call_and_print(context, "stats", json_object(), print_page);
}

int command_stats(struct context *context)
{
    if (!context->options.watch)
        return show(context);
    interrupt_catch();
    int status = EXIT_DONE;
    while (!interrupted() && status == EXIT_DONE) {
        status = show(context);
        if (!interrupted() && status == EXIT_DONE)
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    return status;
}
