/* Pages are written as they lie in memory: what is read back is the same to the last bit. A page can be shared at one
 * place only, behind the same beginning, so sharing is found by comparing pointers place by place. */
#include "kernels/sequence_image.h"

#include <string.h>

#include "kernels/sequence.h"
#include "proto/alloc.h"

static int put_u32(uint32_t value, lt_image_put put, void *context)
{
    return put(context, &value, sizeof value);
}

static size_t mark_bytes(const struct lt_model_shape *shape)
{
    return (lt_sequence_window_numbers(shape) + shape->vocabulary) * sizeof(float);
}

static int write_mark(const struct lt_mark *mark, const struct lt_model_shape *shape, lt_image_put put, void *context)
{
    int code = put(context, &mark->position, sizeof mark->position);
    return code ? code : put(context, mark->memory, mark_bytes(shape));
}

/* The number of the sequence in front that has this page, from 1 on; 0 if none has. */
static uint32_t owner_of(const struct lt_sequence *const *before, size_t count, size_t index, const uint8_t *page)
{
    for (size_t i = 0; i < count; i++)
        if (index < before[i]->span_pages.count && before[i]->span_pages.at[index] == page)
            return (uint32_t)i + 1;
    return 0;
}

int lt_sequence_write(const struct lt_sequence *sequence, size_t spans, size_t segment,
                      const struct lt_sequence *const *before, size_t count, lt_image_put put, void *context)
{
    const struct lt_mark *mark = &sequence->mark;
    bool marked = mark->memory && mark->spans == spans;
    int code = put_u32((uint32_t)spans, put, context);
    if (code == LT_OK)
        code = put_u32((uint32_t)segment, put, context);
    if (code == LT_OK)
        code = put_u32(marked, put, context);
    if (code == LT_OK && marked)
        code = write_mark(mark, sequence->shape, put, context);
    for (size_t i = 0; code == LT_OK && i < lt_pages_for(spans); i++) {
        const uint8_t *page = sequence->span_pages.at[i];
        uint32_t owner = owner_of(before, count, i, page);
        code = put_u32(owner, put, context);
        if (code == LT_OK && owner == 0)
            code = put(context, page, sequence->span_pages.bytes);
    }
    for (size_t i = 0; code == LT_OK && i < lt_pages_for(segment); i++)
        code = put(context, sequence->segment_pages.at[i], sequence->segment_pages.bytes);
    return code;
}

const uint8_t *lt_image_take(struct lt_image *image, size_t count)
{
    if (count > image->left)
        return NULL;
    const uint8_t *bytes = image->at;
    image->at += count;
    image->left -= count;
    return bytes;
}

int lt_image_take_u32(struct lt_image *image, uint32_t *ret_value)
{
    const uint8_t *bytes = lt_image_take(image, sizeof *ret_value);
    if (!bytes)
        return LT_ECORRUPT;
    memcpy(ret_value, bytes, sizeof *ret_value);
    return LT_OK;
}

static int read_mark(struct lt_sequence *sequence, struct lt_image *image)
{
    struct lt_mark *mark = &sequence->mark;
    size_t bytes = mark_bytes(sequence->shape);
    const uint8_t *position = lt_image_take(image, sizeof mark->position), *memory = lt_image_take(image, bytes);
    if (!position || !memory)
        return LT_ECORRUPT;
    mark->memory = lt_malloc(bytes);
    if (!mark->memory)
        return LT_ENOMEM;
    memcpy(mark->memory, memory, bytes);
    memcpy(&mark->position, position, sizeof mark->position);
    mark->spans = sequence->spans;
    return LT_OK;
}

static int read_page(struct lt_pages *pages, struct lt_image *image)
{
    const uint8_t *bytes = lt_image_take(image, pages->bytes);
    return bytes ? lt_pages_add(pages, bytes) : LT_ECORRUPT;
}

static int read_span_page(struct lt_sequence *sequence, const struct lt_sequence *const *before, size_t count,
                          struct lt_image *image)
{
    struct lt_pages *pages = &sequence->span_pages;
    uint32_t owner;
    int code = lt_image_take_u32(image, &owner);
    if (code)
        return code;
    if (owner == 0)
        return read_page(pages, image);
    if (owner > count || pages->count >= before[owner - 1]->span_pages.count)
        return LT_ECORRUPT;
    return lt_pages_share(pages, before[owner - 1]->span_pages.at[pages->count]);
}

static int read_sequence(struct lt_sequence *sequence, const struct lt_sequence *const *before, size_t count,
                         struct lt_image *image)
{
    uint32_t spans, segment, marked;
    int code = lt_image_take_u32(image, &spans);
    if (code == LT_OK)
        code = lt_image_take_u32(image, &segment);
    if (code == LT_OK)
        code = lt_image_take_u32(image, &marked);
    if (code == LT_OK && (segment > spans || marked > 1))
        code = LT_ECORRUPT;
    if (code)
        return code;
    sequence->spans = spans;
    sequence->segment = segment;
    code = marked ? read_mark(sequence, image) : LT_OK;
    for (size_t i = 0; code == LT_OK && i < lt_pages_for(spans); i++)
        code = read_span_page(sequence, before, count, image);
    for (size_t i = 0; code == LT_OK && i < lt_pages_for(segment); i++)
        code = read_page(&sequence->segment_pages, image);
    lt_sequence_place(sequence);
    return code;
}

int lt_sequence_read(const struct lt_model *model, const struct lt_sequence *const *before, size_t count,
                     struct lt_image *image, struct lt_sequence **ret_sequence)
{
    struct lt_sequence *sequence = NULL;
    int code = lt_sequence_create(model, 0, &sequence);
    if (code == LT_OK)
        code = read_sequence(sequence, before, count, image);
    if (code)
        lt_sequence_destroy(sequence);
    else
        *ret_sequence = sequence;
    return code;
}
