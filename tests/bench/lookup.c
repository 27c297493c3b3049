/* Lookups through the store, with its checks and its bookkeeping, beside bare mdb_get + copy on the same LMDB pages.
 * Each takes random spans in batches as large as a prompt, in one read transaction a batch, and they take turns.
 *
 *   build/tests/bench/lookup FOLDER SPANS DIMENSION LOOKUPS REPEATS
 *
 * FOLDER becomes the store and stays, so that a daemon can be started on it. Prints one JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "storage/record.h"
#include "storage/state.h"
#include "tests/bench/numbered.h"

#define BATCH 256
#define PAGE_BYTES 4096

struct measurement {
    const char *folder;
    uint32_t spans, dimension;
    size_t lookups; /* a multiple of BATCH */
    size_t record_bytes;
    struct lt_store *store;
    struct lt_span_key *wanted; /* [lookups] */
    uint8_t *room;              /* [BATCH][record_bytes] */
};

static uint64_t budget_for(const struct measurement *measurement)
{
    uint64_t bytes = (uint64_t)measurement->spans * 2 * (measurement->record_bytes + PAGE_BYTES);
    return bytes > LT_STORE_BYTES_MIN ? bytes : LT_STORE_BYTES_MIN;
}

static double fill(struct measurement *measurement)
{
    double began = seconds_now();
    measurement->store = open_store(measurement->folder, budget_for(measurement));
    for (uint32_t number = 0; number < measurement->spans; number++)
        put_numbered(measurement->store, number, measurement->dimension, measurement->room);
    flush_store(measurement->store);
    lt_store_close(measurement->store);
    return seconds_now() - began;
}

static double reopen(struct measurement *measurement)
{
    double began = seconds_now();
    measurement->store = open_store(measurement->folder, budget_for(measurement));
    return seconds_now() - began;
}

static void choose(struct measurement *measurement)
{
    srand48(5);
    for (size_t i = 0; i < measurement->lookups; i++)
        measurement->wanted[i] = numbered_key((uint32_t)(drand48() * measurement->spans));
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

static void check_lmdb(int code)
{
    if (code)
        stop_with("LMDB", mdb_strerror(code));
}

/* Lookups a second with LMDB alone, used as sparingly as it can be: one transaction, renewed for each batch. */
static double rate_of_lmdb(const struct measurement *measurement)
{
    const struct lt_environment *environment = &measurement->store->environment;
    MDB_txn *transaction;
    check_lmdb(mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &transaction));
    double began = seconds_now();
    for (size_t first = 0; first < measurement->lookups; first += BATCH) {
        mdb_txn_reset(transaction);
        check_lmdb(mdb_txn_renew(transaction));
        for (size_t i = 0; i < BATCH; i++) {
            MDB_val name = {LT_SPAN_KEY_BYTES, measurement->wanted[first + i].bytes}, value;
            check_lmdb(mdb_get(transaction, environment->latents, &name, &value));
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

static void measure(struct measurement *measurement, size_t repeats)
{
    double fill_seconds = fill(measurement), open_seconds = reopen(measurement);
    double *store = room(repeats, sizeof *store), *lmdb = room(repeats, sizeof *lmdb);
    choose(measurement);
    rate_of_lmdb(measurement); /* brings the pages into memory for both */
    for (size_t i = 0; i < repeats; i++) {
        store[i] = rate_of_store(measurement);
        lmdb[i] = rate_of_lmdb(measurement);
    }
    printf("{\"spans\": %u, \"record_bytes\": %zu, \"fill_seconds\": %.4f, \"open_seconds\": %.6f", measurement->spans,
           measurement->record_bytes, fill_seconds, open_seconds);
    print_rates("store", store, repeats);
    print_rates("lmdb", lmdb, repeats);
    printf("}\n");
    lt_store_close(measurement->store);
    lt_free(store);
    lt_free(lmdb);
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
