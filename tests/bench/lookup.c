/* Lookups through the store, with its checks and its bookkeeping, beside bare mdb_get + copy from an LMDB environment
 * that has the same records under the same keys. Both are asked in batches as large as a prompt, in one read
 * transaction a batch, and they take turns. What is asked for: spans at random; documents at
 * random, whose spans were put one after the other and are asked for so; and a few spans again and again, which the
 * store keeps in memory.
 *
 *   build/tests/bench/lookup FOLDER SPANS DIMENSION LOOKUPS REPEATS
 *
 * FOLDER becomes the store and stays, so that a daemon can be started on it. Prints one JSON object. */
#include <errno.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/alloc.h"
#include "proto/record.h"
#include "tests/bench/numbered.h"

#define BATCH 256
#define DOCUMENT 230 /* spans that lie together: about 2,048 tokens */
#define PAGE_BYTES 4096
#define HOT 10000 /* spans that are asked for again and again */
#define MEMORY (64ull << 20)
#define WARM_UP 3
#define GROUP 4096 /* records that LMDB writes in one transaction */

struct measurement {
    const char *folder;
    uint32_t spans, dimension;
    size_t lookups; /* a multiple of BATCH */
    size_t record_bytes;
    struct lt_store *store;
    MDB_env *env; /* of LMDB alone */
    MDB_dbi database;
    struct lt_span_key *wanted; /* [lookups] */
    uint8_t *room;              /* [BATCH][record_bytes] */
};

static void check_lmdb(int code)
{
    if (code)
        stop_with("LMDB", mdb_strerror(code));
}

static uint64_t budget_for(const struct measurement *measurement)
{
    uint64_t bytes = (uint64_t)measurement->spans * 2 * (measurement->record_bytes + PAGE_BYTES);
    return bytes > LT_STORE_BYTES_MIN ? bytes : LT_STORE_BYTES_MIN;
}

static double fill(struct measurement *measurement)
{
    double began = seconds_now();
    measurement->store = open_store(measurement->folder, budget_for(measurement), 0, measurement->dimension);
    for (uint32_t number = 0; number < measurement->spans; number++)
        put_numbered(measurement->store, number, measurement->dimension, measurement->room);
    flush_store(measurement->store);
    lt_store_close(measurement->store);
    return seconds_now() - began;
}

static void bare_path(const struct measurement *measurement, const char *file, char *ret_path)
{
    if (snprintf(ret_path, PATH_MAX, "%s.bare%s", measurement->folder, file) >= PATH_MAX)
        stop_with(measurement->folder, "the path is too long");
}

/* The same keys with values as long as records; what they say does not matter. */
static double fill_lmdb(struct measurement *measurement)
{
    char path[PATH_MAX];
    bare_path(measurement, "", path);
    double began = seconds_now();
    check_lmdb(mkdir(path, 0700) ? errno : 0);
    check_lmdb(mdb_env_create(&measurement->env));
    check_lmdb(mdb_env_set_mapsize(measurement->env, budget_for(measurement)));
    check_lmdb(mdb_env_open(measurement->env, path, MDB_NOTLS | MDB_NOSYNC, 0600));
    for (uint32_t number = 0; number < measurement->spans;) {
        MDB_txn *transaction;
        check_lmdb(mdb_txn_begin(measurement->env, NULL, 0, &transaction));
        check_lmdb(mdb_dbi_open(transaction, NULL, 0, &measurement->database));
        for (uint32_t i = 0; i < GROUP && number < measurement->spans; i++, number++) {
            struct lt_span_key key = numbered_key(number);
            MDB_val name = {sizeof key.bytes, key.bytes}, value = {measurement->record_bytes, measurement->room};
            check_lmdb(mdb_put(transaction, measurement->database, &name, &value, 0));
        }
        check_lmdb(mdb_txn_commit(transaction));
    }
    return seconds_now() - began;
}

static void remove_lmdb(struct measurement *measurement)
{
    static const char *const files[] = {"/data.mdb", "/lock.mdb", ""};
    mdb_env_close(measurement->env);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_MAX];
        bare_path(measurement, files[i], path);
        remove(path);
    }
}

static double reopen(struct measurement *measurement, uint64_t memory_bytes)
{
    double began = seconds_now();
    measurement->store = open_store(measurement->folder, budget_for(measurement), memory_bytes, measurement->dimension);
    return seconds_now() - began;
}

/* Runs of so many spans, each from one of so many places that lie evenly spread over all. */
static void choose(struct measurement *measurement, uint32_t run, uint32_t places)
{
    srand48(5);
    for (size_t i = 0; i < measurement->lookups;) {
        uint32_t first = (uint32_t)((uint64_t)(drand48() * places) * measurement->spans / places);
        for (uint32_t k = 0; k < run && i < measurement->lookups; k++)
            measurement->wanted[i++] = numbered_key((first + k) % measurement->spans);
    }
}

