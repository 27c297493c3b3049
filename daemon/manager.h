/* What the service manager is told, by sd_notify(3). If no manager asked for it (NOTIFY_SOCKET), or if latentd was
 * built without libsystemd, all of these do nothing. Loop thread. */
#ifndef LT_DAEMON_MANAGER_H
#define LT_DAEMON_MANAGER_H

/* Clients are served from now on. */
void lt_manager_ready(void);

/* The loop turns: to be called once a second, or the manager's watchdog takes the daemon for hanging. */
void lt_manager_alive(void);

/* No more work is taken. */
void lt_manager_stopping(void);

#endif
