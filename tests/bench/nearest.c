/* The search behind latentctl near: spans a second, on one thread, and its recall beside an exhaustive search in
 * double precision; and what OpenBLAS takes for the one product over float32 rows in memory that a flat index would do.
 *
 *   build/tests/bench/nearest FOLDER SPANS DIMENSION REPEATS
 *
 * FOLDER becomes the store. Latents are random numbers around a mean that all have in common, as those of a model are.
 * Prints one JSON object. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/nearest.h"
#include "kernels/int8.h"
#include "tests/bench/numbered.h"

#define K 10
#define TOKENS 8
#define COMMON 4.0 /* size of the mean, in standard deviations of what is special */
#define BLOCK 4096 /* rows that OpenBLAS takes at once */

static const uint8_t fingerprint[32] = {7};

struct measurement {
    struct lt_store *store;
    size_t spans, dimension;
    int8_t *numbers;          /* [spans][dimension] as stored */
    float *scales;            /* [spans] */
    struct lt_span_key *keys; /* [spans] */
    float *mean;              /* [dimension] */
    double *cosines;          /* [spans] */
};

/* Roughly normal. */
static float random_number(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += drand48();
    return (float)sum;
}

static void make_latent(const struct measurement *measurement, int8_t *ret_numbers, float *ret_scale)
{
    float latent[LT_LATENT_DIMENSION_MAX];
    for (size_t i = 0; i < measurement->dimension; i++)
        latent[i] = measurement->mean[i] + random_number();
    lt_int8_from_float(latent, measurement->dimension, ret_numbers, ret_scale);
}

static void fill(struct measurement *measurement)
{
    for (size_t i = 0; i < measurement->dimension; i++)
        measurement->mean[i] = (float)COMMON * random_number();
    for (size_t i = 0; i < measurement->spans; i++) {
        uint32_t tokens[TOKENS] = {(uint32_t)(i % 60000), (uint32_t)(i / 60000)};
        int8_t *numbers = measurement->numbers + i * measurement->dimension;
        make_latent(measurement, numbers, &measurement->scales[i]);
        lt_span_key(fingerprint, NULL, 0, tokens, TOKENS, &measurement->keys[i]);
        const struct lt_latent latent = {.key = measurement->keys[i],
                                         .type = LT_LATENT_I8,
                                         .dimension = (uint32_t)measurement->dimension,
                                         .scale = measurement->scales[i],
                                         .token_count = TOKENS,
                                         .tokens = tokens,
                                         .payload = numbers};
        int code = lt_store_put(measurement->store, &latent, 1, NULL);
        if (code == LT_EBUSY) {
            flush_store(measurement->store);
            code = lt_store_put(measurement->store, &latent, 1, NULL);
        }
        if (code)
            stop_with("put", lt_error_message(code));
    }
    flush_store(measurement->store);
}

/* Seconds of one search, both walks. */
static double search(const struct measurement *measurement, const float *query, struct lt_nearest **ret_nearest)
{
    bool done = false;
    double began = seconds_now();
    if (lt_nearest_create(query, 1, (uint32_t)measurement->dimension, fingerprint, &(struct lt_namespace){.id = 0}, K,
                          ret_nearest))
        stop_with("search", "no memory");
    while (!done)
        if (lt_nearest_step(*ret_nearest, measurement->store, &done))
            stop_with("search", "the store cannot be read");
    return seconds_now() - began;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* How many of the K that were found are as near as the K-th of an exhaustive search around the same mean. */
static size_t count_right(struct measurement *measurement, const float *query, const struct lt_nearest *nearest)
{
    size_t dimension = measurement->dimension, right = 0;
    for (size_t i = 0; i < measurement->spans; i++) {
        double both = 0, own = 0, query_own = 0;
        for (size_t j = 0; j < dimension; j++) {
            double mean = (double)nearest->mean[j], q = (double)query[j] - mean;
            double x = (double)measurement->numbers[i * dimension + j] * (double)measurement->scales[i] - mean;
            both += q * x;
            own += x * x;
            query_own += q * q;
        }
        measurement->cosines[i] = both / sqrt(own * query_own);
    }
    qsort(measurement->cosines, measurement->spans, sizeof *measurement->cosines, descending);
    for (size_t i = 0; i < nearest->counts[0]; i++)
        right += nearest->found[i].cosine >= measurement->cosines[K - 1] - 1e-5;
    return right;
}

/* Seconds of the products alone, over float32 rows that are in memory already. */
static double multiply(const struct measurement *measurement, const float *query)
{
    size_t dimension = measurement->dimension;
    float *rows = room(BLOCK * dimension, sizeof *rows), *products = room(BLOCK, sizeof *products);
    double seconds = 0;
    for (size_t first = 0; first < measurement->spans; first += BLOCK) {
        size_t count = measurement->spans - first < BLOCK ? measurement->spans - first : BLOCK;
        for (size_t i = 0; i < count; i++)
            lt_float_from_int8(measurement->numbers + (first + i) * dimension, dimension,
                               measurement->scales[first + i], rows + i * dimension);
        double began = seconds_now();
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)count, (int)dimension, 1, rows, (int)dimension, query, 1, 0,
                    products, 1);
        seconds += seconds_now() - began;
    }
    free(rows);
    free(products);
    return seconds;
}

int main(int count, char **arguments)
{
    if (count != 5)
        stop_with("arguments", "FOLDER SPANS DIMENSION REPEATS");
    struct measurement measurement = {.spans = number_argument("SPANS", arguments[2]),
                                      .dimension = number_argument("DIMENSION", arguments[3])};
    size_t repeats = number_argument("REPEATS", arguments[4]), right = 0;
    double least = INFINITY, least_products = INFINITY;
    if (measurement.dimension > LT_LATENT_DIMENSION_MAX || measurement.spans < K)
        stop_with("arguments", "at most 4096 numbers and at least 10 spans");
    measurement.numbers = room(measurement.spans, measurement.dimension);
    measurement.scales = room(measurement.spans, sizeof *measurement.scales);
    measurement.keys = room(measurement.spans, sizeof *measurement.keys);
    measurement.mean = room(measurement.dimension, sizeof *measurement.mean);
    measurement.cosines = room(measurement.spans, sizeof *measurement.cosines);
    measurement.store =
        open_store(arguments[1], LT_STORE_BYTES_MIN + measurement.spans * (measurement.dimension + 4096), 0,
                   (uint32_t)measurement.dimension);
    openblas_set_num_threads(1);
    srand48(1);
    fill(&measurement);
    float *query = room(measurement.dimension, sizeof *query);
    for (size_t i = 0; i < repeats; i++) {
        struct lt_nearest *nearest;
        int8_t numbers[LT_LATENT_DIMENSION_MAX];
        float scale;
        make_latent(&measurement, numbers, &scale);
        lt_float_from_int8(numbers, measurement.dimension, scale, query);
        double seconds = search(&measurement, query, &nearest), products = multiply(&measurement, query);
        least = seconds < least ? seconds : least;
        least_products = products < least_products ? products : least_products;
        right += count_right(&measurement, query, nearest);
        lt_nearest_destroy(nearest);
    }
    printf("{\"spans\": %zu, \"dimension\": %zu, \"k\": %d, \"searches\": %zu, \"recall\": %.4f, "
           "\"search_seconds\": %.4f, \"spans_per_second\": %.0f, \"openblas_products_seconds\": %.4f}\n",
           measurement.spans, measurement.dimension, K, repeats, (double)right / (double)(K * repeats), least,
           (double)measurement.spans / least, least_products);
    lt_store_close(measurement.store);
    return 0;
}
