#include "daemon/report.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/remote.h"
#include "daemon/server.h"
#include "kernels/islet.h"
#include "proto/alloc.h"
#include "proto/messages.h"
#include "proto/pairs.h"
#include "storage/namespaces.h"
#include "storage/pins.h"

typedef uint64_t (*counter_value)(const struct lt_counters *counters, enum lt_counter counter);

#define SHARED_FIELDS (LT_COUNTER_COUNT + 2)

/* What encoding a span has taken, on the average over the store's lifetime: so long a hit has saved. */
static double seconds_of_a_span(const struct lt_counters *counters)
{
    uint64_t spans = lt_counters_lifetime(counters, LT_COUNTER_SPANS_ENCODED);
    return spans ? 1e-6 * (double)lt_counters_lifetime(counters, LT_COUNTER_ENCODE_MICROSECONDS) / (double)spans : 0;
}

/* All counters under their names, with what people would compute from them: times in seconds, and the hit rate. */
static void write_counters(struct lt_writer *writer, const struct lt_counters *counters, counter_value value,
                           double uptime)
{
    for (int i = 0; i < LT_COUNTER_COUNT; i++) {
        enum lt_counter counter = (enum lt_counter)i;
        if (counter == LT_COUNTER_ENCODE_MICROSECONDS)
            lt_pair_real(writer, "encode_seconds", 1e-6 * (double)value(counters, counter));
        else if (counter == LT_COUNTER_UPTIME_SECONDS)
            lt_pair_real(writer, "uptime_s", uptime);
        else
            lt_pair_uint(writer, lt_counter_name(counter), value(counters, counter));
    }
    uint64_t lookups = value(counters, LT_COUNTER_SPAN_LOOKUPS), hits = value(counters, LT_COUNTER_SPAN_HITS);
    lt_pair_real(writer, "hit_rate", lookups ? (double)hits / (double)lookups : 0);
    lt_pair_real(writer, "seconds_avoided", (double)hits * seconds_of_a_span(counters));
}

/* One pair a counter, and what they make together. */
static void write_namespace_counters(struct lt_writer *writer, const struct lt_counters *counters,
                                     const uint64_t values[LT_NAMESPACE_COUNTERS])
{
    uint64_t hits = values[LT_NAMESPACE_HITS_MEMORY] + values[LT_NAMESPACE_HITS_DISK] +
                    values[LT_NAMESPACE_HITS_JOINED] + values[LT_NAMESPACE_HITS_REMOTE];
    for (int i = 0; i < LT_NAMESPACE_COUNTERS; i++)
        lt_pair_uint(writer, lt_namespace_counter_name((enum lt_namespace_counter)i), values[i]);
    lt_pair_real(writer, "seconds_avoided", (double)hits * seconds_of_a_span(counters));
}

/* All namespaces, or if `space` is not empty that one alone. */
static void write_namespaces(struct lt_writer *writer, const struct lt_server *server, const char *space)
{
    struct lt_namespace_usage *usages = lt_malloc(LT_NAMESPACES_MAX * sizeof *usages);
    size_t found = usages ? lt_namespace_list(server->store, 0, usages, LT_NAMESPACES_MAX) : 0, count = 0;
    for (size_t i = 0; i < found; i++)
        if (!*space || strcmp(usages[i].space.name, space) == 0)
            usages[count++] = usages[i];
    lt_write_text(writer, "namespaces");
    lt_write_array(writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        lt_write_map(writer, 5 + LT_NAMESPACE_COUNTERS + 1);
        lt_pair_text(writer, "name", usages[i].space.name);
        lt_pair_uint(writer, "entries", usages[i].entries);
        lt_pair_uint(writer, "bytes", usages[i].bytes);
        lt_pair_uint(writer, "quota_bytes", usages[i].space.quota_bytes);
        write_namespace_counters(writer, &server->counters, usages[i].counts);
        lt_write_text(writer, "lifetime");
        lt_write_map(writer, LT_NAMESPACE_COUNTERS + 1);
        write_namespace_counters(writer, &server->counters, usages[i].lifetime);
    }
    lt_free(usages);
    if (!usages)
        writer->error = LT_ENOMEM;
}