/* Lookups a second through the store. */
static double rate_of_store(const struct measurement *measurement)
{
    static struct lt_latent latents[BATCH];
    static enum lt_lookup outcomes[BATCH];
    double began = seconds_now();
    for (size_t first = 0; first < measurement->lookups; first += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            latents[i] = (struct lt_latent){.key = measurement->wanted[first + i],
                                            .type = LT_LATENT_I8,
                                            .dimension = measurement->dimension,
                                            .payload = measurement->room + i * measurement->record_bytes};
        int code = lt_store_get(measurement->store, latents, BATCH, outcomes);
        if (code)
            stop_with("get", lt_error_message(code));
        for (size_t i = 0; i < BATCH; i++)
            if (!lt_lookup_is_hit(outcomes[i]))
                stop_with("get", lt_lookup_name(outcomes[i]));
    }
    return (double)measurement->lookups / (seconds_now() - began);
}

/* Lookups a second with LMDB alone, used as sparingly as it can be: one transaction, renewed for each batch. */
static double rate_of_lmdb(const struct measurement *measurement)
{
    MDB_txn *transaction;
    check_lmdb(mdb_txn_begin(measurement->env, NULL, MDB_RDONLY, &transaction));
    double began = seconds_now();
    for (size_t first = 0; first < measurement->lookups; first += BATCH) {
        mdb_txn_reset(transaction);
        check_lmdb(mdb_txn_renew(transaction));
        for (size_t i = 0; i < BATCH; i++) {
            MDB_val name = {LT_SPAN_KEY_BYTES, measurement->wanted[first + i].bytes}, value;
            check_lmdb(mdb_get(transaction, measurement->database, &name, &value));
            memcpy(measurement->room + i * measurement->record_bytes, value.mv_data, measurement->record_bytes);
        }
    }
    double rate = (double)measurement->lookups / (seconds_now() - began);
    mdb_txn_abort(transaction);
    return rate;
}

static void print_rates(const char *name, const double *rates, size_t count)
{
    printf(", \"%s\": [", name);
    for (size_t i = 0; i < count; i++)
        printf("%s%.1f", i ? ", " : "", rates[i]);
    printf("]");
}

/* Both by turns, on spans that were chosen. */
static void compare(struct measurement *measurement, size_t repeats, const char *store_name, const char *lmdb_name)
{
    double *store = room(repeats, sizeof *store), *lmdb = room(repeats, sizeof *lmdb);
    for (int i = 0; i < WARM_UP; i++) {
        rate_of_lmdb(measurement);
        rate_of_store(measurement);
    }
    for (size_t i = 0; i < repeats; i++) {
        store[i] = rate_of_store(measurement);
        lmdb[i] = rate_of_lmdb(measurement);
    }
    print_rates(store_name, store, repeats);
    print_rates(lmdb_name, lmdb, repeats);
    lt_free(store);
    lt_free(lmdb);
}

static void measure(struct measurement *measurement, size_t repeats)
{
    double fill_seconds = fill(measurement), fill_lmdb_seconds = fill_lmdb(measurement);
    double open_seconds = reopen(measurement, 0);
    printf("{\"spans\": %u, \"record_bytes\": %zu, \"fill_seconds\": %.4f, \"lmdb_fill_seconds\": %.4f, "
           "\"open_seconds\": %.6f",
           measurement->spans, measurement->record_bytes, fill_seconds, fill_lmdb_seconds, open_seconds);
    choose(measurement, 1, measurement->spans);
    compare(measurement, repeats, "store", "lmdb");
    choose(measurement, DOCUMENT, measurement->spans);
    compare(measurement, repeats, "store_documents", "lmdb_documents");
    lt_store_close(measurement->store);
    reopen(measurement, MEMORY);
    choose(measurement, 1, measurement->spans < HOT ? measurement->spans : HOT);
    compare(measurement, repeats, "store_hot", "lmdb_hot");
    printf("}\n");
    lt_store_close(measurement->store);
    remove_lmdb(measurement);
}

int main(int count, char **arguments)
{
    if (count != 6)
        stop_with("usage", "lookup FOLDER SPANS DIMENSION LOOKUPS REPEATS");
    struct measurement measurement = {.folder = arguments[1],
                                      .spans = (uint32_t)number_argument("SPANS", arguments[2]),
                                      .dimension = (uint32_t)number_argument("DIMENSION", arguments[3])};
    measurement.lookups = (number_argument("LOOKUPS", arguments[4]) + BATCH - 1) / BATCH * BATCH;
    const uint32_t tokens[SPAN_TOKENS] = {0};
    const struct lt_latent latent = {
        .type = LT_LATENT_I8, .dimension = measurement.dimension, .token_count = SPAN_TOKENS, .tokens = tokens};
    measurement.record_bytes = lt_record_bytes(&latent);
    if (!measurement.record_bytes)
        stop_with("DIMENSION", "no record is that large");
    measurement.room = room(BATCH, measurement.record_bytes);
    measurement.wanted = room(measurement.lookups, sizeof *measurement.wanted);
    measure(&measurement, number_argument("REPEATS", arguments[5]));
    lt_free(measurement.room);
    lt_free(measurement.wanted);
    return 0;
}
