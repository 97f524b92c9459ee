/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a thread of the library begin? Without the signals that are sent to a process: the
 * program's handlers run on the program's threads. Those of a thread's own faults stay (a mapped
 * file that was cut short raises SIGBUS where it is read).
 */
#ifndef XC_THREAD_START_H
#define XC_THREAD_START_H

#include <pthread.h>

/* stack: bytes, 0: as usual. An errno, as pthread_create. */
int thread_start(pthread_t *thread, size_t stack, void *(*fn)(void *), void *argument);

#endif
