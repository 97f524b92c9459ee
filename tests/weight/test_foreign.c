/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens when the importer sleeps, dies, lies, or never stops talking? The helpers here are
 * shell scripts in a temporary folder; the path they are given is not opened by anyone.
 */
#include "harness.h"
#include "weight/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weight/foreign.h"
#include "weight/weight.h"

static const struct foreign_limits LIMITS = {1u << 30, 300, 1 << 20};

static void write_script(const char *path, const char *body)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
    assert_int_equal(write(fd, body, strlen(body)), strlen(body));
    assert_int_equal(close(fd), 0);
}

static xc_status run_with(const struct foreign_limits *limits, const char *body,
                          struct file_view *out, struct error *err)
{
    char folder[] = "/tmp/xc-foreign-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/helper", folder);
    write_script(path, body);
    *err = (struct error){XC_OK, ""};
    xc_status status = foreign_read(path, "some file", limits, out, err);
    unlink(path);
    rmdir(folder);
    return status;
}

static xc_status run(const char *body, struct file_view *out, struct error *err)
{
    return run_with(&LIMITS, body, out, err);
}

static int open_files(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static const struct {
    const char *body;
    xc_status status;
    const char *words;
} BAD[] = {
    {"echo a; echo 'm.h5: a cycle' >&2; exit 68", XC_ERR_FORMAT, "m.h5: a cycle"},
    {"echo first >&2; echo last >&2; echo >&2; exit 70", XC_ERR_LIMIT, "last"},
    {"printf 'no newline' >&2; exit 69", XC_ERR_UNSUPPORTED, "no newline"},
    {"printf 'x\\033[2J\\377' >&2; exit 68", XC_ERR_FORMAT, "x?[2J?"},
    {"head -c 100000 /dev/zero | tr '\\0' y >&2; exit 68", XC_ERR_FORMAT, "yyyy"},
    {"exit 68", XC_ERR_IO, "code 68"},
    {"echo oops >&2; exit 3", XC_ERR_IO, "code 3: oops"},
    {"exit 200", XC_ERR_IO, "code 200"},
    {"kill -SEGV $$", XC_ERR_FORMAT, "signal 11"},
    {"kill -XCPU $$", XC_ERR_LIMIT, "out of CPU time (300 s)"},
    {"kill -KILL $$", XC_ERR_LIMIT, "killed from outside"},
    {"cat /dev/zero", XC_ERR_LIMIT, "wrote more than 1048576 bytes"},
    {"head -c 1048577 /dev/zero", XC_ERR_LIMIT, "wrote more than 1048576 bytes"},
};

static void test_bad(void **state)
{
    (void)state;
    int before = open_files();
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct error err;
        struct file_view out;
        xc_status status = run(BAD[i].body, &out, &err);
        if (status != BAD[i].status || !strstr(err.text, BAD[i].words))
            FAIL("%s: %d \"%s\"", BAD[i].body, status, err.text);
        assert_null(out.data);
    }
    assert_int_equal(open_files(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
}

/* With both pipes open, with both closed, with the scream of a talker, and where only a child
 * stays: killed with all that they started. Each holds a FIFO open for writing; that it has no
 * writer any more is what ends the reading. */
static void test_endless(void **state)
{
    (void)state;
    static const char *const BODIES[] = {"sleep 3600", "exec >&- 2>&-; sleep 3600",
                                         "while :; do echo word >&2; done", "sleep 3600 & exit 68"};
    const struct foreign_limits brief = {1u << 30, 0, 1 << 20};
    char folder[] = "/tmp/xc-foreign-XXXXXX", fifo[64], body[256], byte;
    assert_non_null(mkdtemp(folder));
    snprintf(fifo, sizeof fifo, "%s/held", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++) {
        snprintf(body, sizeof body, "exec 3>%s; echo >&3; %s", fifo, BODIES[i]);
        for (bool held = false; !held;) { /* it may be killed before it has begun */
            struct error err;
            struct file_view out;
            const int writer = open(fifo, O_RDWR | O_CLOEXEC); /* or the next line waits for one */
            const int end = open(fifo, O_RDONLY | O_CLOEXEC);
            close(writer);
            assert_true(writer >= 0 && end >= 0);
            assert_int_equal(run_with(&brief, body, &out, &err), XC_ERR_LIMIT);
            assert_non_null(strstr(err.text, "took too long"));
            held = read(end, &byte, 1) == 1;
            assert_int_equal(read(end, &byte, 1), 0);
            close(end);
        }
    }
    unlink(fifo);
    rmdir(folder);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_good(void **state)
{
    (void)state;
    struct error err;
    struct file_view out;
    /* more than a pipe holds on both, in turns: no deadlock */
    assert_int_equal(run("for i in 1 2 3 4; do head -c 200000 /dev/zero; "
                         "head -c 100000 /dev/zero | tr '\\0' y >&2; done; exit 0",
                         &out, &err),
                     XC_OK);
    assert_int_equal(out.size, 800000);
    file_release(&out);
    assert_int_equal(run("head -c 1048576 /dev/zero", &out, &err), XC_OK); /* the limit itself */
    assert_int_equal(out.size, 1048576);
    file_release(&out);
    assert_int_equal(run("exit 0", &out, &err), XC_OK); /* refused by the strict reader */
    assert_int_equal(out.size, 0);
    file_release(&out);
}

/* What the child sees: the arguments, an empty environment, no input. */
static void test_surroundings(void **state)
{
    (void)state;
    struct error err;
    struct file_view out;
    setenv("XC_SECRET", "1", 1);
    assert_int_equal(run("echo \"$1,$2,$3,$4,$#\"; env | sort; cat", &out, &err), XC_OK);
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)out.size, (const char *)out.data);
    assert_non_null(strstr(text, "some file,1073741824,300,1048576,4\n"));
    assert_non_null(strstr(text, "HDF5_PLUGIN_PRELOAD=::\nLC_ALL=C\n"));
    assert_null(strstr(text, "XC_SECRET"));
    file_release(&out);
}

static void test_missing(void **state)
{
    (void)state;
    struct error err;
    struct file_view out;
    assert_int_equal(foreign_read("/nonexistent/helper", "x", &LIMITS, &out, &err), XC_ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/helper"));
    assert_int_equal(foreign_read("/etc/passwd", "x", &LIMITS, &out, &err), XC_ERR_IO);
    assert_non_null(strstr(err.text, "/etc/passwd"));
}

/* Out of descriptors: a sentence, and nothing left open. */
static void test_no_descriptors(void **state)
{
    (void)state;
    struct rlimit old, few;
    struct error err;
    struct file_view out;
    int before = open_files();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (rlim_t more = 0; more < 5; more++) {
        few = (struct rlimit){(rlim_t)before + more, old.rlim_max};
        setrlimit(RLIMIT_NOFILE, &few);
        xc_status status = foreign_read("/bin/true", "x", &LIMITS, &out, &err);
        setrlimit(RLIMIT_NOFILE, &old);
        if (status == XC_OK) file_release(&out);
        assert_true(status == XC_OK || status == XC_ERR_IO);
        assert_true(more > 0 || status == XC_ERR_IO);
        assert_int_equal(open_files(), before);
    }
}

/* A host that ignores SIGCHLD loses the exit status; the sentence still tells. */
static void test_lost_status(void **state)
{
    (void)state;
    struct error err;
    struct file_view out;
    signal(SIGCHLD, SIG_IGN);
    xc_status good = run("echo data", &out, &err);
    if (good == XC_OK) file_release(&out);
    xc_status bad = run("echo 'm.h5: a cycle' >&2; exit 68", &out, &err);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(good, XC_OK);
    assert_int_equal(bad, XC_ERR_FORMAT);
    assert_string_equal(err.text, "m.h5: a cycle");
}

/* A host without standard descriptors: the pipes must not be lost in their places. */
static void test_closed_standard(void **state)
{
    (void)state;
    struct error err;
    struct file_view out;
    int keep[3];
    for (int i = 0; i < 3; i++) keep[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3; i++) close(i);
    xc_status good = run("echo data", &out, &err);
    bool same = good == XC_OK && out.size == 5 && memcmp(out.data, "data\n", 5) == 0;
    if (good == XC_OK) file_release(&out);
    xc_status bad = run("echo complaint >&2; exit 68", &out, &err);
    for (int i = 0; i < 3; i++) {
        dup2(keep[i], i);
        close(keep[i]);
    }
    assert_true(same);
    assert_int_equal(bad, XC_ERR_FORMAT);
    assert_string_equal(err.text, "complaint");
}

RUN(cmocka_unit_test(test_bad), cmocka_unit_test(test_endless), cmocka_unit_test(test_good),
    cmocka_unit_test(test_surroundings), cmocka_unit_test(test_missing),
    cmocka_unit_test(test_no_descriptors), cmocka_unit_test(test_lost_status),
    cmocka_unit_test(test_closed_standard))
