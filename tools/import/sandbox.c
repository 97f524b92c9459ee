/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is the importer shut in? Resource limits always; a seccomp filter where libseccomp was there
 * at build time and the kernel takes it. Forbidden calls fail with EPERM instead of killing, since
 * libraries ask for things that they can do without (jansson: /dev/urandom).
 */
#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef XC_HAVE_SECCOMP
#include <seccomp.h>
#include <sys/mman.h>
#endif

enum { FIRST_UNKNOWN_FD = 3 };

/* Never above what the process was given. */
static void limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit old, new = {soft, hard};
    if (getrlimit(resource, &old) == 0) {
        if (new.rlim_max > old.rlim_max) new.rlim_max = old.rlim_max;
        if (new.rlim_cur > new.rlim_max) new.rlim_cur = new.rlim_max;
    }
    setrlimit(resource, &new);
}

void sandbox_limit(const struct foreign_limits *limits)
{
#ifdef SYS_close_range
    syscall(SYS_close_range, FIRST_UNKNOWN_FD, ~0u, 0);
#endif
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!SANDBOX_SANITIZED) limit(RLIMIT_AS, limits->memory, limits->memory);
    /* at the soft limit SIGXCPU, which the parent names; at the hard one SIGKILL */
    limit(RLIMIT_CPU, limits->seconds, (uint64_t)limits->seconds + 1);
    limit(RLIMIT_FSIZE, 0, 0);
    limit(RLIMIT_CORE, 0, 0);
    limit(RLIMIT_NPROC, 0, 0);
}

#ifdef XC_HAVE_SECCOMP
static void load_filter(void)
{
    static const int FREE[] = {
        SCMP_SYS(munmap),        SCMP_SYS(mremap),       SCMP_SYS(madvise),
        SCMP_SYS(brk),           SCMP_SYS(futex),        SCMP_SYS(exit),
        SCMP_SYS(exit_group),    SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom),
    };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) return;
    for (size_t i = 0; i < sizeof FREE / sizeof *FREE; i++)
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, FREE[i], 0);
    /* memory, but none that can be executed */
    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                     SCMP_A0(SCMP_CMP_LT, FIRST_UNKNOWN_FD));
    seccomp_load(filter); /* a kernel without seccomp: the limits remain */
    seccomp_release(filter);
}
#endif

void sandbox_enter(void)
{
    limit(RLIMIT_NOFILE, 0, 0); /* nothing can be opened any more */
    if (SANDBOX_SANITIZED) return;
#ifdef XC_HAVE_SECCOMP
    load_filter();
#endif
}
