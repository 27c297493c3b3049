/* Histograms: which bucket a value falls into. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/histogram.h"

static void bounds_ascend(void **state)
{
    (void)state;
    for (int i = 0; i < LT_HISTOGRAM_COUNT; i++) {
        const struct lt_histogram_kind *kind = lt_histogram_kind((enum lt_histogram_name)i);
        assert_true(kind->bound_count > 0 && kind->bound_count <= LT_HISTOGRAM_BOUNDS_MAX);
        for (size_t at = 1; at < kind->bound_count; at++)
            assert_true(kind->bounds[at] > kind->bounds[at - 1]);
    }
}

static void bounds_are_inclusive(void **state)
{
    (void)state;
    static struct lt_histogram histogram;
    const struct lt_histogram_kind *kind = lt_histogram_kind(LT_HISTOGRAM_ENCODE_BATCH);
    lt_histogram_observe(&histogram, LT_HISTOGRAM_ENCODE_BATCH, 1);
    lt_histogram_observe(&histogram, LT_HISTOGRAM_ENCODE_BATCH, 2);
    lt_histogram_observe(&histogram, LT_HISTOGRAM_ENCODE_BATCH, 3);
    lt_histogram_observe(&histogram, LT_HISTOGRAM_ENCODE_BATCH, 4);
    assert_int_equal(histogram.counts[0], 1);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[2], 2);
    lt_histogram_observe(&histogram, LT_HISTOGRAM_ENCODE_BATCH, 1e9);
    assert_int_equal(histogram.counts[kind->bound_count], 1);
    assert_true(histogram.sum == 1e9 + 10);
}

/* Buckets of spans end at 1, 2, 4, 8, ... */
static void quantiles_are_spread_within_buckets(void **state)
{
    (void)state;
    static struct lt_histogram histogram;
    const enum lt_histogram_name name = LT_HISTOGRAM_ENCODE_BATCH;
    const struct lt_histogram_kind *kind = lt_histogram_kind(name);
    assert_true(isnan(lt_histogram_quantile(&histogram, name, 0.5)));
    for (int i = 0; i < 10; i++)
        lt_histogram_observe(&histogram, name, 3); /* above 2, up to 4 */
    assert_true(lt_histogram_quantile(&histogram, name, 0.5) == 3);
    assert_true(lt_histogram_quantile(&histogram, name, 1) == 4);
    for (int i = 0; i < 10; i++)
        lt_histogram_observe(&histogram, name, 1);
    assert_true(lt_histogram_quantile(&histogram, name, 0.25) == 0.5);
    assert_true(lt_histogram_quantile(&histogram, name, 0.5) == 1);
    assert_true(lt_histogram_quantile(&histogram, name, 0.75) == 3);
    for (int i = 0; i < 20; i++)
        lt_histogram_observe(&histogram, name, 1e9);
    assert_true(lt_histogram_quantile(&histogram, name, 0.99) == kind->bounds[kind->bound_count - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bounds_ascend), cmocka_unit_test(bounds_are_inclusive),
                                       cmocka_unit_test(quantiles_are_spread_within_buckets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
