/* GET /metrics: what the daemon counts, in the text format of Prometheus. Counters come in pairs, lookups and hits,
 * tokens and cached tokens, so that whoever asks can divide them over any time. */
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/http_route.h"
#include "daemon/remote.h"
#include "daemon/server.h"
#include "kernels/islet.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define PAGE_BYTES_MAX ((size_t)1 << 20)
#define LINE_BYTES 512

struct page {
    struct lt_buffer text;
    int error; /* the first one */
};

static void __attribute__((format(printf, 2, 3))) add(struct page *page, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int code = bytes < LINE_BYTES ? lt_buffer_append(&page->text, line, (size_t)bytes) : LT_ETOOLARGE;
    if (page->error == LT_OK)
        page->error = code;
}

static void add_head(struct page *page, const char *name, const char *type, const char *help)
{
    add(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_number(struct page *page, const char *name, const char *type, const char *help, double value)
{
    add_head(page, name, type, help);
    add(page, "%s %.17g\n", name, value);
}

/* --- counters of the one list --- */

static const struct family {
    const char *name, *help;
    struct {
        enum lt_counter counter;
        const char *labels; /* NULL: none, and no more of them */
    } values[6];
} families[] = {
    {"latentd_span_lookups_total", "Spans looked up in the cache.", {{LT_COUNTER_SPAN_LOOKUPS, NULL}}},
    {"latentd_span_hits_total",
     "Spans found, by where: in memory, on disk, in the remote tier, or being encoded for another span at that moment.",
     {{LT_COUNTER_HITS_MEMORY, "{tier=\"memory\"}"},
      {LT_COUNTER_HITS_DISK, "{tier=\"disk\"}"},
      {LT_COUNTER_HITS_REMOTE, "{tier=\"remote\"}"},
      {LT_COUNTER_SINGLEFLIGHT_JOINED, "{tier=\"joined\"}"}}},
    {"latentd_span_misses_total",
     "Spans not found, by why.",
     {{LT_COUNTER_MISSES_NEW, "{reason=\"new\"}"},
      {LT_COUNTER_MISSES_EVICTED, "{reason=\"evicted\"}"},
      {LT_COUNTER_MISSES_EXPIRED, "{reason=\"expired\"}"},
      {LT_COUNTER_MISSES_ENCODER, "{reason=\"encoder\"}"},
      {LT_COUNTER_MISSES_CORRUPT, "{reason=\"corrupt\"}"}}},
    {"latentd_span_hits_verified_total",
     "Spans found that were encoded again to compare (verify_sample).",
     {{LT_COUNTER_HITS_VERIFIED, NULL}}},
    {"latentd_span_hits_wrong_total",
     "Of these, those that were not what the encoder makes: replaced, and counted as misses.",
     {{LT_COUNTER_HITS_WRONG, NULL}}},
    {"latentd_singleflight_joined_total",
     "Spans that waited for another one alike to be encoded.",
     {{LT_COUNTER_SINGLEFLIGHT_JOINED, NULL}}},
    {"latentd_spans_encoded_total", "Spans encoded.", {{LT_COUNTER_SPANS_ENCODED, NULL}}},
    {"latentd_spans_unstored_total", "Spans encoded that the store did not take.", {{LT_COUNTER_SPANS_UNSTORED, NULL}}},
    {"latentd_spans_restored_total",
     "Spans of prompts that were mixed before, for a prompt that began alike.",
     {{LT_COUNTER_SPANS_RESTORED, NULL}}},
    {"latentd_spans_refined_before_total",
     "Spans of prompts that the refiner skipped, for their refinement was stored.",
     {{LT_COUNTER_REFINED_SPANS, NULL}}},
    {"latentd_documents_refined_total", "Documents refined ahead.", {{LT_COUNTER_DOCUMENTS_REFINED, NULL}}},
    {"latentd_prompt_tokens_total", "Tokens of prompts.", {{LT_COUNTER_PROMPT_TOKENS, NULL}}},
    {"latentd_prompt_tokens_cached_total",
     "Tokens of prompts in spans that were found.",
     {{LT_COUNTER_PROMPT_TOKENS_CACHED, NULL}}},
    {"latentd_completion_tokens_total", "Tokens of answers.", {{LT_COUNTER_COMPLETION_TOKENS, NULL}}},
    {"latentd_requests_total", "Requests, on sockets and over HTTP.", {{LT_COUNTER_REQUESTS, NULL}}},
    {"latentd_requests_failed_total", "Requests answered with an error.", {{LT_COUNTER_REQUESTS_FAILED, NULL}}},
    {"latentd_operations_total", "Floating-point operations of all stages.", {{LT_COUNTER_OPERATIONS, NULL}}},
    {"latentd_evictions_total", "Latents that had to make room.", {{LT_COUNTER_EVICTIONS, NULL}}},
};

static void add_counters(struct page *page, const struct lt_counters *counters)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct family *family = &families[i];
        add_head(page, family->name, "counter", family->help);
        size_t value = 0;
        do {
            const char *labels = family->values[value].labels;
            add(page, "%s%s %" PRIu64 "\n", family->name, labels ? labels : "",
                lt_counters_value(counters, family->values[value].counter));
        } while (family->values[++value].labels);
    }
}

