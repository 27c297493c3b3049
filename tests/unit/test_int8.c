/* float32 <-> int8: the greatest fills the range, nothing is off by more than half a step, and odd inputs are harmless.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/int8.h"

#define COUNT 259 /* whole vectors and a rest */

static void test_is_off_by_half_a_step_at_most(void **state)
{
    (void)state;
    float from[COUNT], back[COUNT], scale;
    int8_t to[COUNT];
    for (float size = 1e-30f; size < 1e30f; size *= 1000) {
        for (int i = 0; i < COUNT; i++)
            from[i] = size * (float)sin(i * i);
        from[100] = -1.5f * size;
        lt_int8_from_float(from, COUNT, to, &scale);
        lt_float_from_int8(to, COUNT, scale, back);
        assert_int_equal(to[100], -127);
        assert_true(scale == 1.5f * size / 127);
        for (int i = 0; i < COUNT; i++)
            assert_true(fabs((double)back[i] - (double)from[i]) <= 0.50001 * (double)scale);
    }
}

static void test_rounds_to_nearest_even(void **state)
{
    (void)state;
    const float from[] = {127, -127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 0.49f, -126.5f};
    const int8_t expected[] = {127, -127, 0, 2, 2, 0, -2, 0, -126};
    int8_t to[9];
    float scale;
    lt_int8_from_float(from, 9, to, &scale);
    assert_true(scale == 1);
    assert_memory_equal(to, expected, sizeof to);
}

static void test_every_int8_is_kept(void **state)
{
    (void)state;
    int8_t all[255], again[255];
    float widened[255], scale;
    for (int i = 0; i < 255; i++)
        all[i] = (int8_t)(i - 127);
    lt_float_from_int8(all, 255, 0.037f, widened);
    lt_int8_from_float(widened, 255, again, &scale);
    assert_memory_equal(again, all, sizeof again);
    assert_true(fabsf(scale - 0.037f) < 1e-8f);
}

static void test_nothing_but_zeros_stays_so(void **state)
{
    (void)state;
    const float zeros[] = {0, -0.0f, 0}, tiny[] = {FLT_TRUE_MIN, -FLT_MIN, 1e-38f};
    float back[3], scale;
    int8_t to[3];
    const float *const both[] = {zeros, tiny};
    for (int i = 0; i < 2; i++) {
        lt_int8_from_float(both[i], 3, to, &scale);
        lt_float_from_int8(to, 3, scale, back);
        assert_true(scale == 0);
        for (int k = 0; k < 3; k++)
            assert_true(to[k] == 0 && back[k] == 0);
    }
}

static void test_any_count_gives_the_same(void **state)
{
    (void)state;
    float from[COUNT], back[COUNT], all_back[COUNT], scale, all_scale;
    int8_t to[COUNT], all[COUNT];
    for (int i = 0; i < COUNT; i++)
        from[i] = (float)cos(i);
    from[0] = 3;
    lt_int8_from_float(from, COUNT, all, &all_scale);
    lt_float_from_int8(all, COUNT, all_scale, all_back);
    for (size_t count = 1; count <= COUNT; count++) {
        lt_int8_from_float(from, count, to, &scale);
        lt_float_from_int8(to, count, scale, back);
        assert_true(scale == all_scale);
        assert_memory_equal(to, all, count);
        assert_memory_equal(back, all_back, count * sizeof *back);
    }
}

static void test_rows_are_rounded_one_by_one(void **state)
{
    (void)state;
    const float x[2][5] = {{127, -127, 0.4f, -0.6f, 2.5f}, {1, 0, 0, 0, -0.5f}};
    const int8_t expected[2][8] = {{127, -127, 0, -1, 2}, {127, 0, 0, 0, -64}};
    int8_t values[2][8];
    float scales[2];
    int32_t sums[2];
    memset(values, 0x55, sizeof values);
    lt_int8_from_rows(x[0], 2, 5, lt_int8_padded(5), values[0], scales, sums);
    assert_memory_equal(values, expected, sizeof expected);
    assert_true(scales[0] == 1 && scales[1] == 1 / 127.0f);
    assert_int_equal(sums[0], 1);
    assert_int_equal(sums[1], 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_off_by_half_a_step_at_most),
        cmocka_unit_test(test_rounds_to_nearest_even),
        cmocka_unit_test(test_every_int8_is_kept),
        cmocka_unit_test(test_nothing_but_zeros_stays_so),
        cmocka_unit_test(test_any_count_gives_the_same),
        cmocka_unit_test(test_rows_are_rounded_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
