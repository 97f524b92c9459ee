/* SPDX-License-Identifier: Apache-2.0 */
/* Which model does the command carry inside? */
#ifndef TOOL_BUILTIN_H
#define TOOL_BUILTIN_H

#include <stddef.h>

/* What it is called where a file name would stand. */
#define BUILTIN_NAME "the built-in model"

/* Its bytes, those of a model file of ours; NULL: none was built in. */
const void *builtin_model(size_t *size);
/* Of them, as 64 hex digits; "": none. */
const char *builtin_sha256(void);

#endif
