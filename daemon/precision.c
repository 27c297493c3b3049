#include "daemon/precision.h"

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
