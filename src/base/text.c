/* SPDX-License-Identifier: Apache-2.0 */
/* How does a text grow piece by piece? */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool make_room(struct text *t, size_t more)
{
    const size_t needed = t->size + more + 1;
    if (needed <= t->room) return true;
    const size_t room = needed > 2 * t->room ? needed : 2 * t->room;
    char *at = realloc(t->at, room);
    if (!at) return false;
    t->at = at;
    t->room = room;
    return true;
}

void text_add(struct text *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    t->failed = t->failed || length < 0 || !make_room(t, (size_t)length);
    if (t->failed) return;
    va_start(list, format);
    vsnprintf(t->at + t->size, t->room - t->size, format, list);
    va_end(list);
    t->size += (size_t)length;
}
