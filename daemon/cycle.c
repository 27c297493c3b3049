/* Gathers what each task wants into the arrays that the cache and the kernels take, and spreads the results and their
 * cost back over the tasks. A stage's time counts in full for every task that was part of it: it is time that its
 * client waited. */
#include "daemon/cycle.h"

#include "daemon/clock.h"
#include "daemon/refined_segments.h"
#include "daemon/states.h"
#include "proto/alloc.h"

#define TOKENS_PER_SPAN 8 /* of an answer, for the room that it is given at first */

struct cycle {
    const struct lt_cycle_place *place;
    const struct lt_served_model *served;
    struct lt_task **tasks; /* [count] */
    size_t count;
    const struct lt_cycle_memory *memory;
};

/* Makes an array of `room` items have room for `count`. */
static int grow(void **array, size_t item_bytes, size_t room, size_t count)
{
    void *grown = count > room ? lt_realloc(*array, count * item_bytes) : *array;
    if (!grown)
        return LT_ENOMEM;
    *array = grown;
    return LT_OK;
}

int lt_cycle_memory_reserve(struct lt_cycle_memory *memory, size_t tasks)
{
    if (tasks <= memory->task_room)
        return LT_OK;
    size_t room = 2 * memory->task_room > tasks ? 2 * memory->task_room : tasks;
    void *of_tasks = memory->tasks, *of_mixes = memory->mixes, *of_decodes = memory->decodes;
    int code = grow(&of_tasks, sizeof *memory->tasks, memory->task_room, room);
    if (code == LT_OK)
        code = grow(&of_mixes, sizeof *memory->mixes, memory->task_room, room);
    if (code == LT_OK)
        code = grow(&of_decodes, sizeof *memory->decodes, memory->task_room, room);
    memory->tasks = of_tasks;
    memory->mixes = of_mixes;
    memory->decodes = of_decodes;
    if (code == LT_OK)
        memory->task_room = room;
    return code;
}

static int reserve_spans(struct lt_cycle_memory *memory, size_t spans)
{
    void *array = memory->spans;
    int code = spans > memory->span_room ? grow(&array, sizeof *memory->spans, memory->span_room, spans) : LT_OK;
    memory->spans = array;
    if (code == LT_OK && spans > memory->span_room)
        memory->span_room = spans;
    return code;
}

void lt_cycle_memory_finish(struct lt_cycle_memory *memory)
{
    lt_free(memory->tasks);
    lt_free(memory->mixes);
    lt_free(memory->decodes);
    lt_free(memory->spans);
    *memory = (struct lt_cycle_memory){0};
}

static void record_lookups(struct lt_task *task, const struct lt_cache_time *time)
{
    bool encoded = false;
    for (size_t i = 0; i < task->fresh_count; i++) {
        bool hit = lt_cache_span_hit(&task->fresh[i]);
        encoded |= !task->fresh[i].ready && (!hit || task->fresh[i].joined);
        task->receipt.encode_operations += task->fresh[i].operations;
        if (task->fresh == task->spans) {
            task->receipt.hits += hit;
            task->receipt.misses += !hit;
            task->receipt.cached_tokens += hit ? task->fresh[i].count : 0;
        }
    }
    if (task->fresh_count) {
        task->receipt.lookup += time->lookup;
        task->receipt.encode += encoded ? time->encode : 0;
    }
}

static int resolve(struct cycle *cycle)
{
    size_t spans = 0;
    for (size_t i = 0; i < cycle->count; i++)
        for (size_t s = 0; s < cycle->tasks[i]->fresh_count; s++) {
            struct lt_cache_span *span = &cycle->tasks[i]->fresh[s];
            span->space = &cycle->tasks[i]->job->space;
            if (!span->ready)
                cycle->memory->spans[spans++] = span;
        }
    struct lt_cache_time time;
    int code = lt_cache_resolve(cycle->place->cache, cycle->served->model, cycle->served->workspace,
                                cycle->memory->spans, spans, &time);
    if (code)
        return code;
    for (size_t i = 0; i < cycle->count; i++)
        record_lookups(cycle->tasks[i], &time);
    return LT_OK;
}

/* What of a new prompt need not go through the refiner. */
static void count_refined(struct lt_task *task)
{
    for (size_t i = 0; task->fresh_refining && i < task->fresh_count; i++)
        task->receipt.refined_spans += task->fresh_refining[i] != LT_REFINE;
}

/* Lets the refiner see spans of the open segment again that are mixed already, for the sake of those behind them. */
static int remind(const struct cycle *cycle, struct lt_task *task, size_t spans)
{
    bool needed = !task->fresh_count || !task->fresh_refining || task->fresh_refining[0] != LT_REFINE_NOTHING;
    if (!spans || !needed)
        return LT_OK;
    double began = lt_clock_seconds();
    size_t width = lt_model_shape(cycle->served->model)->width;
    struct lt_refine_item item = {
        .sequence = task->sequence, .latents = task->fresh_latents - spans * width, .count = spans, .known = spans};
    int code = lt_refine(cycle->served->workspace, &item);
    task->receipt.refine_operations += item.operations;
    task->receipt.refine += lt_clock_seconds() - began;
    return code;
}

