/* SPDX-License-Identifier: Apache-2.0 */
#include "stop.h"

#include <errno.h>
#include <time.h>

volatile sig_atomic_t stop_signal;
static struct timespec first;

static void on_signal(int number)
{
    const int kept = errno;
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double passed =
        (double)(now.tv_sec - first.tv_sec) + 1e-9 * (double)(now.tv_nsec - first.tv_nsec);
    if (!stop_signal) {
        first = now;
        stop_signal = number;
    } else if (passed > 0.5) {
        signal(number, SIG_DFL);
        raise(number);
    }
    errno = kept;
}

void stop_handle(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler}, hang_up;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT); /* one at a time */
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGHUP);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, NULL, &hang_up);
    if (hang_up.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, NULL); /* nohup */
}

void stop_catch(void)
{
    stop_handle(on_signal);
    signal(SIGPIPE, SIG_IGN);
}
