/* The page that latentctl explain prints: at most 100 columns wide, for people who have never seen latentd. */
#ifndef LATENTCTL_EXPLAIN_PAGE_H
#define LATENTCTL_EXPLAIN_PAGE_H

#include "clients/ctl/command.h"
#include "clients/ctl/display.h"

/* `reply` is the result of the method explain. */
void print_explanation(const struct context *context, const struct latent_value *reply);

/* Its parts, each with its heading. */
void print_explained_prompt(const struct context *context, const struct latent_value *reply);
void print_explained_stages(const struct context *context, const struct latent_value *reply);
void print_explained_projection(const struct context *context, const struct latent_value *reply);

/* A heading with its number, and what stands beside it. */
void print_heading(const struct context *context, const char *title, const char *beside);

/* Shorthands for reading the reply. */
uint64_t number_at(const struct latent_value *value, const char *path);
double real_at(const struct latent_value *value, const char *path); /* negative if it is nil */
const char *word_at(const struct latent_value *value, const char *path);

/* Milliseconds; "-" if nobody measured them. */
struct quantity show_measured(double milliseconds);

/* "28² = 784", "28 × 33 = 924", "Σ n² = 252": an attention matrix with `entries` in sight. */
struct quantity show_matrix(uint64_t queries, uint64_t keys, uint64_t entries);

#endif
