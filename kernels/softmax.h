/* A softmax that runs over keys as they go by (arXiv 2205.14135 has the idea): when a greater score than any before
 * comes, what was summed is scaled down. */
#ifndef LT_KERNELS_SOFTMAX_H
#define LT_KERNELS_SOFTMAX_H

#include <math.h>

#include "kernels/lanes.h"

/* Nothing to attend to is no choice: then there must be a key. */
#define LT_ATTEND_ALWAYS (-INFINITY)

struct lt_softmax {
    float greatest; /* score so far */
    float sum;      /* of e^(score - greatest) */
};

/* No keys yet. nothing: the score of attending to nothing, a key whose value is zero. out: [width] zeroed. */
LT_INLINE void lt_softmax_begin(struct lt_softmax *softmax, float nothing, size_t width, float *out)
{
    *softmax = (struct lt_softmax){.greatest = nothing, .sum = nothing == LT_ATTEND_ALWAYS ? 0.0f : 1.0f};
    memset(out, 0, width * sizeof *out);
}

/* Takes up that scores as great as `greatest` come next. out: [width] the values summed so far. */
LT_INLINE void lt_softmax_raise(struct lt_softmax *softmax, float greatest, size_t width, float *out)
{
    if (greatest <= softmax->greatest)
        return;
    float shrink = lt_exp(softmax->greatest - greatest);
    softmax->sum *= shrink;
    for (size_t j = 0; j < width; j++)
        out[j] *= shrink;
    softmax->greatest = greatest;
}

#endif
