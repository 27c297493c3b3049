#include "kernels/similarity.h"

#include "kernels/dispatch.h"
#include "kernels/lanes.h"

LT_BODY lt_int8_less_mean_body(const int8_t *numbers, float scale, const float *mean, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)numbers[i] * scale - mean[i];
}

LT_DISPATCH(lt_int8_less_mean, (const int8_t *numbers, float scale, const float *mean, size_t count, float *to),
            (numbers, scale, mean, count, to))

LT_BODY lt_float_less_mean_body(const float *numbers, const float *mean, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = numbers[i] - mean[i];
}

LT_DISPATCH(lt_float_less_mean, (const float *numbers, const float *mean, size_t count, float *to),
            (numbers, mean, count, to))

LT_BODY lt_float_products_body(const float *a, const float *b, size_t count, float *ret_both, float *ret_own)
{
    *ret_both = lt_dot(a, b, count);
    *ret_own = lt_dot(b, b, count);
}

LT_DISPATCH(lt_float_products, (const float *a, const float *b, size_t count, float *ret_both, float *ret_own),
            (a, b, count, ret_both, ret_own))
