#include "daemon/task_begin.h"

#include "daemon/document_put.h"

/* One change of a document at a time: the next one must know what the one before made. */
static bool is_changing(const struct lt_task *tasks, const struct lt_job *job)
{
    for (const struct lt_task *task = tasks; task; task = task->next)
        if (task->put && lt_document_put_changes(task->put, job))
            return true;
    return false;
}

int lt_task_begin(const struct lt_refining_place *place, const struct lt_task *tasks, struct lt_job *job,
                  struct lt_served_model *served, struct lt_task **ret_task, struct lt_error *error)
{
    enum lt_method method = job->request->method;
    bool changes = method == LT_METHOD_DOCUMENT_PUT || method == LT_METHOD_DOCUMENT_REMOVE;
    if (changes && is_changing(tasks, job))
        return lt_fail(error, LT_EBUSY, "another request is changing this document; try again when it is done");
    struct lt_task *task = NULL;
    int code = lt_task_create(job, served, &task, error);
    if (code)
        return code;
    if (changes)
        code = lt_document_put_create(task, place->store, place->wake, &task->put, error);
    else if (method == LT_METHOD_DOCUMENT_REFINE)
        code = lt_refining_create(place, served, &job->space, job->request->document.name,
                                  job->request->document.version, &task->refining_document, error);
    if (code)
        lt_task_destroy(task);
    else
        *ret_task = task;
    return code;
}
