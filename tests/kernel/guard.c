/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages without permission, and a way back from the signal that touching them raises.
 */
#include "kernel/guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded guarded_new(size_t bytes, bool at_end)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guarded g = {.room_bytes = (bytes / page + 1) * page, .bytes = bytes};
    unsigned char *map = mmap(NULL, g.room_bytes + 2 * page, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) abort();
    g.room = map + page;
    if (mprotect(g.room, g.room_bytes, PROT_READ | PROT_WRITE) != 0) abort();
    g.first = at_end ? g.room + g.room_bytes - bytes : g.room;
    return g;
}

void guarded_free(struct guarded *g)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (g->room) munmap(g->room - page, g->room_bytes + 2 * page);
}

static sigjmp_buf back;
static const void *volatile refused;

static void come_back(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    refused = info->si_addr;
    siglongjmp(back, 1);
}

const void *guarded_call(void (*f)(void *ctx), void *ctx)
{
    struct sigaction mine = {.sa_sigaction = come_back, .sa_flags = SA_SIGINFO}, before[2];
    refused = NULL;
    sigaction(SIGSEGV, &mine, &before[0]);
    sigaction(SIGBUS, &mine, &before[1]);
    if (sigsetjmp(back, 1) == 0) f(ctx);
    sigaction(SIGSEGV, &before[0], NULL);
    sigaction(SIGBUS, &before[1], NULL);
    return refused;
}
