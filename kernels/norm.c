/* RMSNorm, SwiGLU and sums. */
#include "kernels/norm.h"

#include <math.h>

#include "kernels/dispatch.h"
#include "kernels/lanes.h"

LT_BODY lt_rms_norm_body(const float *x, const float *gain, float epsilon, size_t rows, size_t width, float *out)
{
    for (size_t row = 0; row < rows; row++) {
        const float *from = x + row * width;
        float *to = out + row * width;
        float scale = 1.0f / sqrtf(lt_dot(from, from, width) / (float)width + epsilon);
        if (gain)
            for (size_t i = 0; i < width; i++)
                to[i] = from[i] * scale * gain[i];
        else
            for (size_t i = 0; i < width; i++)
                to[i] = from[i] * scale;
    }
}

LT_DISPATCH(lt_rms_norm, (const float *x, const float *gain, float epsilon, size_t rows, size_t width, float *out),
            (x, gain, epsilon, rows, width, out))

LT_BODY lt_swiglu_body(float *restrict gate, const float *restrict up, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gate[i] = gate[i] / (1.0f + lt_exp(-gate[i])) * up[i];
}

LT_DISPATCH(lt_swiglu, (float *restrict gate, const float *restrict up, size_t count), (gate, up, count))

LT_BODY lt_add_body(float *restrict x, const float *restrict y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}

LT_DISPATCH(lt_add, (float *restrict x, const float *restrict y, size_t count), (x, y, count))

float lt_cross_entropy(const float *logits, size_t count, size_t target)
{
    float greatest = logits[0];
    double sum = 0;
    for (size_t i = 1; i < count; i++)
        greatest = logits[i] > greatest ? logits[i] : greatest;
    for (size_t i = 0; i < count; i++)
        sum += (double)expf(logits[i] - greatest);
    return (float)(log(sum) - (double)(logits[target] - greatest));
}
