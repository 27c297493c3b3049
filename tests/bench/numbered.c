#include "tests/bench/numbered.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/alloc.h"

void stop_with(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(1);
}

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void *room(size_t count, size_t bytes)
{
    void *memory = lt_calloc(count, bytes);
    if (!memory)
        stop_with("memory", "there is none left");
    return memory;
}

uint64_t number_argument(const char *name, const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (*end || number == 0)
        stop_with(name, "a whole number from 1 on is needed");
    return number;
}

struct lt_store *open_store(const char *path, uint64_t budget_bytes, uint64_t memory_bytes, uint32_t dimension)
{
    const struct lt_store_options options = {.path = path,
                                             .budget_bytes = budget_bytes,
                                             .durability = LT_DURABILITY_RELAXED,
                                             .memory_bytes = memory_bytes,
                                             .memory_payload_bytes = lt_latent_payload_bytes(LT_LATENT_I8, dimension),
                                             .commit_milliseconds = 10,
                                             .commit_bytes = 1 << 20};
    struct lt_store *store;
    struct lt_error error;
    if (lt_store_open(&options, &store, &error))
        stop_with(path, error.message);
    return store;
}

struct lt_span_key numbered_key(uint32_t number)
{
    static const uint8_t fingerprint[32] = {1};
    struct lt_span_key key;
    lt_span_key(fingerprint, NULL, 0, &number, 1, &key);
    return key;
}

struct lt_latent numbered_latent(uint32_t number, uint32_t dimension, void *payload)
{
    return (struct lt_latent){
        .key = numbered_key(number), .type = LT_LATENT_I8, .dimension = dimension, .payload = payload};
}

void put_numbered(struct lt_store *store, uint32_t number, uint32_t dimension, void *payload)
{
    static const uint32_t tokens[SPAN_TOKENS];
    struct lt_latent latent = numbered_latent(number, dimension, payload);
    int8_t *numbers = payload;
    for (uint32_t i = 0; i < dimension; i++)
        numbers[i] = (int8_t)(number * 31 + i);
    latent.scale = 1.0f / 64;
    latent.token_count = SPAN_TOKENS;
    latent.tokens = tokens;
    int code = lt_store_put(store, &latent, 1, NULL);
    if (code == LT_EBUSY) {
        flush_store(store);
        code = lt_store_put(store, &latent, 1, NULL);
    }
    if (code)
        stop_with("put", lt_error_message(code));
}

void flush_store(struct lt_store *store)
{
    int code = lt_store_flush(store);
    if (code)
        stop_with("flush", lt_error_message(code));
}
