/* Sequences as bytes, so that a process may end and another go on where it stood. Sequences that share pages share them
 * in the image as well. The bytes mean something to the same model on a machine of the same byte order only; whoever
 * keeps them says of which model they are, and whether they are whole.
 *
 *   bytes   field
 *   4       spans
 *   4       of them in the newest segment
 *   4       1 if a mark follows, else 0
 *   8       if so, tokens fed to the decoder until the mark
 *   n       and the window as it was, and the logits
 *   4 + n   for each page of spans: 0 and the page; or, if it is shared, the number of the sequence in front, from 1
 *           on, that has it at the same place
 *   n       pages of the newest segment */
#ifndef LT_KERNELS_SEQUENCE_IMAGE_H
#define LT_KERNELS_SEQUENCE_IMAGE_H

#include "kernels/islet.h"

/* Takes the next bytes of an image; an error ends it. */
typedef int (*lt_image_put)(void *context, const void *bytes, size_t count);

/* Writes the state in which a sequence was after its first `spans` spans, of which the last `segment` stood in the
 * newest segment, with its mark if it was set there. `before` are the `count` sequences that were written in front of
 * it. Errors are put's. */
int lt_sequence_write(const struct lt_sequence *sequence, size_t spans, size_t segment,
                      const struct lt_sequence *const *before, size_t count, lt_image_put put, void *context);

/* Bytes that are still to be read. */
struct lt_image {
    const uint8_t *at;
    size_t left;
};

/* The next `count` bytes, or NULL if there are not so many. */
const uint8_t *lt_image_take(struct lt_image *image, size_t count);
/* LT_ECORRUPT. */
int lt_image_take_u32(struct lt_image *image, uint32_t *ret_value);

/* Reads what lt_sequence_write wrote; `before` are the sequences that were read in front of it. LT_ECORRUPT: the bytes
 * end too early, or name what cannot be; LT_ENOMEM. */
int lt_sequence_read(const struct lt_model *model, const struct lt_sequence *const *before, size_t count,
                     struct lt_image *image, struct lt_sequence **ret_sequence);

#endif
