/* Reads the texts of a request: one text, or an array of segments with roles. Internal to proto/. */
#ifndef LT_PROTO_SEGMENTS_H
#define LT_PROTO_SEGMENTS_H

#include "proto/messages.h"
#include "proto/parameters.h"

/* What a method takes: `single` is the parameter that stands for one segment of the role `single_role`; the alternative
 * is "segments". */
struct lt_segments_rule {
    const char *single;
    enum lt_segment_role single_role;
    bool stored; /* a segment may also be a stored document, by name */
};

/* Checks everything. *ret_segments is allocated, also after a failure if anything was; its texts still lie in the
 * frame.
 */
int lt_segments_read(const struct lt_parameters *parameters, const struct lt_segments_rule *rule,
                     struct lt_segment **ret_segments, size_t *ret_count);

/* Moves the texts of segments and of `more` texts out of the frame, behind the array in one allocation. LT_ENOMEM. */
int lt_segments_own(const struct lt_parameters *parameters, struct lt_segment **segments, size_t count,
                    struct lt_text *more, size_t more_count);

#endif
