#include "daemon/precision.h"

#include <math.h>

#include "kernels/half.h"
#include "kernels/int8.h"

void lt_latent_narrow(const float *numbers, struct lt_latent *latent)
{
    if (latent->type == LT_LATENT_I8)
        lt_int8_from_float(numbers, latent->dimension, latent->payload, &latent->scale);
    else
        lt_half_from_float(numbers, latent->dimension, latent->payload);
}

void lt_latent_widen(const struct lt_latent *latent, float *ret_numbers)
{
    if (latent->type == LT_LATENT_I8)
        lt_float_from_int8(latent->payload, latent->dimension, latent->scale, ret_numbers);
    else
        lt_float_from_half(latent->payload, latent->dimension, ret_numbers);
}

double lt_latent_distance(const float *stored, const float *fresh, uint32_t count)
{
    double difference = 0, length = 0;
    for (uint32_t i = 0; i < count; i++) {
        difference += ((double)stored[i] - fresh[i]) * ((double)stored[i] - fresh[i]);
        length += (double)fresh[i] * fresh[i];
    }
    return sqrt(difference) / sqrt(length);
}

#define SIZE_TOLERANCE 0.05 /* rounding to int8 moves it far less */

bool lt_latent_has_size(const float *numbers, uint32_t count, double *ret_size)
{
    double squares = 0;
    for (uint32_t i = 0; i < count; i++)
        squares += (double)numbers[i] * numbers[i];
    *ret_size = sqrt(squares / count);
    return fabs(*ret_size - 1) <= SIZE_TOLERANCE; /* false also if it is not a number */
}
