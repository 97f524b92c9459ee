/* SPDX-License-Identifier: Apache-2.0 */
/* How does a thread of the library begin? */
#include "thread/start.h"

#include <signal.h>

int thread_start(pthread_t *thread, size_t stack, void *(*fn)(void *), void *argument)
{
    static const int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    pthread_attr_t attributes;
    sigset_t sent, before;
    pthread_attr_init(&attributes);
    if (stack > 0) pthread_attr_setstacksize(&attributes, stack);
    sigfillset(&sent);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&sent, own[i]);
    pthread_sigmask(SIG_BLOCK, &sent, &before);
    const int code = pthread_create(thread, &attributes, fn, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return code;
}
