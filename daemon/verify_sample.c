/* The gaps between hits that are chosen independently with the same probability are distributed geometrically; drawing
 * the gap costs one random number a chosen hit, and nothing for the others. */
#include "daemon/verify_sample.h"

#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/precision.h"

static uint64_t draw_gap(double share)
{
    double uniform = ((double)randombytes_random() + 0.5) / 4294967296.0;
    double gap = share < 1 ? floor(log(uniform) / log1p(-share)) : 0;
    return gap < 1e18 ? (uint64_t)gap : UINT64_MAX;
}

void lt_verify_sample_init(struct lt_verify_sample *sample, double share)
{
    *sample = (struct lt_verify_sample){.share = share};
    if (share > 0)
        sample->left = draw_gap(share);
}

bool lt_verify_sample_next(struct lt_verify_sample *sample)
{
    if (!(sample->share > 0))
        return false;
    if (sample->left) {
        sample->left--;
        return false;
    }
    sample->left = draw_gap(sample->share);
    return true;
}

bool lt_verify_sample_agrees(const struct lt_latent *stored, const uint8_t *encoder, const float *fresh)
{
    uint16_t payload[LT_LATENT_DIMENSION_MAX];
    float was[LT_LATENT_DIMENSION_MAX], is[LT_LATENT_DIMENSION_MAX];
    struct lt_latent rounded = *stored;
    rounded.payload = payload;
    lt_latent_narrow(fresh, &rounded);
    lt_latent_widen(stored, was);
    lt_latent_widen(&rounded, is);
    if (memcmp(was, is, stored->dimension * sizeof *was) == 0)
        return true;
    double distance = lt_latent_distance(was, is, stored->dimension);
    if (distance <= LT_LATENT_TOLERANCE)
        return true;
    char key[2 * sizeof stored->key.bytes + 1], digits[2 * LT_FINGERPRINT_BYTES + 1];
    lt_log(
        LT_LOG_ERROR,
        "a stored latent is wrong although its checksum is right: span %s, encoder %s, off by %.3g of its length; it "
        "is replaced, and what was mixed and refined before is forgotten",
        sodium_bin2hex(key, sizeof key, stored->key.bytes, sizeof stored->key.bytes),
        sodium_bin2hex(digits, sizeof digits, encoder, LT_FINGERPRINT_BYTES), distance);
    return false;
}
