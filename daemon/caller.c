#include "daemon/caller.h"

#include "daemon/engine.h"
#include "daemon/transfer.h"

void lt_caller_add(struct lt_caller *caller, struct lt_job *job)
{
    job->caller = caller;
    job->previous = NULL;
    job->next = caller->jobs;
    if (job->next)
        job->next->previous = job;
    caller->jobs = job;
    caller->job_count++;
}

void lt_caller_remove(struct lt_caller *caller, struct lt_job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        caller->jobs = job->next;
    if (job->next)
        job->next->previous = job->previous;
    job->caller = NULL;
    caller->job_count--;
}

void lt_caller_set_paused(struct lt_caller *caller, struct lt_engine *engine, bool paused)
{
    bool changed = false;
    for (struct lt_job *job = caller->jobs; job; job = job->next) {
        changed |= atomic_exchange(&job->paused, paused) != paused;
        if (paused)
            atomic_store(&job->was_paused, true);
    }
    if (changed && !paused)
        lt_engine_wake(engine);
}

bool lt_caller_cancel(struct lt_caller *caller, struct lt_engine *engine, uint32_t id)
{
    for (struct lt_job *job = caller->jobs; job; job = job->next)
        if (job->request->id == id) {
            atomic_store(&job->cancelled, true);
            lt_engine_wake(engine);
            return true;
        }
    return false;
}

void lt_caller_abandon(struct lt_caller *caller, struct lt_engine *engine)
{
    lt_transfer_abandon(caller);
    if (!caller->jobs)
        return;
    for (struct lt_job *job = caller->jobs; job; job = job->next) {
        atomic_store(&job->cancelled, true);
        job->caller = NULL;
    }
    caller->jobs = NULL;
    caller->job_count = 0;
    lt_engine_wake(engine);
}
