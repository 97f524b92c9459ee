/* SPDX-License-Identifier: Apache-2.0 */
/* What does the JSON inside a file cost? A small text can make a huge tree. */
#ifndef XC_WEIGHT_JSON_H
#define XC_WEIGHT_JSON_H

#include <jansson.h>

/* The tree, without doubled keys; NULL, with the reason, also when it would have too many members.
 */
json_t *json_modest(const char *text, size_t size, json_error_t *where);

#endif
