/* SPDX-License-Identifier: Apache-2.0 */
/* What else may be asked for: 'xception help TOPIC', for what belongs to no single verb. */
#ifndef TOOL_TOPICS_H
#define TOOL_TOPICS_H

#include <stdio.h>

struct topic {
    const char *name, *summary;
    void (*print)(FILE *out);
};
extern const struct topic topics[]; /* name NULL at the end */

const struct topic *topic_find(const char *name); /* NULL: no such topic */

#endif
