/* Attention to keys and values that are kept as int8: near that to the numbers themselves, and to the last bit the same
 * in any company and whatever the pages hold besides. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/attention.h"
#include "kernels/slots.h"

#define SLOTS 300
#define MOST_HEADS 4
#define OFFSET 192 /* of the blocks in a page, behind something else */

static const size_t shapes[][2] = {{4, 64}, {1, 128}, {2, 16}, {3, 6}, {1, 130}}; /* heads, width of one */

struct kept {
    struct lt_slots slots;
    size_t width;
    float *keys, *values; /* [SLOTS][width] as they were */
};

static float *random_floats(size_t count)
{
    float *numbers = malloc(count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = 4 * ((float)drand48() - 0.5f);
    return numbers;
}

static struct kept keep(size_t heads, size_t head_width, size_t page_blocks)
{
    struct kept kept = {.slots = {heads, head_width, NULL, OFFSET, page_blocks}, .width = heads * head_width};
    size_t pages = (SLOTS / LT_SLOTS + 1) / page_blocks + 1;
    size_t bytes = OFFSET + page_blocks * lt_slots_block_bytes(heads, head_width);
    kept.slots.pages = calloc(pages, sizeof(uint8_t *));
    kept.keys = random_floats(SLOTS * kept.width);
    kept.values = random_floats(SLOTS * kept.width);
    for (size_t page = 0; page < pages; page++) {
        kept.slots.pages[page] = aligned_alloc(64, (bytes + 63) / 64 * 64);
        memset(kept.slots.pages[page], 0xff, bytes); /* as float: not a number */
    }
    for (size_t slot = 0; slot < SLOTS; slot++)
        lt_slots_write(&kept.slots, slot, kept.keys + slot * kept.width, kept.values + slot * kept.width);
    return kept;
}

static void forget(struct kept *kept)
{
    for (size_t page = 0; page < (SLOTS / LT_SLOTS + 1) / kept->slots.page_blocks + 1; page++)
        free(kept->slots.pages[page]);
    free(kept->slots.pages);
    free(kept->keys);
    free(kept->values);
}

static void attend(const struct kept *kept, const float *query, size_t count, float nothing, float *out)
{
    struct lt_softmax softmax[MOST_HEADS];
    struct lt_slots_query row = {&kept->slots, count, query, softmax, out};
    lt_attention_begin(softmax, kept->slots.heads, kept->slots.head_width, nothing, out);
    lt_slots_attend(&row, 1);
    lt_attention_end(softmax, kept->slots.heads, kept->slots.head_width, out);
}

static void attend_to_floats(const struct kept *kept, const float *query, size_t count, float nothing, float *out)
{
    struct lt_softmax softmax[MOST_HEADS];
    size_t heads = kept->slots.heads, head_width = kept->slots.head_width;
    lt_attention_begin(softmax, heads, head_width, nothing, out);
    lt_attend(query, kept->keys, kept->values, count, heads, head_width, softmax, out);
    lt_attention_end(softmax, heads, head_width, out);
}

static void test_is_near_attention_to_floats(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct kept kept = keep(shapes[s][0], shapes[s][1], 1 + s);
        float *query = random_floats(kept.width);
        float *expected = malloc(kept.width * sizeof(float)), *out = malloc(kept.width * sizeof(float));
        for (size_t count = 1; count <= SLOTS; count += count < 140 ? 1 : 32)
            for (int nothing = 0; nothing < 2; nothing++) {
                double error = 0, size = 0;
                attend(&kept, query, count, nothing ? 1.0f : LT_ATTEND_ALWAYS, out);
                attend_to_floats(&kept, query, count, nothing ? 1.0f : LT_ATTEND_ALWAYS, expected);
                for (size_t i = 0; i < kept.width; i++) {
                    error += pow((double)out[i] - (double)expected[i], 2);
                    size += pow((double)expected[i], 2);
                }
                assert_true(sqrt(error / size) < 0.04);
            }
        forget(&kept);
        free(query);
        free(expected);
        free(out);
    }
}

static void test_company_changes_no_bit(void **state)
{
    (void)state;
    enum { ROWS = 150 };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct kept one = keep(shapes[s][0], shapes[s][1], 2), two = keep(shapes[s][0], shapes[s][1], 3);
        size_t width = one.width, heads = shapes[s][0], head_width = shapes[s][1];
        float *queries = random_floats(ROWS * width), *alone = malloc(width * sizeof *alone);
        float *out = malloc(ROWS * width * sizeof *out);
        struct lt_softmax softmax[ROWS][MOST_HEADS];
        struct lt_slots_query rows[ROWS];
        for (size_t i = 0; i < ROWS; i++) {
            rows[i] = (struct lt_slots_query){i % 3 ? &one.slots : &two.slots, i * 2, queries + i * width, softmax[i],
                                              out + i * width};
            lt_attention_begin(softmax[i], heads, head_width, 0, rows[i].out);
        }
        lt_slots_attend(rows, ROWS);
        for (size_t i = 0; i < ROWS; i++) {
            lt_attention_end(softmax[i], heads, head_width, rows[i].out);
            attend(i % 3 ? &one : &two, rows[i].query, rows[i].count, 0, alone);
            assert_memory_equal(rows[i].out, alone, width * sizeof *alone);
        }
        forget(&one);
        forget(&two);
        free(queries);
        free(alone);
        free(out);
    }
}

/* What is written behind the slots that are seen is of no matter: rows attend while later ones are kept already. */
static void test_later_slots_are_not_seen(void **state)
{
    (void)state;
    struct kept kept = keep(2, 16, 1);
    float *query = random_floats(kept.width), *other = random_floats(kept.width), before[32], after[32];
    for (size_t count = 1; count < 80; count++) {
        attend(&kept, query, count, LT_ATTEND_ALWAYS, before);
        lt_slots_write(&kept.slots, count, other, query);
        attend(&kept, query, count, LT_ATTEND_ALWAYS, after);
        assert_memory_equal(before, after, sizeof before);
    }
    forget(&kept);
    free(query);
    free(other);
}

static void test_nothing_to_see_gives_nothing(void **state)
{
    (void)state;
    struct kept kept = keep(2, 16, 1);
    float out[32], zeros[32] = {0};
    attend(&kept, kept.keys, 0, 0.5f, out);
    assert_memory_equal(out, zeros, sizeof out);
    lt_slots_attend(NULL, 0);
    forget(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_near_attention_to_floats),
        cmocka_unit_test(test_company_changes_no_bit),
        cmocka_unit_test(test_later_slots_are_not_seen),
        cmocka_unit_test(test_nothing_to_see_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
