/* Attention to int8 is two products of one row: the query, rounded, with the keys of a block, whose outputs are scores;
 * and the weights that the softmax makes of them, rounded as well, with its values. */
#include "kernels/slots.h"

#include <math.h>

#include "kernels/dispatch.h"
#include "kernels/tiles.h"
#include "proto/limits.h"

#define GROUP 4 /* blocks whose scores are weighed together */
#define GROUP_SLOTS (GROUP * LT_SLOTS)
#define ROWS 64             /* that pass a group together */
#define ROUNDED_BYTES 16384 /* of their queries: at least LT_WIDTH_MAX */

void lt_slots_write(const struct lt_slots *slots, size_t slot, const float *key, const float *value)
{
    size_t width = slots->head_width, place = slot % LT_SLOTS;
    int8_t rounded[LT_WIDTH_MAX];
    int32_t sum;
    for (size_t head = 0; head < slots->heads; head++) {
        struct lt_slots_head to = lt_slots_head(slots, slot / LT_SLOTS, head);
        lt_int8_from_rows(key + head * width, 1, width, lt_int8_padded(width), rounded, &to.key_scales[place], &sum);
        for (size_t group = 0; group < lt_int8_padded(width) / LT_INT8_GROUP; group++)
            lt_int8_place(to.keys, group, place, rounded + group * LT_INT8_GROUP);
        lt_int8_from_rows(value + head * width, 1, width, lt_int8_padded(width), rounded, &to.value_scales[place],
                          &sum);
        uint8_t *values = to.values + place / LT_INT8_GROUP * LT_INT8_GROUP_BYTES + place % LT_INT8_GROUP;
        for (size_t i = 0; i < width; i++)
            values[i / LT_PANEL * LT_SLOTS_VALUE_BYTES + i % LT_PANEL * LT_INT8_GROUP] =
                (uint8_t)(rounded[i] + LT_INT8_BIAS);
    }
}

/* A row, rounded. */
struct row {
    const int8_t *values;
    float scale;
    int32_t sum;
};

/* The row times the tile's panels, which are at most LT_INT8_PANELS_MAX; the kernel may take fewer at once. */
LT_INLINE void multiply(const struct row *row, struct lt_int8_tile *tile, size_t panels)
{
    const struct lt_int8_kernel *kernel = lt_tile_kernel(0)->int8;
    tile->x = row->values;
    tile->row_scales = &row->scale;
    tile->row_sums = &row->sum;
    tile->rows = 1;
    for (size_t done = 0; done < panels; done += tile->panels) {
        for (tile->panels = kernel->panels[1]; tile->panels > panels - done; tile->panels /= 2)
            ;
        for (size_t i = 0; done > 0 && i < tile->panels; i++) {
            tile->weights[i] = tile->weights[done + i];
            tile->scales[i] = tile->scales[done + i];
        }
        kernel->multiply(tile);
        tile->sums += tile->panels * LT_PANEL;
    }
}

/* Of the `blocks` blocks, a group at most, from number `first` on. */
LT_INLINE void score(const struct lt_slots *slots, size_t head, const struct row *query, size_t first, size_t blocks,
                     float *scores)
{
    struct lt_int8_tile tile = {.inputs = lt_int8_padded(slots->head_width), .sums = scores};
    for (size_t block = 0; block < blocks; block++) {
        struct lt_slots_head from = lt_slots_head(slots, first + block, head);
        tile.weights[block] = from.keys;
        tile.scales[block] = from.key_scales;
    }
    multiply(query, &tile, blocks);
}

/* scores [blocks][LT_SLOTS] become weights. Lanes go their own way until the end: one chain of comparisons or additions
 * would take longer than all else. */
LT_INLINE void weigh(float *scores, size_t blocks, size_t width, struct lt_softmax *softmax, float *out)
{
    lt_vector greatest, next, sum = {0};
    lt_vector_load(&greatest, scores);
    for (size_t i = LT_LANES; i < blocks * LT_SLOTS; i += LT_LANES) {
        lt_vector_load(&next, scores + i);
        lt_vector_raise(&greatest, &next);
    }
    lt_softmax_raise(softmax, lt_vector_greatest(&greatest), width, out);
    float shift = softmax->greatest;
    for (size_t i = 0; i < blocks * LT_SLOTS; i++)
        scores[i] = lt_exp(scores[i] - shift);
    for (size_t i = 0; i < blocks * LT_SLOTS; i += LT_LANES) {
        lt_vector_load(&next, scores + i);
        sum += next;
    }
    softmax->sum += lt_vector_sum(&sum);
}