/* Gives each new prompt a sequence, one that knows as much of it as possible. */
static int begin_sequences(struct cycle *cycle)
{
    size_t width = lt_model_shape(cycle->served->model)->width;
    for (size_t i = 0; i < cycle->count; i++) {
        struct lt_task *task = cycle->tasks[i];
        if (!lt_task_generates(task) || task->sequence)
            continue;
        if (cycle->place->store)
            lt_refined_segments_find(cycle->place->store, cycle->place->latent_type, task);
        double began = lt_clock_seconds();
        struct lt_beginning beginning;
        size_t answer = task->job->request->generate.max_tokens / TOKENS_PER_SPAN + 1;
        int code = lt_states_begin(cycle->served->states, cycle->served->model, task->spans, task->starts,
                                   task->span_count, answer, task->logits, &beginning);
        if (code)
            return code;
        task->receipt.mix += lt_clock_seconds() - began;
        task->receipt.restored_spans = beginning.spans;
        task->sequence = beginning.sequence;
        task->states_age = beginning.age;
        task->fresh_starts += beginning.spans;
        task->fresh_latents += beginning.spans * width;
        task->fresh_count -= beginning.spans;
        if (task->refining && task->refined) {
            task->fresh_refining = task->refining + beginning.spans;
            task->fresh_refined = task->refined + beginning.spans * width;
        }
        count_refined(task);
        code = remind(cycle, task, beginning.forgotten);
        if (code)
            return code;
        if (beginning.resumed)
            task->feed_count = 0;
    }
    return LT_OK;
}

static int mix(struct cycle *cycle)
{
    size_t items = 0;
    for (size_t i = 0; i < cycle->count; i++) {
        const struct lt_task *task = cycle->tasks[i];
        if (task->sequence && task->fresh_count)
            cycle->memory->mixes[items++] = (struct lt_mix_item){.sequence = task->sequence,
                                                                 .latents = task->fresh_latents,
                                                                 .starts = task->fresh_starts,
                                                                 .refining = task->fresh_refining,
                                                                 .refined = task->fresh_refined,
                                                                 .count = task->fresh_count};
    }
    int code = items ? lt_mix(cycle->served->workspace, cycle->memory->mixes, items) : LT_OK;
    if (code)
        return code;
    for (size_t i = 0, item = 0; i < cycle->count; i++) {
        struct lt_task *task = cycle->tasks[i];
        if (!task->sequence || !task->fresh_count)
            continue;
        const struct lt_mix_item *done = &cycle->memory->mixes[item++];
        task->receipt.refine_operations += done->refine_operations;
        task->receipt.saved_operations += done->saved_operations;
        task->receipt.mix_operations += done->mix_operations;
        task->receipt.refine += done->refine_seconds;
        task->receipt.mix += done->mix_seconds;
    }
    return LT_OK;
}

static int decode(struct cycle *cycle)
{
    size_t items = 0;
    for (size_t i = 0; i < cycle->count; i++) {
        const struct lt_task *task = cycle->tasks[i];
        if (task->feed_count)
            cycle->memory->decodes[items++] = (struct lt_decode_item){.sequence = task->sequence,
                                                                      .tokens = task->feed,
                                                                      .closed = task->feed_closed,
                                                                      .count = task->feed_count,
                                                                      .logits = task->logits,
                                                                      .targets = task->feed_targets,
                                                                      .nats = task->feed_nats};
    }
    double began = lt_clock_seconds();
    int code = items ? lt_decode(cycle->served->workspace, cycle->memory->decodes, items) : LT_OK;
    if (code)
        return code;
    double seconds = lt_clock_seconds() - began;
    for (size_t i = 0, item = 0; i < cycle->count; i++) {
        struct lt_task *task = cycle->tasks[i];
        if (!task->feed_count)
            continue;
        task->receipt.decode_operations += cycle->memory->decodes[item++].operations;
        task->receipt.decode += seconds;
    }
    return LT_OK;
}

int lt_cycle_compute(const struct lt_cycle_place *place, struct lt_cycle_memory *memory,
                     const struct lt_served_model *served, struct lt_task **tasks, size_t count)
{
    struct cycle cycle = {.place = place, .served = served, .tasks = tasks, .count = count, .memory = memory};
    size_t spans = 0;
    for (size_t i = 0; i < count; i++)
        spans += tasks[i]->fresh_count;
    int code = lt_cycle_memory_reserve(memory, count);
    if (code == LT_OK)
        code = reserve_spans(memory, spans);
    if (code == LT_OK)
        code = resolve(&cycle);
    if (code == LT_OK)
        code = begin_sequences(&cycle);
    if (code == LT_OK)
        code = mix(&cycle);
    return code ? code : decode(&cycle);
}
