/* A model that the daemon serves, with the engine's scratch memory for it. */
#ifndef LT_DAEMON_SERVED_MODEL_H
#define LT_DAEMON_SERVED_MODEL_H

#include "kernels/islet.h"

struct lt_served_model {
    struct lt_model *model; /* read-only, any thread */
    struct lt_workspace *workspace;
    struct lt_states *states; /* of prompts answered; NULL if the model has no spans */ /* engine thread */
};

#endif
