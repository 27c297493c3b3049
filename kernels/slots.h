/* Keys and values that are kept for long, as int8: those that every later span or token attends to. A slot is a span,
 * or one of the tokens that recall unfolds it into.
 *
 * Each head's key and value in a slot are rounded with a scale of their own. They lie so that the tiles of
 * kernels/int8_tiles.h multiply them as they multiply weights: in blocks of LT_SLOTS slots, for each head its scales,
 * a panel of keys (an output is a slot), and panels of values (an output is one of the head's numbers, an input a
 * slot). A quarter of the memory of float32 is what an answer behind a long prompt waits for. */
#ifndef LT_KERNELS_SLOTS_H
#define LT_KERNELS_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/int8_tiles.h"
#include "kernels/softmax.h"

#define LT_SLOTS LT_PANEL /* of a block */

/* Blocks lie in pages, which hold other things as well. */
struct lt_slots {
    size_t heads;
    size_t head_width;
    uint8_t **pages;    /* the owner's; each on a 64-byte boundary */
    size_t offset;      /* of the first block in a page, a multiple of 64 */
    size_t page_blocks; /* blocks in a page */
};

/* What a head has in a block. */
struct lt_slots_head {
    float *key_scales;   /* [LT_SLOTS] */
    float *value_scales; /* [LT_SLOTS] */
    uint8_t *keys;       /* one panel */
    uint8_t *values;     /* panels of LT_SLOTS_VALUE_BYTES */
};
#define LT_SLOTS_VALUE_BYTES ((size_t)LT_SLOTS * LT_PANEL)

static inline size_t lt_slots_key_bytes(size_t head_width)
{
    return lt_int8_padded(head_width) * LT_SLOTS;
}

static inline size_t lt_slots_head_bytes(size_t head_width)
{
    size_t panels = (head_width + LT_PANEL - 1) / LT_PANEL;
    return 2 * LT_SLOTS * sizeof(float) + lt_slots_key_bytes(head_width) + panels * LT_SLOTS_VALUE_BYTES;
}

static inline size_t lt_slots_block_bytes(size_t heads, size_t head_width)
{
    return heads * lt_slots_head_bytes(head_width);
}

static inline struct lt_slots_head lt_slots_head(const struct lt_slots *slots, size_t block, size_t head)
{
    size_t in_page = block % slots->page_blocks * slots->heads + head;
    uint8_t *at =
        slots->pages[block / slots->page_blocks] + slots->offset + in_page * lt_slots_head_bytes(slots->head_width);
    float *scales = (float *)(void *)at;
    uint8_t *keys = at + 2 * LT_SLOTS * sizeof(float);
    return (struct lt_slots_head){scales, scales + LT_SLOTS, keys, keys + lt_slots_key_bytes(slots->head_width)};
}

/* A row that attends to slots; query and out have all heads side by side. */
struct lt_slots_query {
    const struct lt_slots *slots;
    size_t count; /* the first so many */
    const float *query;
    struct lt_softmax *softmax; /* [heads] */
    float *out;
};

/* Goes on with the attention of `count` rows, whose slots are all of one shape, as lt_attend does with one. They pass
 * each place of the slots together, so that those who share pages find them in the processor's caches. */
void lt_slots_attend(const struct lt_slots_query *queries, size_t count);

/* Keeps a key and a value, of all heads side by side, in a slot. A head's width is at most LT_WIDTH_MAX. */
void lt_slots_write(const struct lt_slots *slots, size_t slot, const float *key, const float *value);

#endif
