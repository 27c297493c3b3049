/* Rotary positions. Angles are computed in double precision, so that position 60000 turns as exactly as position 6. */
#include "kernels/rope.h"

#include <math.h>

void lt_rope_rates(float base, size_t head_width, double *rates)
{
    for (size_t i = 0; i < head_width / 2; i++)
        rates[i] = pow((double)base, -2.0 * (double)i / (double)head_width);
}

void lt_rope_turn(const double *rates, size_t head_width, uint64_t position, float *turn)
{
    for (size_t i = 0; i < head_width / 2; i++) {
        double angle = (double)position * rates[i];
        turn[2 * i] = (float)cos(angle);
        turn[2 * i + 1] = (float)sin(angle);
    }
}

void lt_rope_rotate(const float *x, const float *turn, size_t heads, size_t head_width, float *out)
{
    for (size_t head = 0; head < heads; head++)
        for (size_t i = 0; i < head_width; i += 2) {
            float even = x[head * head_width + i], odd = x[head * head_width + i + 1];
            out[head * head_width + i] = even * turn[i] - odd * turn[i + 1];
            out[head * head_width + i + 1] = even * turn[i + 1] + odd * turn[i];
        }
}