/* --- histograms --- */

/* The thread that observes goes on meanwhile: the count is that of the buckets as they were read. */
static void add_histograms(struct page *page, const struct lt_counters *counters)
{
    for (int i = 0; i < LT_HISTOGRAM_COUNT; i++) {
        const struct lt_histogram_kind *kind = lt_histogram_kind((enum lt_histogram_name)i);
        const struct lt_histogram *histogram = &counters->histograms[i];
        char name[64];
        uint64_t total = 0;
        snprintf(name, sizeof name, "latentd_%s", kind->name);
        add_head(page, name, "histogram", kind->help);
        double sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
        for (size_t at = 0; at < kind->bound_count; at++) {
            total += atomic_load_explicit(&histogram->counts[at], memory_order_relaxed);
            add(page, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, kind->bounds[at], total);
        }
        total += atomic_load_explicit(&histogram->counts[kind->bound_count], memory_order_relaxed);
        add(page, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.17g\n%s_count %" PRIu64 "\n", name, total, name, sum,
            name, total);
    }
}

/* --- what is now --- */

static void add_store(struct page *page, const struct lt_server *server)
{
    struct lt_store_stats store;
    lt_store_stats(server->store, &store);
    add_number(page, "latentd_store_entries", "gauge", "Latents stored, or waiting to be.", (double)store.entries);
    add_number(page, "latentd_store_bytes", "gauge", "Bytes in use of the store.", (double)store.bytes);
    add_number(page, "latentd_store_budget_bytes", "gauge", "Bytes that the store may use.",
               (double)store.budget_bytes);
    add_number(page, "latentd_store_memory_entries", "gauge", "Latents that are kept in memory as well.",
               (double)store.memory_entries);
    add_number(page, "latentd_store_waiting_records", "gauge", "Records that wait to be written.",
               (double)store.waiting);
    add_number(page, "latentd_store_commits_total", "counter", "Groups of records written.", (double)store.commits);
    add_number(page, "latentd_store_write_failures_total", "counter", "Groups of records that could not be written.",
               (double)store.write_failures);
    add_head(page, "latentd_integrity_failures_total", "counter", "Records that failed their check and were removed.");
    add(page, "latentd_integrity_failures_total{tier=\"disk\"} %" PRIu64 "\n", store.corrupt);
    add(page, "latentd_integrity_failures_total{tier=\"remote\"} %" PRIu64 "\n",
        lt_counters_value(&server->counters, LT_COUNTER_REMOTE_REFUSED));
}

