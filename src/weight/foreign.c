/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a foreign weight file become safetensors bytes without its parser touching this process?
 * A child reads it; here are only two pipes, a deadline and an exit status. The child sets its own
 * limits, because posix_spawn cannot: that is as safe, since it does so in main before it opens the
 * file, and until then no byte of the file has been seen by anyone. Its words are not trusted
 * either: the sentence is made printable, the bytes go through the strict reader of the caller.
 */
#include "weight/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/text.h"
#include "weight/weight.h"

enum { FIRST_ROOM = 1 << 16, LINE_ROOM = 400, FIRST_FREE_FD = 3, NUMBER_ROOM = 24 };
enum { OUT, ERR, PIPES };

enum ending { ENDED, TOO_LONG, TOO_MUCH, NO_MEMORY };

struct child {
    pid_t pid;
    int pipe[PIPES];  /* our ends; -1 when closed */
    int64_t deadline; /* milliseconds of the monotonic clock */
};

struct words {
    uint8_t *data;
    size_t size, room;
    char line[LINE_ROOM]; /* the last line of standard error */
    size_t length;
    bool line_ended;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* A pipe whose writing end is no standard descriptor: a host may have closed those, and dup2 onto
 * them must not destroy another end. */
static bool open_pipe(int *ours, int *theirs)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    *ours = ends[0];
    *theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    close(ends[1]);
    return *theirs >= 0;
}

/* Default signal actions, no blocked signals, a process group of its own (to be killed whole). */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int code = posix_spawnattr_setsigdefault(attributes, &all);
    if (code == 0) code = posix_spawnattr_setsigmask(attributes, &none);
    if (code == 0) code = posix_spawnattr_setpgroup(attributes, 0);
    if (code != 0) return code;
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETPGROUP);
}