static void write_node(struct lt_writer *writer, const struct lt_cluster_node *node)
{
    static const char *const states[] = {
        [LT_NODE_OPEN] = "open", [LT_NODE_PROBING] = "half_open", [LT_NODE_CLOSED] = "closed"};
    char address[LT_REMOTE_HOST_BYTES_MAX + 8];
    snprintf(address, sizeof address, "%s:%u", node->address.host, node->address.port);
    lt_write_map(writer, 7);
    lt_pair_text(writer, "address", address);
    lt_pair_text(writer, "state", states[node->state]);
    lt_pair_uint(writer, "slots", node->slots);
    lt_pair_uint(writer, "outstanding", node->outstanding);
    lt_pair_uint(writer, "found", node->found);
    lt_pair_uint(writer, "absent", node->absent);
    lt_pair_uint(writer, "failures", node->failures);
}

/* Those that are of use: that have slots, or were named. */
static void write_nodes(struct lt_writer *writer, struct lt_cluster *cluster)
{
    uint32_t count = 0;
    lt_cluster_count_slots(cluster);
    for (size_t i = 0; i < cluster->node_count; i++)
        count += cluster->nodes[i]->master || cluster->nodes[i]->seed;
    lt_write_array(writer, count);
    for (size_t i = 0; i < cluster->node_count; i++)
        if (cluster->nodes[i]->master || cluster->nodes[i]->seed)
            write_node(writer, cluster->nodes[i]);
}

static void write_remote(struct lt_writer *writer, struct lt_remote *remote)
{
    struct lt_remote_stats stats;
    lt_write_text(writer, "remote");
    if (!remote) {
        lt_write_nil(writer);
        return;
    }
    lt_remote_stats(remote, &stats);
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        {"nodes", stats.nodes},
        {"nodes_down", stats.nodes_down},
        {"slots_served", stats.slots_served},
        {"fetches", stats.fetches},
        {"spans_asked", stats.spans_asked},
        {"spans_found", stats.spans_found},
        {"spans_absent", stats.spans_absent},
        {"spans_held", stats.spans_held},
        {"spans_unanswered", stats.unanswered},
        {"deadlines", stats.deadlines},
        {"pipelines", stats.cluster.pipelines},
        {"moved", stats.cluster.moved},
        {"asked_elsewhere", stats.cluster.asked},
        {"cluster_down", stats.cluster.down},
        {"breaker_openings", stats.cluster.breaker_openings},
        {"written", stats.written},
        {"write_failures", stats.write_failures},
        {"dropped", stats.dropped},
        {"waiting", stats.waiting},
    };
    lt_write_map(writer, sizeof fields / sizeof *fields + 1);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        lt_pair_uint(writer, fields[i].name, fields[i].value);
    lt_write_text(writer, "by_node");
    write_nodes(writer, lt_remote_cluster(remote));
}

static void write_first_token(struct lt_writer *writer, const char *name, const struct lt_counters *counters,
                              double share)
{
    double seconds = lt_histogram_quantile(&counters->histograms[LT_HISTOGRAM_TIME_TO_FIRST_TOKEN],
                                           LT_HISTOGRAM_TIME_TO_FIRST_TOKEN, share);
    if (!isnan(seconds)) {
        lt_pair_real(writer, name, 1e3 * seconds);
        return;
    }
    lt_write_text(writer, name);
    lt_write_nil(writer);
}

void lt_report_stats(struct lt_writer *writer, const struct lt_server *server, const char *space)
{
    const struct lt_counters *counters = &server->counters;
    struct lt_store_stats store;
    lt_store_stats(server->store, &store);
    uint64_t pinned, pinned_bytes;
    lt_store_pinned(server->store, &pinned, &pinned_bytes);
    lt_write_map(writer, SHARED_FIELDS + 16);
    write_counters(writer, counters, lt_counters_value, lt_clock_seconds() - server->started);
    lt_pair_uint(writer, "store_entries", store.entries);
    lt_pair_uint(writer, "store_bytes", store.bytes);
    lt_pair_uint(writer, "store_budget_bytes", store.budget_bytes);
    lt_pair_uint(writer, "store_in_memory", store.memory_entries);
    lt_pair_uint(writer, "store_waiting", store.waiting);
    lt_pair_uint(writer, "store_pinned", pinned);
    lt_pair_uint(writer, "store_pinned_bytes", pinned_bytes);
    lt_pair_uint(writer, "store_corrupt", store.corrupt);
    lt_pair_uint(writer, "store_write_failures", store.write_failures);
    lt_pair_uint(writer, "connections", server->session_count);
    lt_pair_uint(writer, "running", server->job_count);
    write_first_token(writer, "ttft_p50_ms", counters, 0.5);
    write_first_token(writer, "ttft_p99_ms", counters, 0.99);
    write_remote(writer, server->fleet);
    write_namespaces(writer, server, space);
    lt_write_text(writer, "lifetime");
    lt_write_map(writer, SHARED_FIELDS);
    write_counters(
        writer, counters, lt_counters_lifetime,
        (double)(lt_counters_lifetime(counters, LT_COUNTER_UPTIME_SECONDS) + lt_server_seconds_uncounted(server)));
}

