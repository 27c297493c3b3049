/* The search for the stored latents of a namespace that are nearest to given ones: by the cosine between what is left
 * of them when the mean of all is taken off. Latents have most of their length in common (of islet-8-s 0.97 of it), and
 * what they have in common says nothing. It looks at every record, so it finds the nearest, always; between slices of
 * the walk it can be left. One thread at a time. */
#ifndef LT_DAEMON_NEAREST_H
#define LT_DAEMON_NEAREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "storage/namespaces.h"
#include "storage/scan.h"

#define LT_NEAREST_SLICE 4096 /* records */
#define LT_NEAREST_MEAN 65536 /* latents that the mean is taken of; those that the walk meets first */

struct lt_neighbour {
    double cosine;
    struct lt_span_key key;
    uint32_t tokens[LT_SPAN_TOKENS_MAX];
    uint32_t token_count;
};

struct lt_nearest {
    uint32_t dimension;
    const uint8_t *fingerprint; /* of the encoder: latents of others are passed over; the caller's */
    struct lt_namespace space;  /* only its latents are looked at */
    size_t queries, k;
    float *latents;  /* [queries][dimension] less the mean, once that is known */
    double *squares; /* [queries] of their lengths */
    double *sum;     /* [dimension] of the latents met so far, as long as the mean is not known */
    size_t summed;   /* latents in `sum` */
    bool mean_known;
    float *mean;                /* [dimension] zero before it is known */
    float *special;             /* [dimension] the latent at hand less the mean */
    struct lt_neighbour *found; /* [queries][k] nearest first */
    size_t *counts;             /* [queries] */
    struct lt_scan scan;
    uint64_t scanned; /* records of the search itself */
};

/* latents: [queries][dimension], as they come out of the cache; copied. LT_ENOMEM. */
int lt_nearest_create(const float *latents, size_t queries, uint32_t dimension, const uint8_t *fingerprint,
                      const struct lt_namespace *space, size_t k, struct lt_nearest **ret_nearest);
void lt_nearest_destroy(struct lt_nearest *nearest);

/* One slice; *ret_done behind the last. LT_EIO, LT_ENOMEM. */
int lt_nearest_step(struct lt_nearest *nearest, struct lt_store *store, bool *ret_done);

#endif