static void add_remote(struct page *page, struct lt_remote *remote)
{
    struct lt_remote_stats stats;
    if (!remote)
        return;
    lt_remote_stats(remote, &stats);
    const struct {
        const char *labels;
        uint64_t value;
    } requests[] = {
        {"op=\"get\",result=\"found\"", stats.spans_found}, {"op=\"get\",result=\"absent\"", stats.spans_absent},
        {"op=\"get\",result=\"held\"", stats.spans_held},   {"op=\"get\",result=\"unanswered\"", stats.unanswered},
        {"op=\"set\",result=\"written\"", stats.written},   {"op=\"set\",result=\"failed\"", stats.write_failures},
        {"op=\"set\",result=\"dropped\"", stats.dropped}};
    add_head(page, "latentd_remote_requests_total", "counter", "Spans asked of the remote tier, and given to it.");
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        add(page, "latentd_remote_requests_total{%s} %" PRIu64 "\n", requests[i].labels, requests[i].value);
    add_number(page, "latentd_remote_pipelines_total", "counter", "Batches of requests to one node of the remote tier.",
               (double)stats.cluster.pipelines);
    add_number(page, "latentd_remote_deadlines_total", "counter",
               "Prompts that did not wait for the remote tier longer.", (double)stats.deadlines);
    add_number(page, "latentd_remote_breaker_openings_total", "counter", "Times that a node of it was given up.",
               (double)stats.cluster.breaker_openings);
    add_number(page, "latentd_remote_nodes_down", "gauge", "Nodes of it that are known and do not answer.",
               (double)stats.nodes_down);
    add_number(page, "latentd_remote_slots_served", "gauge", "Slots of it whose master answers; 16,384 is all.",
               (double)stats.slots_served);
}

static void add_server(struct page *page, const struct lt_server *server)
{
    add_head(page, "latentd_build_info", "gauge", "Which daemon this is; the value is 1.");
    add(page, "latentd_build_info{version=\"%s\",compute_kernel=\"%s\"} 1\n", LT_VERSION, lt_compute_kernel());
    add_number(page, "latentd_threads", "gauge", "Threads for matrix products.", server->threads);
    add_head(page, "latentd_connections", "gauge", "Open connections, by kind.");
    add(page, "latentd_connections{kind=\"socket\"} %zu\nlatentd_connections{kind=\"http\"} %zu\n",
        server->session_count, server->http->connection_count);
    add_number(page, "latentd_requests_running", "gauge", "Requests that the engine has.", (double)server->job_count);
    add_head(page, "latentd_http_requests_total", "counter", "Requests answered over HTTP, by path and status.");
    for (size_t i = 0; i < server->http->replies_count; i++) {
        const struct lt_http_replies *replies = &server->http->replies[i];
        add(page, "latentd_http_requests_total{path=\"%s\",code=\"%u\"} %" PRIu64 "\n", replies->path, replies->status,
            replies->count);
    }
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + 1e-6 * (double)time->tv_usec;
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count > 3 ? count - 3 : 0; /* without ".", ".." and the folder's own */
}

static size_t resident_pages(void)
{
    size_t size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%zu %zu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident;
}

/* The names that Prometheus' own libraries give these. */
static void add_process(struct page *page, const struct lt_server *server)
{
    struct rusage usage = {0};
    struct rlimit descriptors = {0};
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &descriptors);
    add_number(page, "process_cpu_seconds_total", "counter", "Processor time used, user and system.",
               seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime));
    add_number(page, "process_resident_memory_bytes", "gauge", "Resident memory, pages of the store included.",
               (double)(resident_pages() * (size_t)sysconf(_SC_PAGESIZE)));
    add_number(page, "process_open_fds", "gauge", "Open file descriptors.", (double)count_descriptors());
    add_number(page, "process_max_fds", "gauge", "File descriptors that may be open.", (double)descriptors.rlim_cur);
    add_number(page, "process_start_time_seconds", "gauge", "When the daemon started, in seconds since 1970.",
               (double)server->started_at);
}

static void begin(struct lt_http_exchange *exchange, const json_t *body)
{
    const struct lt_server *server = exchange->http->server;
    struct page page = {0};
    (void)body;
    lt_buffer_init(&page.text, PAGE_BYTES_MAX);
    add_counters(&page, &server->counters);
    add_histograms(&page, &server->counters);
    add_store(&page, server);
    add_remote(&page, server->fleet);
    add_server(&page, server);
    add_process(&page, server);
    if (page.error) {
        struct lt_error error;
        lt_buffer_finish(&page.text);
        lt_fail_code(&error, page.error);
        lt_http_reply_error(exchange, &error, NULL);
        return;
    }
    lt_http_reply_bytes(exchange, CONTENT_TYPE, &page.text);
}

const struct lt_http_handler lt_http_metrics = {.begin = begin};
