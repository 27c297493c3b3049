#include "daemon/idle.h"

#include <string.h>

#include "daemon/documents.h"
#include "proto/alloc.h"

#define REMEMBERED 64
#define USES 2 /* after so many a document is worth it */

struct use {
    const struct lt_served_model *served; /* NULL: free */
    uint32_t space;                       /* number of the namespace */
    char name[LT_DOCUMENT_NAME_MAX + 1];
    uint32_t version;
    uint32_t uses;
    uint64_t last; /* when it was used, as the number of the use */
    bool finished; /* it is refined, or cannot be */
};

struct lt_idle {
    struct lt_refining_place place;
    struct use uses[REMEMBERED];
    uint64_t use_count;
    struct lt_refining *refining; /* of `current` */
    struct use *current;
};

int lt_idle_create(const struct lt_refining_place *place, struct lt_idle **ret_idle)
{
    struct lt_idle *idle = lt_calloc(1, sizeof *idle);
    if (!idle)
        return LT_ENOMEM;
    idle->place = *place;
    *ret_idle = idle;
    return LT_OK;
}

void lt_idle_destroy(struct lt_idle *idle)
{
    if (!idle)
        return;
    lt_refining_destroy(idle->refining);
    lt_free(idle);
}

/* The entry of a document, or the one that makes room for it: free, or not used for longest. */
static struct use *find(struct lt_idle *idle, const struct lt_served_model *served, uint32_t space, const char *name,
                        uint32_t version)
{
    struct use *oldest = NULL;
    for (size_t i = 0; i < REMEMBERED; i++) {
        struct use *use = &idle->uses[i];
        if (use->served == served && use->space == space && use->version == version && strcmp(use->name, name) == 0)
            return use;
        if (use != idle->current && (!oldest || use->last < oldest->last))
            oldest = use;
    }
    *oldest = (struct use){.served = served, .space = space, .version = version};
    strcpy(oldest->name, name);
    return oldest;
}

void lt_idle_note(struct lt_idle *idle, const struct lt_task *task)
{
    if (!lt_task_generates(task) || !task->served->states)
        return;
    const struct lt_generate_request *request = &task->job->request->generate;
    for (size_t i = 0; i < request->segment_count; i++) {
        char name[LT_DOCUMENT_NAME_MAX + 1];
        if (!request->segments[i].stored)
            continue;
        lt_documents_name(&request->segments[i], name);
        struct use *use = find(idle, task->served, task->job->space.id, name, task->prompt.versions[i]);
        use->uses++;
        use->last = ++idle->use_count;
    }
}

static struct use *candidate(const struct lt_idle *idle)
{
    for (size_t i = 0; i < REMEMBERED; i++)
        if (idle->uses[i].uses >= USES && !idle->uses[i].finished)
            return (struct use *)&idle->uses[i];
    return NULL;
}

bool lt_idle_has_work(const struct lt_idle *idle)
{
    return idle->refining ? !lt_refining_waits(idle->refining) : candidate(idle) != NULL;
}

static int begin(struct lt_idle *idle, struct lt_error *error)
{
    const struct use *use = idle->current = candidate(idle);
    struct lt_namespace space;
    int code = lt_namespace_find_id(idle->place.store, use->space, &space);
    return code
               ? code
               : lt_refining_create(&idle->place, use->served, &space, use->name, use->version, &idle->refining, error);
}

/* One that cannot be refined, being longer than the context for example, is not tried again. */
void lt_idle_step(struct lt_idle *idle)
{
    struct lt_error error;
    bool done = false;
    int code = LT_OK;
    if (!idle->refining)
        code = begin(idle, &error);
    if (code == LT_OK)
        code = lt_refining_step(idle->refining, &done, &error);
    if (code == LT_OK && !done)
        return;
    if (idle->refining)
        lt_count(idle->place.counters, LT_COUNTER_OPERATIONS, lt_refining_operations(idle->refining));
    lt_refining_destroy(idle->refining);
    idle->refining = NULL;
    idle->current->finished = true;
    idle->current = NULL;
}
