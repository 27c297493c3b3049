/* Our matrix product with weights of float32, binary16 and int8 beside OpenBLAS' sgemm, on the model's shapes, one
 * thread each: rate, and whether a row's result depends on how many other rows are in the product. This is the
 * measurement behind docs/DECISIONS.md.
 *
 * A model goes through all its weights before it comes back to the first, so each shape has as many matrices as make
 * WEIGHTS_BYTES, and the products take them in turn.
 *
 *   build/tests/bench/gemm [avx512vnni | avx512 | avx2 | plain]   our best kernel, or that one
 *   OPENBLAS_CORETYPE=SKYLAKEX build/tests/bench/gemm                (or HASWELL, ZEN): those kernels
 */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/gemm.h"
#include "kernels/half.h"
#include "kernels/tiles.h"
#include "proto/alloc.h"

#define ROWS_MAX 384
#define REPEATS 21
#define WEIGHTS_BYTES (32u << 20) /* as float32 */
#define MATRICES_MAX 128
#define SECONDS_OF_WORK 0.004
#define ASSUMED_RATE 5e10

struct product {
    const struct lt_tile_kernel *kernel;
    uint32_t outputs, inputs;
    size_t count; /* of matrices */
    float *weights[MATRICES_MAX], *x, *y, *whole;
    struct lt_matrix floats[MATRICES_MAX], halves[MATRICES_MAX], bytes[MATRICES_MAX];
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void run_floats(const struct product *product, size_t rows, size_t turn)
{
    const struct lt_matrix *matrix = &product->floats[turn % product->count];
    lt_gemm_with(product->kernel, NULL, matrix, product->x, rows, product->y, false);
}

static void run_halves(const struct product *product, size_t rows, size_t turn)
{
    const struct lt_matrix *matrix = &product->halves[turn % product->count];
    lt_gemm_with(product->kernel, NULL, matrix, product->x, rows, product->y, false);
}

static void run_bytes(const struct product *product, size_t rows, size_t turn)
{
    const struct lt_matrix *matrix = &product->bytes[turn % product->count];
    lt_gemm_with(product->kernel, NULL, matrix, product->x, rows, product->y, false);
}

static void run_theirs(const struct product *product, size_t rows, size_t turn)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)product->outputs, (int)product->inputs, 1,
                product->x, (int)product->inputs, product->weights[turn % product->count], (int)product->inputs, 0,
                product->y, (int)product->outputs);
}

typedef void run_function(const struct product *product, size_t rows, size_t turn);

static int compare_doubles(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

static double median(double *samples)
{
    qsort(samples, REPEATS, sizeof *samples, compare_doubles);
    return samples[REPEATS / 2];
}

/* What is measured for one number of rows: medians of rates in GFLOP/s and of their ratios. */
struct result {
    double floats, halves, theirs, bytes, halves_to_floats, halves_to_theirs, bytes_to_halves;
};

static double rate(run_function *run, const struct product *product, size_t rows)
{
    double operations = 2.0 * (double)rows * product->outputs * product->inputs;
    size_t count = (size_t)(SECONDS_OF_WORK * ASSUMED_RATE / operations) + 1;
    double began = seconds();
    for (size_t n = 0; n < count; n++)
        run(product, rows, n);
    return operations * (double)count / (seconds() - began) / 1e9;
}

/* All take short turns, and ratios are taken turn by turn, so that what else the machine does hits all alike. */
static struct result compare(const struct product *product, size_t rows)
{
    double floats[REPEATS], halves[REPEATS], theirs[REPEATS], bytes[REPEATS];
    double to_floats[REPEATS], to_theirs[REPEATS], to_halves[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        floats[i] = rate(run_floats, product, rows);
        halves[i] = rate(run_halves, product, rows);
        theirs[i] = rate(run_theirs, product, rows);
        bytes[i] = rate(run_bytes, product, rows);
        to_floats[i] = halves[i] / floats[i];
        to_theirs[i] = halves[i] / theirs[i];
        to_halves[i] = bytes[i] / halves[i];
    }
    return (struct result){
        .floats = median(floats),
        .halves = median(halves),
        .theirs = median(theirs),
        .bytes = median(bytes),
        .halves_to_floats = median(to_floats),
        .halves_to_theirs = median(to_theirs),
        .bytes_to_halves = median(to_halves),
    };
}

/* How many of the first 64 numbers of rows have results that differ from those in the product of all rows. */
static int dependent_sizes(run_function *run, const struct product *product)
{
    size_t row_bytes = product->outputs * sizeof *product->y;
    int dependent = 0;
    run(product, ROWS_MAX, 0);
    memcpy(product->whole, product->y, ROWS_MAX * row_bytes);
    for (size_t rows = 1; rows <= 64; rows++) {
        run(product, rows, 0);
        dependent += memcmp(product->whole, product->y, rows * row_bytes) != 0;
    }
    return dependent;
}

static void fill(float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)drand48() - 0.5f;
}