static int spawn(const char *helper, char *const argv[], const int theirs[PIPES], pid_t *pid)
{
    /* Nothing of the host's environment; libhdf5 must not look for plugins. */
    char no_plugins[] = "HDF5_PLUGIN_PRELOAD=::", plain[] = "LC_ALL=C";
    char *const environment[] = {no_plugins, plain, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int code = posix_spawn_file_actions_init(&files);
    if (code != 0) return code;
    code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        code = set_attributes(&attributes);
        if (code == 0) code = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        if (code == 0) code = posix_spawn_file_actions_adddup2(&files, theirs[OUT], 1);
        if (code == 0) code = posix_spawn_file_actions_adddup2(&files, theirs[ERR], 2);
        if (code == 0) code = posix_spawn(pid, helper, &files, &attributes, argv, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return code;
}

static xc_status start(const char *helper, const char *path, const struct foreign_limits *limits,
                       struct child *child, struct error *err)
{
    char memory[NUMBER_ROOM], seconds[NUMBER_ROOM], output[NUMBER_ROOM];
    snprintf(memory, sizeof memory, "%" PRIu64, limits->memory);
    snprintf(seconds, sizeof seconds, "%" PRIu32, limits->seconds);
    snprintf(output, sizeof output, "%" PRIu64, limits->output);
    char *const argv[] = {(char *)helper, (char *)path, memory, seconds, output, NULL};
    int theirs[PIPES] = {-1, -1};
    bool opened =
        open_pipe(&child->pipe[OUT], &theirs[OUT]) && open_pipe(&child->pipe[ERR], &theirs[ERR]);
    xc_status status = opened ? XC_OK : fail_errno(err, helper, "cannot make a pipe");
    if (opened) errno = spawn(helper, argv, theirs, &child->pid);
    if (opened && errno != 0) status = fail_errno(err, helper, "cannot start the importer");
    for (int i = 0; i < PIPES; i++) close_fd(&theirs[i]);
    child->deadline = now_ms() + ((int64_t)limits->seconds * 2 + 1) * 1000;
    return status;
}

static enum ending take_output(struct child *child, size_t limit, struct words *words)
{
    if (words->size == words->room) {
        size_t room;
        if (!size_mul(words->room, 2, &room)) return NO_MEMORY;
        if (room < FIRST_ROOM) room = FIRST_ROOM;
        uint8_t *grown = realloc(words->data, room);
        if (!grown) return NO_MEMORY;
        words->data = grown;
        words->room = room;
    }
    ssize_t got = read(child->pipe[OUT], words->data + words->size, words->room - words->size);
    if (got > 0) words->size += (size_t)got;
    if (got == 0 || (got < 0 && errno != EINTR)) close_fd(&child->pipe[OUT]);
    return words->size > limit ? TOO_MUCH : ENDED;
}

/* Keeps the last line that is not empty, cut. */
static void take_complaint(struct child *child, struct words *words)
{
    char piece[LINE_ROOM];
    ssize_t got = read(child->pipe[ERR], piece, sizeof piece);
    if (got == 0 || (got < 0 && errno != EINTR)) close_fd(&child->pipe[ERR]);
    for (ssize_t i = 0; i < got; i++) {
        if (piece[i] == '\n' || piece[i] == '\0') {
            words->line_ended = true;
            continue;
        }
        if (words->line_ended) words->length = 0;
        words->line_ended = false;
        if (words->length < LINE_ROOM - 1) words->line[words->length++] = piece[i];
    }
}

/* Reads both pipes to their end, in the order in which they have something to say. */
static enum ending listen_to(struct child *child, size_t limit, struct words *words)
{
    enum ending ending = ENDED;
    while (ending == ENDED && (child->pipe[OUT] >= 0 || child->pipe[ERR] >= 0)) {
        int64_t left = child->deadline - now_ms();
        if (left <= 0) return TOO_LONG;
        struct pollfd fds[PIPES] = {{child->pipe[OUT], POLLIN, 0}, {child->pipe[ERR], POLLIN, 0}};
        int ready = poll(fds, PIPES, left < 1000 ? (int)left : 1000);
        if (ready <= 0) continue; /* a signal, or time to look at the clock */
        if (fds[OUT].revents) ending = take_output(child, limit, words);
        if (fds[ERR].revents) take_complaint(child, words);
    }
    return ending;
}

/* Waits for the end, at most until the deadline. False: the status is lost, because the host
 * ignores SIGCHLD or reaps every child itself. */
static bool reap(struct child *child, enum ending *ending, int *status)
{
    for (;;) {
        if (*ending == ENDED && now_ms() > child->deadline) *ending = TOO_LONG;
        if (*ending != ENDED) kill(-child->pid, SIGKILL);
        pid_t ended = waitpid(child->pid, status, *ending == ENDED ? WNOHANG : 0);
        if (ended == child->pid) return true;
        if (ended < 0 && errno != EINTR) return false;
        poll(NULL, 0, 1);
    }
}

static xc_status judge_signal(int number, const struct foreign_limits *limits, struct error *err)
{
    if (number == SIGXCPU)
        return fail(err, XC_ERR_LIMIT, "the importer was stopped: out of CPU time (%" PRIu32 " s)",
                    limits->seconds);
    if (number == SIGKILL) return fail(err, XC_ERR_LIMIT, "the importer was killed from outside");
    return fail(err, XC_ERR_FORMAT, "the importer was stopped by signal %d: the file is broken",
                number);
}

static xc_status judge(enum ending ending, bool known, int status,
                       const struct foreign_limits *limits, const char *line, struct error *err)
{
    if (ending == NO_MEMORY) return fail_memory(err, FIRST_ROOM);
    if (ending == TOO_LONG)
        return fail(err, XC_ERR_LIMIT, "the importer was stopped: it took too long");
    if (ending == TOO_MUCH)
        return fail(err, XC_ERR_LIMIT,
                    "the importer was stopped: it wrote more than %" PRIu64 " bytes",
                    limits->output);
    if (known && WIFSIGNALED(status)) return judge_signal(WTERMSIG(status), limits, err);
    int code = known ? WEXITSTATUS(status) : *line ? FOREIGN_EXIT + XC_ERR_FORMAT : 0;
    if (code == 0) return XC_OK;
    if (code > FOREIGN_EXIT && code <= FOREIGN_EXIT + XC_ERR_INTERNAL && *line)
        return fail(err, (xc_status)(code - FOREIGN_EXIT), "%s", line);
    return fail(err, XC_ERR_IO, "the importer ended with code %d%s%s", code, *line ? ": " : "",
                line);
}

xc_status foreign_read(const char *helper, const char *path, const struct foreign_limits *limits,
                       struct file_view *out, struct error *err)
{
    *out = (struct file_view){0};
    size_t limit = limits->output < SIZE_MAX ? (size_t)limits->output : SIZE_MAX;
    struct child child = {.pipe = {-1, -1}};
    struct words words = {0};
    xc_status status = start(helper, path, limits, &child, err);
    if (status == XC_OK) {
        int code = 0;
        enum ending ending = listen_to(&child, limit, &words);
        bool known = reap(&child, &ending, &code);
        words.line[words.length] = '\0';
        text_printable(words.line);
        status = judge(ending, known, code, limits, words.line, err);
        if (status != XC_OK && err && strcmp(err->text, words.line) != 0) error_prefix(err, path);
    }
    for (int i = 0; i < PIPES; i++) close_fd(&child.pipe[i]);
    if (status == XC_OK) {
        uint8_t *fitted = realloc(words.data, words.size ? words.size : 1);
        if (fitted) words.data = fitted;
        *out = (struct file_view){words.data, words.size, words.data, false};
    } else {
        free(words.data);
    }
    return status;
}