static void write_limits(struct lt_writer *writer)
{
    static const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        {"frame_bytes", LT_FRAME_BYTES_MAX},       {"frame_depth", LT_FRAME_DEPTH_MAX},
        {"frame_elements", LT_FRAME_ELEMENTS_MAX}, {"reply_bytes", LT_REPLY_BYTES_MAX},
        {"connections", LT_CONNECTIONS_MAX},       {"requests_of_a_connection", LT_CONNECTION_REQUESTS_MAX},
        {"waiting_requests", LT_ENGINE_QUEUE_MAX}, {"segments", LT_SEGMENTS_MAX},
        {"max_tokens", LT_GENERATE_TOKENS_MAX},    {"latent_keys", LT_LATENT_KEYS_MAX},
        {"document_bytes", LT_DOCUMENT_BYTES_MAX}, {"document_versions", LT_DOCUMENT_VERSIONS_MAX},
    };
    lt_write_text(writer, "limits");
    lt_write_map(writer, sizeof limits / sizeof *limits);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        lt_pair_uint(writer, limits[i].name, limits[i].value);
}

void lt_report_info(struct lt_writer *writer, const struct lt_server *server)
{
    struct lt_store_stats store;
    lt_store_stats(server->store, &store);
    lt_write_map(writer, 12);
    lt_pair_text(writer, "version", LT_VERSION);
    lt_pair_uint(writer, "protocol", LT_PROTOCOL_VERSION);
    lt_pair_uint(writer, "pid", (uint64_t)getpid());
    lt_pair_real(writer, "uptime_s", lt_clock_seconds() - server->started);
    lt_write_text(writer, "store");
    lt_write_map(writer, 5);
    lt_pair_text(writer, "path", server->config->store);
    lt_pair_uint(writer, "bytes", store.bytes);
    lt_pair_uint(writer, "budget_bytes", store.budget_bytes);
    lt_pair_text(writer, "durability", lt_durability_name(server->config->durability));
    lt_pair_text(writer, "latent_type", lt_latent_type_name(server->config->latent_type));
    lt_pair_text(writer, "socket", server->config->socket);
    lt_pair_text(writer, "listen", server->config->listen);
    lt_pair_text(writer, "http", server->config->http);
    lt_pair_text(writer, "compute_kernel", lt_compute_kernel());
    lt_pair_uint(writer, "threads", server->threads);
    write_limits(writer);
    lt_pair_text(writer, "default_model", lt_model_name(server->models[0]));
}

static void write_fingerprint(struct lt_writer *writer, const char *name, const struct lt_model *model,
                              const uint8_t *fingerprint)
{
    char digits[2 * LT_FINGERPRINT_BYTES + 1];
    sodium_bin2hex(digits, sizeof digits, fingerprint, LT_FINGERPRINT_BYTES);
    lt_pair_text(writer, name, lt_model_has_encoder(model) ? digits : NULL);
}

static void write_model(struct lt_writer *writer, const struct lt_model *model, bool is_default)
{
    const struct lt_model_shape *shape = lt_model_shape(model);
    lt_write_map(writer, 13);
    lt_pair_text(writer, "name", lt_model_name(model));
    lt_pair_text(writer, "architecture", lt_model_architecture(model));
    lt_pair_uint(writer, "parameters", lt_model_parameters(model));
    lt_pair_uint(writer, "file_bytes", lt_model_file_bytes(model));
    lt_pair_uint(writer, "width", shape->width);
    lt_pair_uint(writer, "context_tokens", shape->context);
    lt_pair_uint(writer, "trained_tokens", shape->trained);
    lt_pair_uint(writer, "vocabulary", shape->vocabulary);
    lt_pair_uint(writer, "span_minimum", shape->span_minimum);
    lt_pair_uint(writer, "span_maximum", shape->span_maximum);
    write_fingerprint(writer, "encoder_fingerprint", model, lt_model_encoder_fingerprint(model));
    write_fingerprint(writer, "refiner_fingerprint", model, lt_model_refiner_fingerprint(model));
    lt_pair_bool(writer, "default", is_default);
}

void lt_report_models(struct lt_writer *writer, const struct lt_server *server)
{
    lt_write_map(writer, 1);
    lt_write_text(writer, "models");
    lt_write_array(writer, (uint32_t)server->model_count);
    for (size_t i = 0; i < server->model_count; i++)
        write_model(writer, server->models[i], i == 0);
}
