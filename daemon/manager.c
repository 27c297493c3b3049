#include "daemon/manager.h"

#ifdef LT_WITH_SYSTEMD
#include <systemd/sd-daemon.h>

static void notify(const char *state)
{
    sd_notify(0, state);
}
#else
static void notify(const char *state)
{
    (void)state;
}
#endif

void lt_manager_ready(void)
{
    notify("READY=1");
}

void lt_manager_alive(void)
{
    notify("WATCHDOG=1");
}

void lt_manager_stopping(void)
{
    notify("STOPPING=1");
}
