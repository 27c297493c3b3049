/* A model that the daemon serves, with the engine's scratch memory for it. */
#ifndef LT_DAEMON_SERVED_MODEL_H
#define LT_DAEMON_SERVED_MODEL_H

#include "kernels/islet.h"

struct lt_served_model {
    struct lt_model *model;         /* read-only, any thread */
    struct lt_workspace *workspace; /* engine thread */
};

#endif
