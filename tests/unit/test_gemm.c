/* Matrix products: right, and each row the same in any company. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/gemm.h"
#include "kernels/islet.h"
#include "proto/alloc.h"
#include "proto/error.h"

#define ROWS 230

static const uint32_t shapes[][2] = {{256, 256}, {704, 256}, {256, 704}, {48, 32},
                                     {32, 48},   {33, 7},    {1, 1},     {384, 32}};

static float *random_floats(size_t count)
{
    float *numbers = malloc(count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)drand48() - 0.5f;
    return numbers;
}

static void test_is_the_product(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        uint32_t outputs = shapes[s][0], inputs = shapes[s][1];
        float *weights = random_floats((size_t)outputs * inputs), *x = random_floats((size_t)17 * inputs);
        float *y = malloc((size_t)17 * outputs * sizeof *y);
        struct lt_matrix matrix;
        assert_int_equal(lt_matrix_pack(weights, outputs, inputs, &matrix), LT_OK);
        lt_gemm(NULL, &matrix, x, 17, y, false);
        lt_gemm(NULL, &matrix, x, 17, y, true); /* twice the product */
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
}

static void test_company_changes_no_bit(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        uint32_t outputs = shapes[s][0], inputs = shapes[s][1];
        float *weights = random_floats((size_t)outputs * inputs), *x = random_floats((size_t)ROWS * inputs);
        float *all = malloc((size_t)ROWS * outputs * sizeof *all),
              *some = malloc((size_t)ROWS * outputs * sizeof *some);
        struct lt_matrix matrix;
        assert_int_equal(lt_matrix_pack(weights, outputs, inputs, &matrix), LT_OK);
        lt_gemm(NULL, &matrix, x, ROWS, all, false);
        for (size_t rows = 1; rows <= 130; rows++)
            for (size_t from = 0; from + rows <= ROWS; from += 29) {
                lt_gemm(NULL, &matrix, x + from * inputs, rows, some, false);
                assert_memory_equal(some, all + from * outputs, rows * outputs * sizeof *some);
            }
        lt_matrix_finish(&matrix);
        free(weights);
        free(x);
        free(all);
        free(some);
    }
}

static void test_helpers_change_no_bit(void **state)
{
    (void)state;
    uint32_t outputs = 704, inputs = 256;
    float *weights = random_floats((size_t)outputs * inputs), *x = random_floats((size_t)ROWS * inputs);
    float *alone = malloc((size_t)ROWS * outputs * sizeof *alone),
          *shared = malloc((size_t)ROWS * outputs * sizeof *shared);
    struct lt_matrix matrix;
    assert_int_equal(lt_matrix_pack(weights, outputs, inputs, &matrix), LT_OK);
    lt_gemm(NULL, &matrix, x, ROWS, alone, false);
    for (uint32_t threads = 0; threads <= 5; threads++) {
        struct lt_crew *crew;
        assert_int_equal(lt_crew_create(threads, &crew), LT_OK);
        for (int round = 0; round < 50; round++) {
            memset(shared, 0, (size_t)ROWS * outputs * sizeof *shared);
            lt_gemm(crew, &matrix, x, ROWS, shared, round & 1);
            assert_memory_equal(shared, alone, (size_t)ROWS * outputs * sizeof *shared);
        }
        lt_crew_destroy(crew);
    }
    lt_matrix_finish(&matrix);
    free(weights);
    free(x);
    free(alone);
    free(shared);
}

static void test_packing_may_run_out_of_memory(void **state)
{
    (void)state;
    float weight = 1;
    struct lt_matrix matrix;
    struct lt_crew *crew;
    lt_alloc_fail_at(1);
    assert_int_equal(lt_matrix_pack(&weight, 1, 1, &matrix), LT_ENOMEM);
    lt_alloc_fail_at(1);
    assert_int_equal(lt_crew_create(2, &crew), LT_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_the_product),
        cmocka_unit_test(test_company_changes_no_bit),
        cmocka_unit_test(test_helpers_change_no_bit),
        cmocka_unit_test(test_packing_may_run_out_of_memory),
    };
    print_message("kernel: %s\n", lt_compute_kernel());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
