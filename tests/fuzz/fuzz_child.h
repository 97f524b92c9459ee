/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is our side of HDF5 fuzzed, when libhdf5 itself crashes on every hundredth mutation? Each
 * input runs in a child, as it does in life; one child serves until it dies. A sanitizer's report
 * whose first frame of interest is in libhdf5, on memory that libhdf5 took, is a refusal;
 * everything else, and any abort() of ours, is a finding. The child's coverage counters come back
 * through shared memory, so that libFuzzer is guided as ever.
 */
#ifndef XC_FUZZ_CHILD_H
#define XC_FUZZ_CHILD_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz_import.h"

enum { FUZZ_THEIRS = 77, FUZZ_SECONDS = 5, FUZZ_SERVED = 1000, FUZZ_LARGEST = 1 << 18 };

/* Of the sanitizer, where there is one */
void __asan_set_error_report_callback(void (*report)(const char *text)) __attribute__((weak));
/* Begin and end of the section of coverage counters, or NULL twice. In assembler (64 bits), because
 * clang gives its own names for them to the first who declares them in C, and then loses count. */
extern uint8_t *const fuzz_counters[2] __attribute__((visibility("hidden")));
__asm__(".pushsection .data.rel.ro,\"aw\"\n"
        ".weak __start___sancov_cntrs, __stop___sancov_cntrs\n"
        ".hidden __start___sancov_cntrs, __stop___sancov_cntrs\n"
        ".balign 8\n"
        "fuzz_counters: .quad __start___sancov_cntrs, __stop___sancov_cntrs\n"
        ".popsection\n");

/* Does the stack at text come to a file of ours before it comes to libhdf5? */
static inline bool fuzz_is_ours(const char *text)
{
    const char *theirs = strstr(text, "libhdf5"), *tools = strstr(text, "/tools/import/"),
               *src = strstr(text, "/src/");
    const char *ours = !tools || (src && src < tools) ? src : tools;
    return !theirs || (ours && ours < theirs);
}

static inline void fuzz_judge(const char *report)
{
    const char *allocated = strstr(report, "allocated by thread");
    if (!fuzz_is_ours(report) && (!allocated || !fuzz_is_ours(allocated))) _exit(FUZZ_THEIRS);
}

typedef xc_status fuzz_format(struct import *im, const void *bytes, size_t size, struct error *err);

struct fuzz_server {
    pid_t pid; /* 0: none */
    int to, from;
    int served;
    uint8_t *input;    /* shared, FUZZ_LARGEST bytes */
    uint8_t *counters; /* shared, behind the input */
    size_t counted;
};

/* In the child: size in, one byte out when done. */
static inline void fuzz_serve(const struct fuzz_server *s, fuzz_format *format)
{
    size_t size;
    signal(SIGALRM, SIG_DFL); /* libFuzzer has one of its own */
    if (__asan_set_error_report_callback) __asan_set_error_report_callback(fuzz_judge);
    while (read(s->to, &size, sizeof size) == (ssize_t)sizeof size) {
        uint8_t *exact = malloc(size); /* so that one byte too many is seen */
        if (!exact && size > 0) _exit(FUZZ_THEIRS);
        if (size > 0) memcpy(exact, s->input, size);
        if (s->counted) memset(fuzz_counters[0], 0, s->counted);
        alarm(FUZZ_SECONDS);
        fuzz_import(format, exact, size);
        alarm(0);
        if (s->counted) memcpy(s->counters, fuzz_counters[0], s->counted);
        free(exact);
        if (write(s->from, "", 1) != 1) break;
    }
    _exit(0);
}

static inline void fuzz_start(struct fuzz_server *s, fuzz_format *format)
{
    int down[2], up[2];
    if (!s->input) {
        s->counted = (size_t)(fuzz_counters[1] - fuzz_counters[0]);
        s->input = mmap(NULL, FUZZ_LARGEST + s->counted, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (s->input == MAP_FAILED) abort();
        s->counters = s->input + FUZZ_LARGEST;
    }
    if (pipe(down) != 0 || pipe(up) != 0) abort();
    s->pid = fork();
    if (s->pid < 0) abort();
    bool is_child = s->pid == 0;
    close(down[is_child ? 1 : 0]);
    close(up[is_child ? 0 : 1]);
    s->to = down[is_child ? 0 : 1];
    s->from = up[is_child ? 1 : 0];
    s->served = 0;
    if (is_child) fuzz_serve(s, format);
}

/* The child has died, or is told to go: was it for a reason that is ours? */
static inline void fuzz_bury(struct fuzz_server *s)
{
    int status = 0;
    close(s->to);
    close(s->from);
    while (waitpid(s->pid, &status, 0) < 0) continue; /* interrupted by libFuzzer's timer */
    s->pid = 0;
    bool is_fine =
        WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FUZZ_THEIRS);
    /* without a sanitizer nobody can tell whose fault a signal is, but abort() and time are ours */
    bool is_unknown =
        WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT && WTERMSIG(status) != SIGALRM;
    if (!is_fine && !is_unknown) abort();
}

static inline void fuzz_in_child(fuzz_format *format, const uint8_t *data, size_t size)
{
    static struct fuzz_server server;
    char done;
    if (size > FUZZ_LARGEST) return;
    if (server.pid == 0) fuzz_start(&server, format);
    if (size > 0) memcpy(server.input, data, size);
    ssize_t got = -1;
    signal(SIGPIPE, SIG_IGN); /* a child that died between two inputs */
    if (write(server.to, &size, sizeof size) == (ssize_t)sizeof size) do
            got = read(server.from, &done, 1);
        while (got < 0 && errno == EINTR);
    if (got == 1 && server.counted) memcpy(fuzz_counters[0], server.counters, server.counted);
    if (got != 1 || ++server.served == FUZZ_SERVED) fuzz_bury(&server);
}

#endif