/* out += the values of a block, by weights. A value's scale goes into its weight. */
LT_INLINE void add_values(const struct lt_slots_head *from, size_t count, const float *weights, size_t width,
                          float *out)
{
    static const float ones[LT_PANEL] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                         1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    float scaled[LT_SLOTS] = {0}, sums[GROUP * LT_PANEL];
    int8_t rounded[LT_SLOTS];
    struct row row = {.values = rounded};
    for (size_t i = 0; i < count; i++)
        scaled[i] = weights[i] * from->value_scales[i];
    lt_int8_from_rows(scaled, 1, LT_SLOTS, lt_int8_padded(LT_SLOTS), rounded, &row.scale, &row.sum);
    for (size_t done = 0; done < width; done += GROUP * LT_PANEL) {
        size_t columns = width - done < GROUP * LT_PANEL ? width - done : GROUP * LT_PANEL;
        size_t panels = (columns + LT_PANEL - 1) / LT_PANEL;
        struct lt_int8_tile tile = {.inputs = LT_SLOTS, .sums = sums};
        for (size_t i = 0; i < panels; i++) {
            tile.weights[i] = from->values + (done / LT_PANEL + i) * LT_SLOTS_VALUE_BYTES;
            tile.scales[i] = ones;
        }
        multiply(&row, &tile, panels);
        for (size_t j = 0; j < columns; j++)
            out[done + j] += sums[j];
    }
}

/* One head of a row that sees `count` slots from number `from` on, a group at most. */
LT_INLINE void attend_group(const struct lt_slots_query *query, size_t head, const struct row *row, size_t from,
                            size_t count)
{
    float scores[GROUP_SLOTS];
    size_t width = query->slots->head_width, first = from / LT_SLOTS, blocks = (count + LT_SLOTS - 1) / LT_SLOTS;
    float *out = query->out + head * width;
    score(query->slots, head, row, first, blocks, scores);
    for (size_t i = count; i < blocks * LT_SLOTS; i++)
        scores[i] = -INFINITY;
    weigh(scores, blocks, width, &query->softmax[head], out);
    for (size_t block = 0; block < blocks; block++) {
        size_t left = count - block * LT_SLOTS;
        struct lt_slots_head values = lt_slots_head(query->slots, first + block, head);
        add_values(&values, left < LT_SLOTS ? left : LT_SLOTS, scores + block * LT_SLOTS, width, out);
    }
}

/* One head of a few rows. */
LT_INLINE void attend_rows(const struct lt_slots_query *queries, size_t count, size_t head)
{
    int8_t rounded[ROUNDED_BYTES];
    struct row rows[ROWS];
    size_t width = queries->slots->head_width, padded = lt_int8_padded(width), most = 0;
    float divisor = sqrtf((float)width);
    for (size_t i = 0; i < count; i++) {
        rows[i].values = rounded + i * padded;
        lt_int8_from_rows(queries[i].query + head * width, 1, width, lt_int8_padded(width), rounded + i * padded,
                          &rows[i].scale, &rows[i].sum);
        rows[i].scale /= divisor;
        most = queries[i].count > most ? queries[i].count : most;
    }
    for (size_t from = 0; from < most; from += GROUP_SLOTS)
        for (size_t i = 0; i < count; i++)
            if (from < queries[i].count) {
                size_t left = queries[i].count - from;
                attend_group(&queries[i], head, &rows[i], from, left < GROUP_SLOTS ? left : GROUP_SLOTS);
            }
}

LT_BODY lt_slots_attend_body(const struct lt_slots_query *queries, size_t count)
{
    if (count == 0)
        return;
    size_t heads = queries->slots->heads, most = ROUNDED_BYTES / lt_int8_padded(queries->slots->head_width);
    most = most < ROWS ? most : ROWS;
    for (size_t done = 0; done < count; done += most)
        for (size_t head = 0; head < heads; head++)
            attend_rows(queries + done, count - done < most ? count - done : most, head);
}

LT_DISPATCH(lt_slots_attend, (const struct lt_slots_query *queries, size_t count), (queries, count))
