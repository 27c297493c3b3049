/* check_store STORE BUDGET-BYTES EXPECTED: opens a store as latentd does, walks over every record, and looks up what
 * must be there. EXPECTED is a file of entries, each a span key (32 bytes), the scale (float32), the payload's length
 * (u32, little-endian) and the payload, as latent.get gave them. Prints counts as JSON; exits with 0 if nothing is
 * damaged, missing or wrong, with 1 if something is, with 3 if the store was refused (the reason goes to standard
 * error). */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/alloc.h"
#include "storage/scan.h"

#define SLICE 1024

struct counts {
    size_t seen, sound, expected, missing, wrong;
};

static void meet(void *context, const struct lt_span_key *key, const struct lt_record *record)
{
    (void)key;
    (void)record;
    ((struct counts *)context)->sound++;
}

static int walk(struct lt_store *store, struct counts *counts)
{
    struct lt_scan scan = {0};
    size_t count = SLICE;
    int code = LT_OK;
    while (code == LT_OK && count == SLICE) {
        code = lt_store_scan(store, &scan, SLICE, meet, counts, &count);
        counts->seen += code == LT_OK ? count : 0;
    }
    return code;
}

/* Looks up one entry of the file; false at its end. */
static bool look_up(struct lt_store *store, FILE *file, struct counts *counts)
{
    uint8_t expected[LT_RECORD_BYTES_MAX], found[LT_RECORD_BYTES_MAX];
    struct lt_latent latent = {.type = LT_LATENT_I8, .payload = found};
    enum lt_lookup lookup;
    float scale;
    uint32_t bytes;
    if (fread(&latent.key, sizeof latent.key, 1, file) != 1)
        return false;
    if (fread(&scale, sizeof scale, 1, file) != 1 || fread(&bytes, sizeof bytes, 1, file) != 1 ||
        le32toh(bytes) > sizeof expected || fread(expected, le32toh(bytes), 1, file) != 1) {
        fprintf(stderr, "the file of what is expected is cut short\n");
        exit(2);
    }
    latent.dimension = le32toh(bytes);
    counts->expected++;
    if (lt_store_get(store, &latent, 1, &lookup) != LT_OK || !lt_lookup_is_hit(lookup))
        counts->missing++;
    else
        counts->wrong += latent.scale != scale || memcmp(found, expected, latent.dimension) != 0;
    return true;
}

int main(int count, char **arguments)
{
    struct lt_error error = {0};
    struct lt_store *store;
    struct counts counts = {0};
    FILE *expected = count == 4 ? fopen(arguments[3], "rb") : NULL;
    if (!expected) {
        fprintf(stderr, "usage: check_store STORE BUDGET-BYTES EXPECTED\n");
        return 2;
    }
    const struct lt_store_options options = {.path = arguments[1],
                                             .budget_bytes = strtoull(arguments[2], NULL, 10),
                                             .commit_milliseconds = 10,
                                             .commit_bytes = (size_t)1 << 20};
    if (lt_store_open(&options, &store, &error) != LT_OK) {
        fprintf(stderr, "%s\n", error.message);
        fclose(expected);
        return 3;
    }
    int code = walk(store, &counts);
    while (look_up(store, expected, &counts))
        continue;
    fclose(expected);
    lt_store_close(store);
    printf("{\"records\": %zu, \"damaged\": %zu, \"expected\": %zu, \"missing\": %zu, \"wrong\": %zu, \"code\": %d}\n",
           counts.seen, counts.seen - counts.sound, counts.expected, counts.missing, counts.wrong, code);
    return code || counts.seen != counts.sound || counts.missing || counts.wrong;
}
