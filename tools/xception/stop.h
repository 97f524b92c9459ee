/* SPDX-License-Identifier: Apache-2.0 */
/* How does a run end in good order? SIGINT, SIGTERM or SIGHUP (a terminal that was closed; not
 * under nohup) asks for it; a second one, more than half a second later, ends the process at once
 * (`timeout` and others send two in a row). A reader of the output that goes away ends nothing. */
#ifndef TOOL_STOP_H
#define TOOL_STOP_H

#include <signal.h>

extern volatile sig_atomic_t stop_signal; /* the first that came, or 0 */
void stop_catch(void);
/* For a handler of one's own: of the same three signals, one at a time. */
void stop_handle(void (*handler)(int));

#endif
