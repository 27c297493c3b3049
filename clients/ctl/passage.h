/* The text that `latentctl explain --measure` runs at length: the beginning of Alice's Adventures in Wonderland (Lewis
 * Carroll, 1865; in the public domain), some 2,600 tokens of the shipped model. */
#ifndef LATENTCTL_PASSAGE_H
#define LATENTCTL_PASSAGE_H

/* The text, to be freed. NULL: out of memory. */
char *passage_text(void);

#endif
