#include "daemon/fetching.h"

#include "daemon/clock.h"
#include "daemon/task.h"
#include "proto/alloc.h"

#define AGAIN_MILLISECONDS 4 /* until spans that another daemon is encoding are asked for again */

bool lt_fetching_waits(const struct lt_fetching *fetching)
{
    return fetching->fetch && !lt_remote_fetch_is_done(fetching->fetch);
}

void lt_fetching_finish(struct lt_fetching *fetching)
{
    lt_remote_fetch_release(fetching->fetch);
    lt_free(fetching->spans);
    *fetching = (struct lt_fetching){0};
}

/* Asks for the spans of `fetching->spans`. */
static int ask(struct lt_cache *cache, struct lt_remote *remote, struct lt_task *task, uint32_t delay)
{
    struct lt_fetching *fetching = &task->fetching;
    int code = lt_remote_fetch_create(remote, fetching->count, &fetching->fetch);
    for (size_t i = 0; code == LT_OK && i < fetching->count; i++) {
        const struct lt_cache_span *span = &task->fresh[fetching->spans[i]];
        code = lt_remote_fetch_set(fetching->fetch, i, &span->key,
                                   lt_cache_record_bytes(cache, task->served->model, span));
    }
    if (code)
        return code;
    fetching->asked = lt_clock_seconds();
    lt_remote_fetch_begin(fetching->fetch, delay);
    return LT_OK;
}

/* Looks at what is here; what is not will be asked for. */
static int look_here(struct lt_cache *cache, struct lt_task *task)
{
    struct lt_fetching *fetching = &task->fetching;
    struct lt_cache_time time = {0};
    struct lt_cache_span **spans = lt_malloc(task->fresh_count * sizeof *spans);
    bool *found = lt_malloc(task->fresh_count * sizeof *found);
    fetching->spans = lt_malloc(task->fresh_count * sizeof *fetching->spans);
    int code = spans && found && fetching->spans ? LT_OK : LT_ENOMEM;
    for (size_t i = 0; code == LT_OK && i < task->fresh_count; i++) {
        spans[i] = &task->fresh[i];
        spans[i]->space = &task->job->space;
    }
    if (code == LT_OK)
        code = lt_cache_find(cache, task->served->model, spans, task->fresh_count, found, &time);
    for (uint32_t i = 0; code == LT_OK && i < task->fresh_count; i++) {
        spans[i]->ready = found[i] && !spans[i]->verified;
        if (!found[i])
            fetching->spans[fetching->count++] = i;
    }
    task->receipt.lookup += time.lookup;
    lt_free(spans);
    lt_free(found);
    return code;
}

/* Takes what was found. Keeps in fetching->spans those that another daemon is encoding. */
static void take(struct lt_cache *cache, struct lt_task *task)
{
    struct lt_fetching *fetching = &task->fetching;
    size_t held = 0;
    for (size_t i = 0; i < fetching->count; i++) {
        struct lt_cache_span *span = &task->fresh[fetching->spans[i]];
        const uint8_t *record;
        enum lt_remote_outcome outcome = lt_remote_fetch_outcome(fetching->fetch, i, &record);
        size_t bytes = lt_cache_record_bytes(cache, task->served->model, span);
        if (outcome == LT_REMOTE_FOUND)
            span->ready = lt_cache_take(cache, task->served->model, span, record, bytes);
        else if (outcome == LT_REMOTE_UNFIT)
            lt_cache_refuse(cache);
        else if (outcome == LT_REMOTE_HELD)
            fetching->spans[held++] = fetching->spans[i];
    }
    fetching->count = held;
    lt_remote_fetch_release(fetching->fetch);
    fetching->fetch = NULL;
    task->receipt.lookup += lt_clock_seconds() - fetching->asked;
}

/* Encodes what nobody else is encoding, so that the others can have it while this task waits for theirs. */
static int encode_own(struct lt_cache *cache, struct lt_task *task)
{
    const struct lt_fetching *fetching = &task->fetching;
    struct lt_cache_time time;
    struct lt_cache_span **spans = lt_malloc(task->fresh_count * sizeof *spans);
    size_t count = 0, held = 0;
    if (!spans)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < task->fresh_count; i++) {
        if (held < fetching->count && fetching->spans[held] == i)
            held++;
        else if (!task->fresh[i].ready)
            spans[count++] = &task->fresh[i];
    }
    int code = lt_cache_resolve(cache, task->served->model, task->served->workspace, spans, count, &time);
    for (size_t i = 0; code == LT_OK && i < count; i++)
        spans[i]->ready = true;
    task->receipt.lookup += code == LT_OK ? time.lookup : 0;
    task->receipt.encode += code == LT_OK ? time.encode : 0;
    lt_free(spans);
    return code;
}

/* What was not resolved here is encoded in the cycle, together with other tasks' spans. */
static int go_on(struct lt_task *task)
{
    lt_fetching_finish(&task->fetching);
    task->fetching.finished = true;
    return LT_OK;
}

int lt_fetching_step(struct lt_cache *cache, struct lt_task *task, bool *ret_waits)
{
    struct lt_remote *remote = lt_cache_remote(cache);
    struct lt_fetching *fetching = &task->fetching;
    bool is_prompt = task->fresh_count && task->fresh == task->spans && lt_cache_shares(&task->job->space);
    int code = LT_OK;
    *ret_waits = false;
    if (!remote || !is_prompt || fetching->finished)
        return LT_OK;
    if (!fetching->fetch) {
        code = look_here(cache, task);
        if (code || !fetching->count)
            return code ? code : go_on(task);
        *ret_waits = true;
        return ask(cache, remote, task, 0);
    }
    take(cache, task);
    double now = lt_clock_seconds();
    if (fetching->until == 0)
        fetching->until = now + 1e-3 * lt_remote_lease(remote);
    if (!fetching->count || now >= fetching->until)
        return go_on(task);
    code = encode_own(cache, task);
    if (code)
        return code;
    *ret_waits = true;
    return ask(cache, remote, task, AGAIN_MILLISECONDS);
}