/* Numbers that binary16 has, as matrices of all kinds and as OpenBLAS wants them. */
static int make_matrix(struct product *product, size_t i)
{
    size_t count = (size_t)product->outputs * product->inputs;
    uint16_t *halves = lt_alloc_aligned(count * sizeof *halves);
    product->weights[i] = lt_alloc_aligned(count * sizeof(float));
    if (!halves || !product->weights[i])
        return 1;
    fill(product->weights[i], count);
    lt_half_from_float(product->weights[i], count, halves);
    lt_float_from_half(halves, count, product->weights[i]);
    if (lt_matrix_pack(product->weights[i], product->outputs, product->inputs, &product->floats[i]) ||
        lt_matrix_pack_half(halves, product->outputs, product->inputs, &product->halves[i]) ||
        lt_matrix_pack_int8(product->weights[i], product->outputs, product->inputs, &product->bytes[i]))
        return 1;
    lt_free(halves);
    return 0;
}

static int make(struct product *product)
{
    product->x = lt_alloc_aligned((size_t)ROWS_MAX * product->inputs * sizeof(float));
    product->y = lt_alloc_aligned((size_t)ROWS_MAX * product->outputs * sizeof(float));
    product->whole = lt_alloc_aligned((size_t)ROWS_MAX * product->outputs * sizeof(float));
    if (!product->x || !product->y || !product->whole)
        return 1;
    fill(product->x, (size_t)ROWS_MAX * product->inputs);
    product->count = WEIGHTS_BYTES / ((size_t)product->outputs * product->inputs * sizeof(float));
    for (size_t i = 0; i < product->count; i++)
        if (make_matrix(product, i))
            return 1;
    return 0;
}

static void finish(struct product *product)
{
    for (size_t i = 0; i < product->count; i++) {
        lt_free(product->weights[i]);
        lt_matrix_finish(&product->floats[i]);
        lt_matrix_finish(&product->halves[i]);
        lt_matrix_finish(&product->bytes[i]);
    }
    lt_free(product->x);
    lt_free(product->y);
    lt_free(product->whole);
}

/* Out of memory ends the program, so what is half made is not freed. */
static int measure(const struct lt_tile_kernel *kernel, uint32_t outputs, uint32_t inputs)
{
    static const size_t sizes[] = {1, 4, 32, ROWS_MAX};
    struct product p = {.kernel = kernel, .outputs = outputs, .inputs = inputs};
    if (make(&p))
        return 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct result result = compare(&p, sizes[i]);
        printf("%5u x %-5u %5zu %9.1f %9.1f %9.1f %9.1f %9.2f %12.2f %10.2f\n", outputs, inputs, sizes[i],
               result.floats, result.halves, result.theirs, result.bytes, result.halves_to_floats,
               result.halves_to_theirs, result.bytes_to_halves);
    }
    printf("%5u x %-5u  row counts from 1 to 64 whose results differ: f32 %d, f16 %d, int8 %d, OpenBLAS %d\n", outputs,
           inputs, dependent_sizes(run_floats, &p), dependent_sizes(run_halves, &p), dependent_sizes(run_bytes, &p),
           dependent_sizes(run_theirs, &p));
    finish(&p);
    return 0;
}

static const struct lt_tile_kernel *kernel_named(const char *name)
{
    const struct lt_tile_kernel *kernel;
    for (size_t i = 0; (kernel = lt_tile_kernel(i)); i++)
        if (!name || strcmp(kernel->name, name) == 0)
            return kernel;
    return NULL;
}

int main(int count, char **arguments)
{
    static const uint32_t shapes[][2] = {{256, 256}, {704, 256}, {256, 704}, {256, 3072}, {4096, 256}};
    const struct lt_tile_kernel *kernel = kernel_named(count > 1 ? arguments[1] : NULL);
    if (!kernel) {
        fprintf(stderr, "gemm: this processor has no kernel '%s'\n", arguments[1]);
        return 1;
    }
    openblas_set_num_threads(1);
    printf("ours: %s, OpenBLAS: %s; one thread, GFLOP/s, medians of %d\n\n", kernel->name, openblas_get_corename(),
           REPEATS);
    printf("%-13s %5s %9s %9s %9s %9s %9s %12s %10s\n", "weights", "rows", "f32", "f16", "OpenBLAS", "int8",
           "f16 / f32", "f16 / theirs", "int8 / f16");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (measure(kernel, shapes[i][0], shapes[i][1])) {
            fprintf(stderr, "gemm: out of memory\n");
            return 1;
        }
    return 0;
}
