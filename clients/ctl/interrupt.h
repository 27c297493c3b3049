/* Ctrl-C as a wish, for commands that go on until somebody stops them: they ask for it between two steps. Where nobody
 * calls interrupt_catch, it ends latentctl as it ends any program. */
#ifndef LATENTCTL_INTERRUPT_H
#define LATENTCTL_INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT and SIGTERM end no more than a system call that waits. */
void interrupt_catch(void);

/* Whether one came since the last interrupt_clear. */
bool interrupted(void);
void interrupt_clear(void);

#endif
