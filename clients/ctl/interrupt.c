#include "clients/ctl/interrupt.h"

#include <signal.h>

static volatile sig_atomic_t came;

static void on_signal(int number)
{
    (void)number;
    came = 1;
}

void interrupt_catch(void)
{
    const struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupted(void)
{
    return came;
}

void interrupt_clear(void)
{
    came = 0;
}
