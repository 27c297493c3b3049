/* float32 <-> binary16, against the definition: the value of every binary16, and rounding to the nearest of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/half.h"

static double value_of(uint16_t half)
{
    double sign = half & 0x8000 ? -1 : 1, fraction = half & 0x3ff;
    int exponent = half >> 10 & 0x1f;
    return exponent == 0 ? sign * ldexp(fraction, -24) : sign * ldexp(1024 + fraction, exponent - 25);
}

static bool is_finite(uint16_t half)
{
    return (half & 0x7c00) != 0x7c00;
}

static void test_every_half_has_its_value(void **state)
{
    (void)state;
    static uint16_t halves[65536], back[65536];
    static float floats[65536];
    for (uint32_t i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    lt_float_from_half(halves, 65536, floats);
    lt_half_from_float(floats, 65536, back);
    for (uint32_t i = 0; i < 65536; i++) {
        if (is_finite(halves[i])) {
            assert_true((double)floats[i] == value_of(halves[i]));
            assert_int_equal(back[i], halves[i]);
        } else if ((i & 0x3ff) == 0) {
            assert_true(isinf(floats[i]) && (signbit(floats[i]) != 0) == (i >> 15 != 0));
            assert_int_equal(back[i], halves[i]);
        } else {
            assert_true(isnan(floats[i]));
            assert_int_equal(back[i], halves[i] | 0x200); /* quiet */
        }
    }
}

/* One by one they are widened by hand, whatever the processor has. */
static void test_every_half_is_widened_by_hand_alike(void **state)
{
    (void)state;
    static uint16_t halves[65536];
    static float floats[65536];
    for (uint32_t i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    lt_float_from_half(halves, 65536, floats);
    for (uint32_t i = 0; i < 65536; i++) {
        float alone;
        lt_float_from_half(&halves[i], 1, &alone);
        assert_memory_equal(&alone, &floats[i], sizeof alone);
    }
}

/* The middle between neighbours goes to the even one; a hair to either side of it goes to that side. */
static void test_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x7bff; i++) {
        float middle = (float)((value_of((uint16_t)i) + value_of((uint16_t)(i + 1))) / 2);
        float from[3] = {nextafterf(middle, 0), middle, nextafterf(middle, INFINITY)};
        uint16_t to[3];
        lt_half_from_float(from, 3, to);
        assert_int_equal(to[0], i);
        assert_int_equal(to[1], i + (i & 1));
        assert_int_equal(to[2], i + 1);
    }
}

static void test_past_the_largest_is_infinite(void **state)
{
    (void)state;
    const float from[] = {65504, 65519, 65520, 1e30f, -1e30f, 1e-30f, -1e-30f};
    const uint16_t expected[] = {0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 0x8000};
    uint16_t to[7];
    lt_half_from_float(from, 7, to);
    assert_memory_equal(to, expected, sizeof to);
}

/* Eight at a time and one by one go different ways. */
static void test_any_count_gives_the_same(void **state)
{
    (void)state;
    float from[37], back[37], one;
    uint16_t all[37], single;
    for (int i = 0; i < 37; i++)
        from[i] = (float)sin(i) * powf(10, (float)(i % 12 - 8));
    lt_half_from_float(from, 37, all);
    lt_float_from_half(all, 37, back);
    for (int i = 0; i < 37; i++) {
        lt_half_from_float(from + i, 1, &single);
        lt_float_from_half(all + i, 1, &one);
        assert_int_equal(single, all[i]);
        assert_memory_equal(&one, &back[i], sizeof one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half_has_its_value), cmocka_unit_test(test_every_half_is_widened_by_hand_alike),
        cmocka_unit_test(test_rounds_to_nearest_even),   cmocka_unit_test(test_past_the_largest_is_infinite),
        cmocka_unit_test(test_any_count_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
