/* Gathers what each task wants into the arrays that the cache and the kernels take, and spreads the results and their
 * cost back over the tasks. A stage's time counts in full for every task that was part of it: it is time that its
 * client waited. */
#include "daemon/cycle.h"

#include "daemon/clock.h"
#include "daemon/states.h"
#include "proto/alloc.h"

#define TOKENS_PER_SPAN 8 /* of an answer, for the room that it is given at first */

struct cycle {
    struct lt_cache *cache;
    const struct lt_served_model *served;
    struct lt_task **tasks; /* [count] */
    size_t count;
    struct lt_cache_span **spans;
    struct lt_mix_item *mixes;
    struct lt_decode_item *decodes;
};

static void record_lookups(struct lt_task *task, const struct lt_cache_time *time)
{
    bool encoded = false;
    for (size_t i = 0; i < task->fresh_count; i++) {
        bool hit = lt_cache_span_hit(&task->fresh[i]);
        encoded |= !hit || task->fresh[i].joined;
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
            cycle->spans[spans] = &cycle->tasks[i]->fresh[s];
            cycle->spans[spans++]->space = &cycle->tasks[i]->job->space;
        }
    struct lt_cache_time time;
    int code =
        lt_cache_resolve(cycle->cache, cycle->served->model, cycle->served->workspace, cycle->spans, spans, &time);
    if (code)
        return code;
    for (size_t i = 0; i < cycle->count; i++)
        record_lookups(cycle->tasks[i], &time);
    return LT_OK;
}

/* Gives each new prompt a sequence, one that knows as much of it as possible. */
static int begin_sequences(struct cycle *cycle)
{
    size_t width = lt_model_shape(cycle->served->model)->width;
    for (size_t i = 0; i < cycle->count; i++) {
        struct lt_task *task = cycle->tasks[i];
        if (!lt_task_generates(task) || task->sequence)
            continue;
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
            cycle->mixes[items++] = (struct lt_mix_item){.sequence = task->sequence,
                                                         .latents = task->fresh_latents,
                                                         .starts = task->fresh_starts,
                                                         .count = task->fresh_count};
    }
    int code = items ? lt_mix(cycle->served->workspace, cycle->mixes, items) : LT_OK;
    if (code)
        return code;
    for (size_t i = 0, item = 0; i < cycle->count; i++) {
        struct lt_task *task = cycle->tasks[i];
        if (!task->sequence || !task->fresh_count)
            continue;
        const struct lt_mix_item *done = &cycle->mixes[item++];
        task->receipt.refine_operations += done->refine_operations;
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
            cycle->decodes[items++] = (struct lt_decode_item){.sequence = task->sequence,
                                                              .tokens = task->feed,
                                                              .closed = task->feed_closed,
                                                              .count = task->feed_count,
                                                              .logits = task->logits,
                                                              .targets = task->feed_targets,
                                                              .nats = task->feed_nats};
    }
    double began = lt_clock_seconds();
    int code = items ? lt_decode(cycle->served->workspace, cycle->decodes, items) : LT_OK;
    if (code)
        return code;
    double seconds = lt_clock_seconds() - began;
    for (size_t i = 0, item = 0; i < cycle->count; i++) {
        struct lt_task *task = cycle->tasks[i];
        if (!task->feed_count)
            continue;
        task->receipt.decode_operations += cycle->decodes[item++].operations;
        task->receipt.decode += seconds;
    }
    return LT_OK;
}

int lt_cycle_compute(struct lt_cache *cache, const struct lt_served_model *served, struct lt_task **tasks, size_t count)
{
    struct cycle cycle = {.cache = cache, .served = served, .tasks = tasks, .count = count};
    size_t spans = 0;
    for (size_t i = 0; i < count; i++)
        spans += tasks[i]->fresh_count;
    cycle.spans = lt_malloc((spans + 1) * sizeof *cycle.spans);
    cycle.mixes = lt_malloc(count * sizeof *cycle.mixes);
    cycle.decodes = lt_malloc(count * sizeof *cycle.decodes);
    int code = cycle.spans && cycle.mixes && cycle.decodes ? LT_OK : LT_ENOMEM;
    if (code == LT_OK)
        code = resolve(&cycle);
    if (code == LT_OK)
        code = begin_sequences(&cycle);
    if (code == LT_OK)
        code = mix(&cycle);
    if (code == LT_OK)
        code = decode(&cycle);
    lt_free(cycle.spans);
    lt_free(cycle.mixes);
    lt_free(cycle.decodes);
    return code;
}
