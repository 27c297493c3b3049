/* Our matrix product beside OpenBLAS' sgemm, on the model's shapes, one thread each: rate, and whether a row's result
 * depends on how many other rows are in the product. This is the measurement behind docs/DECISIONS.md.
 *
 *   build/tests/bench/gemm                              OpenBLAS chooses its kernels
 *   OPENBLAS_CORETYPE=SKYLAKEX build/tests/bench/gemm   (or HASWELL, ZEN): those kernels
 */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/gemm.h"
#include "kernels/islet.h"
#include "proto/alloc.h"

#define ROWS_MAX 576
#define REPEATS 5
#define SECONDS_OF_WORK 0.02
#define ASSUMED_RATE 5e10

struct product {
    uint32_t outputs, inputs;
    float *weights, *x, *ours, *theirs, *whole;
    struct lt_matrix matrix;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void run_ours(const struct product *product, size_t rows)
{
    lt_gemm(NULL, &product->matrix, product->x, rows, product->ours, false);
}

static void run_theirs(const struct product *product, size_t rows)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)product->outputs, (int)product->inputs, 1,
                product->x, (int)product->inputs, product->weights, (int)product->inputs, 0, product->theirs,
                (int)product->outputs);
}

typedef void run_function(const struct product *product, size_t rows);

static int compare_doubles(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

/* Median rate in GFLOP/s. */
static double rate(run_function *run, const struct product *product, size_t rows)
{
    double operations = 2.0 * (double)rows * product->outputs * product->inputs, samples[REPEATS];
    size_t count = (size_t)(SECONDS_OF_WORK * ASSUMED_RATE / operations) + 1;
    run(product, rows);
    for (int i = 0; i < REPEATS; i++) {
        double began = seconds();
        for (size_t n = 0; n < count; n++)
            run(product, rows);
        samples[i] = operations * (double)count / (seconds() - began) / 1e9;
    }
    qsort(samples, REPEATS, sizeof *samples, compare_doubles);
    return samples[REPEATS / 2];
}

/* How many of the first 64 numbers of rows have results that differ from those in the product of all rows. */
static int dependent_sizes(run_function *run, const struct product *product, const float *result)
{
    size_t row_bytes = product->outputs * sizeof *result;
    int dependent = 0;
    run(product, ROWS_MAX);
    memcpy(product->whole, result, ROWS_MAX * row_bytes);
    for (size_t rows = 1; rows <= 64; rows++) {
        run(product, rows);
        dependent += memcmp(product->whole, result, rows * row_bytes) != 0;
    }
    return dependent;
}

static void fill(float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)drand48() - 0.5f;
}

static int measure(uint32_t outputs, uint32_t inputs)
{
    static const size_t sizes[] = {1, 12, 64, ROWS_MAX};
    struct product p = {.outputs = outputs, .inputs = inputs};
    p.weights = lt_alloc_aligned((size_t)outputs * inputs * sizeof(float));
    p.x = lt_alloc_aligned((size_t)ROWS_MAX * inputs * sizeof(float));
    p.ours = lt_alloc_aligned((size_t)ROWS_MAX * outputs * sizeof(float));
    p.theirs = lt_alloc_aligned((size_t)ROWS_MAX * outputs * sizeof(float));
    p.whole = lt_alloc_aligned((size_t)ROWS_MAX * outputs * sizeof(float));
    if (!p.weights || !p.x || !p.ours || !p.theirs || !p.whole)
        return 1;
    fill(p.weights, (size_t)outputs * inputs);
    fill(p.x, (size_t)ROWS_MAX * inputs);
    if (lt_matrix_pack(p.weights, outputs, inputs, &p.matrix))
        return 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        double ours = rate(run_ours, &p, sizes[i]), theirs = rate(run_theirs, &p, sizes[i]);
        printf("%5u x %-5u %5zu %10.1f %10.1f %7.2f\n", outputs, inputs, sizes[i], ours, theirs, ours / theirs);
    }
    printf("%5u x %-5u  row counts from 1 to 64 whose results differ: ours %d, OpenBLAS %d\n", outputs, inputs,
           dependent_sizes(run_ours, &p, p.ours), dependent_sizes(run_theirs, &p, p.theirs));
    lt_matrix_finish(&p.matrix);
    lt_free(p.weights);
    lt_free(p.x);
    lt_free(p.ours);
    lt_free(p.theirs);
    lt_free(p.whole);
    return 0;
}

int main(void)
{
    static const uint32_t shapes[][2] = {{256, 256}, {704, 256}, {256, 704}, {256, 3072}, {4096, 256}};
    openblas_set_num_threads(1);
    printf("ours: %s, OpenBLAS: %s; one thread, GFLOP/s, medians of %d\n\n", lt_compute_kernel(),
           openblas_get_corename(), REPEATS);
    printf("%-13s %5s %10s %10s %7s\n", "weights", "rows", "ours", "OpenBLAS", "ratio");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (measure(shapes[i][0], shapes[i][1])) {
            fprintf(stderr, "gemm: out of memory\n");
            return 1;
        }
    return 0;
}
