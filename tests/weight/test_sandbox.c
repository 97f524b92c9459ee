/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can a process in the importer's sandbox still do? Each forbidden act is tried by a child
 * that went in; the same acts outside must succeed, else the test would prove nothing. Under a
 * sanitizer there are no limits on memory and no filter: only the rest is looked at.
 */
#include "harness.h"
#include "weight/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

static bool may_open(void)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static bool may_connect(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static bool may_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, NULL, 0);
    return pid > 0;
}

static bool may_execute_memory(void)
{
    void *place = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place != MAP_FAILED) munmap(place, 4096);
    return place != MAP_FAILED;
}

static bool may_unlink(void)
{
    return unlink("/nonexistent/file") == 0 || errno == ENOENT;
}

static bool may_trace(void)
{
    return kill(getppid(), 0) == 0;
}

static bool may_take_memory(void)
{
    void *place = mmap(NULL, 1u << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place != MAP_FAILED) munmap(place, 1u << 30);
    return place != MAP_FAILED;
}

static bool may_do_its_work(void)
{
    void *block = malloc(8 << 20);
    free(block);
    return block && write(STDERR_FILENO, "", 0) == 0;
}

/* Does act succeed in a child, inside or outside the sandbox? */
static bool succeeds(bool (*act)(void), bool inside)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct foreign_limits limits = {256 << 20, 5, 1 << 20};
        if (inside) sandbox_limit(&limits);
        if (inside) sandbox_enter();
        _exit(act() ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

#define WITH(name, always)                                                                         \
    {                                                                                              \
#name, name, always                                                                        \
    }

static void test_acts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool (*act)(void);
        bool always; /* forbidden by limits alone, also where there is no filter */
    } ACTS[] = {
        WITH(may_open, true),         WITH(may_connect, true),
        WITH(may_fork, false),        WITH(may_execute_memory, false),
        WITH(may_unlink, false),      WITH(may_trace, false),
        WITH(may_take_memory, false),
    };
    bool filtered = prctl(PR_GET_SECCOMP) >= 0 && SANDBOX_WHOLE;
    if (!filtered) print_message("skipped: this build or kernel has no whole sandbox\n");
    for (size_t i = 0; i < sizeof ACTS / sizeof *ACTS; i++) {
        if (!succeeds(ACTS[i].act, false)) FAIL("%s fails outside", ACTS[i].name);
        if ((filtered || ACTS[i].always) && succeeds(ACTS[i].act, true))
            FAIL("%s succeeds inside", ACTS[i].name);
    }
    assert_true(succeeds(may_do_its_work, true));
}

static volatile bool is_done; /* never */

static void test_time(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct foreign_limits limits = {256 << 20, 1, 1 << 20};
        sandbox_limit(&limits);
        sandbox_enter();
        while (!is_done) continue;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGXCPU);
}

RUN(cmocka_unit_test(test_acts), cmocka_unit_test(test_time))
