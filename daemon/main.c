/* latentd: start-up and shut-down. Reads the settings, opens models and store, starts the server, runs it, and closes
 * everything in the opposite order. Exit status: 0 after a graceful stop, 1 when starting failed, 2 for wrong settings.
 */
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/server.h"

#define KEPT_BYTES (2 << 20)

/* Makes the folders above the store, as mkdir -p does: a default under $HOME may be the first thing there. */
static int make_parents(const char *path, struct lt_error *error)
{
    char folder[4096];
    if (strlen(path) >= sizeof folder)
        return lt_fail(error, LT_ECONFIG, "the store's path is longer than %zu bytes", sizeof folder - 1);
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        if (mkdir(folder, 0755) != 0 && errno != EEXIST)
            return lt_fail(error, LT_ESTORE, "cannot make the folder %s: %s", folder, strerror(errno));
    }
    return LT_OK;
}

static int open_models(struct lt_server *server, struct lt_error *error)
{
    const struct lt_config *config = server->config;
    for (size_t i = 0; i < config->model_count; i++) {
        struct lt_model *model;
        int code = lt_model_open(config->models[i], config->precision, &model, error);
        if (code)
            return code;
        server->models[server->model_count++] = model;
        for (size_t other = 0; other < i; other++)
            if (strcmp(lt_model_name(server->models[other]), lt_model_name(model)) == 0)
                return lt_fail(error, LT_EMODEL, "%s and %s are both called '%s'; requests could not tell them apart",
                               config->models[other], config->models[i], lt_model_name(model));
    }
    return LT_OK;
}

/* Bytes of the widest latent that a model makes, as it is stored. */
static size_t latent_bytes(const struct lt_server *server)
{
    size_t most = 0;
    for (size_t i = 0; i < server->model_count; i++) {
        uint32_t width = lt_model_has_encoder(server->models[i]) ? lt_model_shape(server->models[i])->width : 0;
        size_t bytes = lt_latent_payload_bytes(server->config->latent_type, width);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static int open_store(struct lt_server *server, struct lt_error *error)
{
    const struct lt_config *config = server->config;
    const uint8_t *encoders[LT_MODELS_MAX];
    size_t encoder_count = 0;
    for (size_t i = 0; i < server->model_count; i++)
        if (lt_model_has_encoder(server->models[i]))
            encoders[encoder_count++] = lt_model_encoder_fingerprint(server->models[i]);
    const struct lt_store_options options = {.path = config->store,
                                             .budget_bytes = config->budget_bytes,
                                             .durability = config->durability,
                                             .encoders = encoders,
                                             .encoder_count = encoder_count,
                                             .memory_bytes = config->memory_bytes,
                                             .memory_payload_bytes = latent_bytes(server),
                                             .commit_milliseconds = 10,
                                             .commit_bytes = (size_t)1 << 20};
    int code = make_parents(config->store, error);
    if (code == LT_OK)
        code = lt_store_open(&options, &server->store, error);
    if (code == LT_OK)
        lt_counters_init(&server->counters, server->store);
    return code;
}

static void say_ready(const struct lt_server *server)
{
    const struct lt_config *config = server->config;
    struct lt_store_stats store;
    lt_store_stats(server->store, &store);
    printf("latentd ready: model %s (%.1f M parameters)", lt_model_name(server->models[0]),
           1e-6 * (double)lt_model_parameters(server->models[0]));
    if (server->model_count > 1)
        printf(" and %zu more", server->model_count - 1);
    printf(", compute kernels %s with %u threads, store %s (%llu spans, %.1f MB of %.1f MB), socket %s",
           lt_compute_kernel(), server->threads, config->store, (unsigned long long)store.entries,
           1e-6 * (double)store.bytes, 1e-6 * (double)store.budget_bytes, config->socket);
    if (config->listen)
        printf(", %s://%s", config->tls_cert ? "tls" : "tcp", config->listen);
    if (config->http)
        printf(", %s://%s", config->tls_cert ? "https" : "http", config->http);
    printf("\n");
    fflush(stdout);
}

/* Processors that this process may run on. */
static uint32_t processors(void)
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? (uint32_t)CPU_COUNT(&allowed) : 1;
}

/* Replies of tens of kilobytes come and go. The allocator would give their memory back to the system each time and
 * have it mapped anew, page by page, which takes longer than filling it. */
static void keep_freed_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
}

static int serve(const struct lt_config *config)
{
    static struct lt_server server;
    server.config = config;
    struct lt_error error = {0};
    keep_freed_memory();
    lt_log_set_level(config->log_level);
    server.threads = config->threads ? (uint32_t)config->threads : processors();
    int code = sodium_init() < 0 ? lt_fail(&error, LT_EINTERNAL, "libsodium cannot start") : LT_OK;
    if (code == LT_OK)
        code = open_models(&server, &error);
    if (code == LT_OK)
        code = open_store(&server, &error);
    if (code == LT_OK)
        code = lt_server_start(&server, &error);
    if (code == LT_OK) {
        say_ready(&server);
        lt_manager_ready();
        lt_server_run(&server);
    } else {
        fprintf(stderr, "latentd: %s\n", error.message);
    }
    lt_store_close(server.store);
    for (size_t i = 0; i < server.model_count; i++)
        lt_model_close(server.models[i]);
    if (code == LT_OK)
        lt_log(LT_LOG_INFO, "stopped; everything is on disk");
    return code == LT_OK ? 0 : code == LT_ECONFIG ? 2 : 1;
}

int main(int argument_count, char **arguments)
{
    struct lt_config config;
    struct lt_error error = {0};
    enum lt_config_outcome outcome;
    if (lt_config_load(argument_count, arguments, &config, &outcome, &error)) {
        fprintf(stderr, "latentd: %s\nTry latentd --help.\n", error.message);
        return 2;
    }
    if (outcome != LT_CONFIG_RUN) {
        fputs(outcome == LT_CONFIG_HELP ? lt_config_help : "latentd " LT_VERSION "\n", stdout);
        lt_config_finish(&config);
        return 0;
    }
    int status = serve(&config);
    lt_config_finish(&config);
    return status;
}
