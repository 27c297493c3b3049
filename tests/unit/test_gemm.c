/* Matrix products: right, each row the same in any company, binary16 weights as good as the float32 they stand for, and
 * int8 the same on every kernel that the processor runs, all to the last bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/gemm.h"
#include "kernels/half.h"
#include "kernels/int8.h"
#include "kernels/islet.h"
#include "kernels/tiles.h"
#include "proto/alloc.h"
#include "proto/error.h"

#define ROWS 230

static const uint32_t shapes[][2] = {{256, 256}, {704, 256}, {256, 704}, {48, 32}, {32, 48}, {33, 7},
                                     {1, 1},     {384, 32},  {97, 33},   {31, 1},  {225, 17}};

static float *random_floats(size_t count)
{
    float *numbers = malloc(count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)drand48() - 0.5f;
    return numbers;
}

/* Any finite binary16: subnormal ones, zeros of both signs and the largest, too. */
static uint16_t *random_halves(size_t count)
{
    uint16_t *numbers = malloc(count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        do
            numbers[i] = (uint16_t)lrand48();
        while ((numbers[i] & 0x7c00) == 0x7c00);
    return numbers;
}

static float *widened(const uint16_t *halves, size_t count)
{
    float *numbers = malloc(count * sizeof *numbers);
    lt_float_from_half(halves, count, numbers);
    return numbers;
}

static void check_product(const struct lt_tile_kernel *kernel, uint32_t outputs, uint32_t inputs)
{
    float *weights = random_floats((size_t)outputs * inputs), *x = random_floats((size_t)17 * inputs);
    float *y = malloc((size_t)17 * outputs * sizeof *y);
    struct lt_matrix matrix;
    assert_int_equal(lt_matrix_pack(weights, outputs, inputs, &matrix), LT_OK);
    lt_gemm_with(kernel, NULL, &matrix, x, 17, y, false);
    lt_gemm_with(kernel, NULL, &matrix, x, 17, y, true); /* twice the product */
    for (size_t row = 0; row < 17; row++)
        for (size_t output = 0; output < outputs; output++) {
            double sum = 0;
            for (size_t input = 0; input < inputs; input++)
                sum += (double)x[row * inputs + input] * (double)weights[output * inputs + input];
            assert_true(fabs(2 * sum - (double)y[row * outputs + output]) < 1e-5 * inputs);
        }
    lt_matrix_finish(&matrix);
    free(weights);
    free(x);
    free(y);
}

static void test_is_the_product(void **state)
{
    (void)state;
    const struct lt_tile_kernel *kernel;
    for (size_t k = 0; (kernel = lt_tile_kernel(k)); k++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            check_product(kernel, shapes[s][0], shapes[s][1]);
}

/* All numbers of rows up to three tiles, and some around the end of a block of 96. */
static size_t next_rows(size_t rows)
{
    return rows < 37 ? rows + 1 : rows < 95 ? 95 : rows < 99 ? rows + 1 : rows < ROWS ? ROWS : 0;
}

static void check_halves(const struct lt_tile_kernel *kernel, uint32_t outputs, uint32_t inputs)
{
    size_t count = (size_t)outputs * inputs, bytes = (size_t)ROWS * outputs * sizeof(float);
    uint16_t *halves = random_halves(count);
    float *floats = widened(halves, count), *x = random_floats((size_t)ROWS * inputs);
    float *expected = malloc(bytes), *y = malloc(bytes);
    struct lt_matrix narrow, wide;
    assert_int_equal(lt_matrix_pack_half(halves, outputs, inputs, &narrow), LT_OK);
    assert_int_equal(lt_matrix_pack(floats, outputs, inputs, &wide), LT_OK);
    assert_int_equal(narrow.type, LT_PANEL_HALF);
    assert_int_equal(wide.type, LT_PANEL_FLOAT);
    assert_int_equal(lt_matrix_bytes(&wide), 2 * lt_matrix_bytes(&narrow));
    for (size_t rows = 1; rows > 0; rows = next_rows(rows))
        for (int add = 0; add < 2; add++) { /* the second time onto the first */
            lt_gemm_with(kernel, NULL, &wide, x, rows, expected, add);
            lt_gemm_with(kernel, NULL, &narrow, x, rows, y, add);
            assert_memory_equal(y, expected, rows * outputs * sizeof *y);
        }
    lt_matrix_finish(&narrow);
    lt_matrix_finish(&wide);
    assert_null(narrow.panels);
    free(halves);
    free(floats);
    free(x);
    free(expected);
    free(y);
}

static void test_halves_are_their_floats(void **state)
{
    (void)state;
    const struct lt_tile_kernel *kernel;
    for (size_t k = 0; (kernel = lt_tile_kernel(k)); k++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            check_halves(kernel, shapes[s][0], shapes[s][1]);
}

/* AVX-512 and AVX2 agree to the last bit; plain C rounds twice a step, so it is near. */
static void test_kernels_agree(void **state)
{
    (void)state;
    const uint32_t outputs = 97, inputs = 129;
    float *weights = random_floats((size_t)outputs * inputs), *x = random_floats((size_t)ROWS * inputs);
    float *first = malloc((size_t)ROWS * outputs * sizeof *first), *y = malloc((size_t)ROWS * outputs * sizeof *y);
    struct lt_matrix matrix;
    const struct lt_tile_kernel *kernel;
    assert_int_equal(lt_matrix_pack(weights, outputs, inputs, &matrix), LT_OK);
    lt_gemm(NULL, &matrix, x, ROWS, first, false);
    for (size_t k = 0; (kernel = lt_tile_kernel(k)); k++) {
        lt_gemm_with(kernel, NULL, &matrix, x, ROWS, y, false);
        if (lt_tile_kernel(k + 1))
            assert_memory_equal(y, first, (size_t)ROWS * outputs * sizeof *y);
        else
            for (size_t i = 0; i < (size_t)ROWS * outputs; i++)
                assert_true(fabsf(y[i] - first[i]) < 1e-5f);
    }
    lt_matrix_finish(&matrix);
    free(weights);
    free(x);
    free(first);
    free(y);
}

/* As the header says it: both sides rounded, integers summed, then both scales. */
static void expect_int8(const float *weights, uint32_t outputs, uint32_t inputs, const float *x, size_t rows, float *y)
{
    size_t padded = lt_int8_padded(inputs);
    int8_t *a = malloc(rows * padded), *b = malloc(outputs * padded);
    float *a_scales = malloc(rows * sizeof *a_scales), *b_scales = malloc(outputs * sizeof *b_scales);
    int32_t *sums = malloc((rows > outputs ? rows : outputs) * sizeof *sums);
    lt_int8_from_rows(x, rows, inputs, lt_int8_padded(inputs), a, a_scales, sums);
    lt_int8_from_rows(weights, outputs, inputs, lt_int8_padded(inputs), b, b_scales, sums);
    for (size_t row = 0; row < rows; row++)
        for (size_t output = 0; output < outputs; output++) {
            int32_t sum = 0;
            for (size_t i = 0; i < padded; i++)
                sum += a[row * padded + i] * b[output * padded + i];
            y[row * outputs + output] = (float)sum * (b_scales[output] * a_scales[row]);
        }
    free(a);
    free(b);
    free(a_scales);
    free(b_scales);
    free(sums);
}

static void check_int8(const struct lt_tile_kernel *kernel, uint32_t outputs, uint32_t inputs)
{
    float *weights = random_floats((size_t)outputs * inputs), *x = random_floats((size_t)ROWS * inputs);
    float *expected = malloc((size_t)ROWS * outputs * sizeof *expected),
          *y = malloc((size_t)ROWS * outputs * sizeof *y);
    struct lt_matrix matrix;
    memset(x + inputs, 0, inputs * sizeof *x); /* a row of zeros */
    assert_int_equal(lt_matrix_pack_int8(weights, outputs, inputs, &matrix), LT_OK);
    expect_int8(weights, outputs, inputs, x, ROWS, expected);
    for (size_t rows = 1; rows > 0; rows = next_rows(rows)) {
        lt_gemm_with(kernel, NULL, &matrix, x, rows, y, false);
        assert_memory_equal(y, expected, rows * outputs * sizeof *y);
    }
    lt_gemm_with(kernel, NULL, &matrix, x, ROWS, y, true);
    for (size_t i = 0; i < (size_t)ROWS * outputs; i++)
        assert_true(y[i] == expected[i] + expected[i]);
    lt_matrix_finish(&matrix);
    free(weights);
    free(x);
    free(expected);
    free(y);
}

static void test_int8_is_the_product_of_what_was_rounded(void **state)
{
    (void)state;
    const struct lt_tile_kernel *kernel;
    for (size_t k = 0; (kernel = lt_tile_kernel(k)); k++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            check_int8(kernel, shapes[s][0], shapes[s][1]);
}

/* The greatest magnitudes that there are, of every sign: no kernel may lose a bit of the sum. */
static void test_int8_does_not_overflow(void **state)
{
    (void)state;
    const struct lt_tile_kernel *kernel;
    const uint32_t outputs = 33, inputs = 16384;
    float *weights = malloc((size_t)outputs * inputs * sizeof *weights), *x = malloc(2 * inputs * sizeof *x);
    float y[2 * 33];
    struct lt_matrix matrix;
    for (size_t i = 0; i < (size_t)outputs * inputs; i++)
        weights[i] = i / inputs % 2 ? -127 : 127;
    for (size_t i = 0; i < 2 * inputs; i++)
        x[i] = i / inputs % 2 ? -127 : 127;
    assert_int_equal(lt_matrix_pack_int8(weights, outputs, inputs, &matrix), LT_OK);
    for (size_t k = 0; (kernel = lt_tile_kernel(k)); k++) {
        lt_gemm_with(kernel, NULL, &matrix, x, 2, y, false);
        for (size_t i = 0; i < 2 * outputs; i++)
            assert_true(y[i] == ((i / outputs + i % outputs) % 2 ? -127.0f : 127.0f) * 127.0f * 16384.0f);
    }
    lt_matrix_finish(&matrix);
    free(weights);
    free(x);
}

static void check_company(const struct lt_tile_kernel *kernel, const struct lt_matrix *matrix, size_t rows_step)
{
    size_t inputs = matrix->inputs, outputs = matrix->outputs;
    float *x = random_floats(ROWS * inputs);
    float *all = malloc(ROWS * outputs * sizeof *all), *some = malloc(ROWS * outputs * sizeof *some);
    lt_gemm_with(kernel, NULL, matrix, x, ROWS, all, false);
    for (size_t rows = 1; rows <= 130; rows += rows_step)
        for (size_t from = 0; from + rows <= ROWS; from += 29) {
            lt_gemm_with(kernel, NULL, matrix, x + from * inputs, rows, some, false);
            assert_memory_equal(some, all + from * outputs, rows * outputs * sizeof *some);
        }
    free(x);
    free(all);
    free(some);
}

static void test_company_changes_no_bit(void **state)
{
    (void)state;
    const struct lt_tile_kernel *kernel;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        uint32_t outputs = shapes[s][0], inputs = shapes[s][1];
        uint16_t *halves = random_halves((size_t)outputs * inputs);
        float *floats = random_floats((size_t)outputs * inputs);
        struct lt_matrix narrow, wide, bytes;
        assert_int_equal(lt_matrix_pack_half(halves, outputs, inputs, &narrow), LT_OK);
        assert_int_equal(lt_matrix_pack(floats, outputs, inputs, &wide), LT_OK);
        assert_int_equal(lt_matrix_pack_int8(floats, outputs, inputs, &bytes), LT_OK);
        for (size_t k = 0; (kernel = lt_tile_kernel(k)); k++) {
            check_company(kernel, &narrow, k == 0 ? 1 : 5); /* the slower kernels with fewer numbers of rows */
            check_company(kernel, &wide, k == 0 ? 1 : 5);
            check_company(kernel, &bytes, k == 0 ? 1 : 5);
        }
        lt_matrix_finish(&narrow);
        lt_matrix_finish(&bytes);
        lt_matrix_finish(&wide);
        free(halves);
        free(floats);
    }
}

static void check_helpers(const struct lt_matrix *matrix)
{
    size_t bytes = (size_t)ROWS * matrix->outputs * sizeof(float);
    float *x = random_floats((size_t)ROWS * matrix->inputs), *alone = malloc(bytes), *shared = malloc(bytes);
    lt_gemm(NULL, matrix, x, ROWS, alone, false);
    for (uint32_t threads = 0; threads <= 5; threads++) {
        struct lt_crew *crew;
        assert_int_equal(lt_crew_create(threads, &crew), LT_OK);
        for (int round = 0; round < 50; round++) {
            memset(shared, 0, bytes);
            lt_gemm(crew, matrix, x, ROWS, shared, round & 1);
            assert_memory_equal(shared, alone, bytes);
        }
        lt_crew_destroy(crew);
    }
    free(x);
    free(alone);
    free(shared);
}

static void test_helpers_change_no_bit(void **state)
{
    (void)state;
    uint32_t outputs = 704, inputs = 256;
    float *weights = random_floats((size_t)outputs * inputs);
    struct lt_matrix wide, bytes;
    assert_int_equal(lt_matrix_pack(weights, outputs, inputs, &wide), LT_OK);
    assert_int_equal(lt_matrix_pack_int8(weights, outputs, inputs, &bytes), LT_OK);
    assert_int_equal(lt_matrix_bytes(&bytes), lt_matrix_bytes(&wide) / 4 + outputs * sizeof(float));
    check_helpers(&wide);
    check_helpers(&bytes);
    lt_matrix_finish(&wide);
    lt_matrix_finish(&bytes);
    free(weights);
}

static void test_packing_may_run_out_of_memory(void **state)
{
    (void)state;
    float weight = 1;
    uint16_t half = 0x3c00;
    struct lt_matrix matrix;
    struct lt_crew *crew;
    lt_alloc_fail_at(1);
    assert_int_equal(lt_matrix_pack(&weight, 1, 1, &matrix), LT_ENOMEM);
    lt_alloc_fail_at(1);
    assert_int_equal(lt_matrix_pack_half(&half, 1, 1, &matrix), LT_ENOMEM);
    for (size_t number = 1; number <= 2; number++) {
        lt_alloc_fail_at(number);
        assert_int_equal(lt_matrix_pack_int8(&weight, 1, 1, &matrix), LT_ENOMEM);
    }
    lt_alloc_fail_at(1);
    assert_int_equal(lt_crew_create(2, &crew), LT_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_the_product),         cmocka_unit_test(test_halves_are_their_floats),
        cmocka_unit_test(test_kernels_agree),          cmocka_unit_test(test_int8_is_the_product_of_what_was_rounded),
        cmocka_unit_test(test_int8_does_not_overflow), cmocka_unit_test(test_company_changes_no_bit),
        cmocka_unit_test(test_helpers_change_no_bit),  cmocka_unit_test(test_packing_may_run_out_of_memory),
    };
    print_message("kernel: %s\n", lt_compute_kernel());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
