/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is one configuration measured in a process of its own? This command starts itself with the
 * same flags, but for those that name the configuration, and reads a sample from a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "say.h"
#include "seconds.h"

extern char **environ;

enum { MOST_WORDS = 2 * MAX_OPTIONS + 20, FIRST_FREE_FD = 10 };

struct words {
    char *word[MOST_WORDS];
    int count;
    char flag[MAX_OPTIONS][40]; /* "--size" */
    char threads[16], batch[16], fd[16];
};

static void add(struct words *w, const char *word)
{
    w->word[w->count++] = (char *)(uintptr_t)word; /* posix_spawn does not write to them */
}

static void add_flag(struct words *w, const char *flag, const char *value)
{
    add(w, flag);
    add(w, value);
}

/* Flags that say what a single process does not need to know, or is told otherwise. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"threads", "batch",   "precision", "rounds",    "layers",
                                       "format",  "compare", "model",     "idle-wait", NULL};
    for (int i = 0; ours[i]; i++)
        if (strcmp(name, ours[i]) == 0) return true;
    return false;
}

static void command_line(struct words *w, const struct args *args, const struct config *config,
                         bool layers)
{
    const bool own_model = config->model >= 0;
    snprintf(w->threads, sizeof w->threads, "%u", config->threads);
    snprintf(w->batch, sizeof w->batch, "%u", config->batch);
    snprintf(w->fd, sizeof w->fd, "%d", RESULT_FD);
    add(w, "xception");
    add(w, "bench");
    for (int i = 0; i < args->options; i++) {
        const struct option *o = args->option[i];
        if (!args->value[i] || is_ours(o->name) || (own_model && strcmp(o->name, "arch") == 0))
            continue;
        snprintf(w->flag[i], sizeof w->flag[i], "--%s", o->name);
        add(w, w->flag[i]);
        if (o->arg) add(w, args->value[i]);
    }
    if (!arg_on(args, "train"))
        add_flag(w, "--model", own_model ? MODEL_FD_PATH : arg_text(args, "model"));
    add_flag(w, "--threads", w->threads);
    add_flag(w, "--batch", w->batch);
    add_flag(w, "--precision", config->precision);
    add_flag(w, "--result-fd", w->fd);
    if (layers) add(w, "--layers");
}

/* A pipe whose numbers are out of the child's way. */
static bool high_pipe(int end[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0) return false;
    for (int i = 0; i < 2; i++) {
        end[i] = fcntl(low[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
        close(low[i]);
    }
    if (end[0] >= 0 && end[1] >= 0) return true;
    for (int i = 0; i < 2; i++)
        if (end[i] >= 0) close(end[i]);
    return false;
}

static int start(const struct words *w, int out, int model, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    error = posix_spawn_file_actions_adddup2(&actions, out, RESULT_FD);
    if (!error && model >= 0) error = posix_spawn_file_actions_adddup2(&actions, model, MODEL_FD);
    if (!error) error = posix_spawn(child, "/proc/self/exe", &actions, NULL, w->word, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static bool read_sample(FILE *from, struct sample *s)
{
    if (fread(s, sizeof *s, 1, from) != 1) {
        *s = (struct sample){0};
        return false;
    }
    s->run_seconds = calloc(s->runs, sizeof *s->run_seconds);
    s->step = calloc(s->steps + 1, sizeof *s->step);
    return s->run_seconds && s->step &&
           fread(s->run_seconds, sizeof *s->run_seconds, s->runs, from) == s->runs &&
           fread(s->step, sizeof *s->step, s->steps, from) == s->steps;
}

/* What became of the process: its own code, or one after a sentence. */
static int end_code(pid_t child, bool whole)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFSIGNALED(status)) {
        say_error("the process that measures was ended by signal %d (%s)", WTERMSIG(status),
                  strsignal(WTERMSIG(status)));
        return EXIT_LIMIT;
    }
    if (WEXITSTATUS(status) != EXIT_DONE || whole) return WEXITSTATUS(status);
    say_error("the process that measures ended without a result");
    return EXIT_LIMIT;
}

int bench_spawn(const struct args *args, const struct config *config, bool layers,
                struct sample *out)
{
    struct words w = {0};
    pid_t child;
    int end[2];
    *out = (struct sample){0};
    command_line(&w, args, config, layers);
    if (!high_pipe(end)) {
        say_error("a pipe: %s", strerror(errno));
        return EXIT_LIMIT;
    }
    const double begin = seconds_now();
    int error = start(&w, end[1], config->model, &child);
    close(end[1]);
    FILE *from = fdopen(end[0], "rb");
    if (!from) close(end[0]);
    if (error) {
        if (from) fclose(from);
        say_error("the process that measures: %s", strerror(error));
        return EXIT_LIMIT;
    }
    const bool whole = from && read_sample(from, out);
    if (from) fclose(from);
    int code = end_code(child, whole);
    if (code != EXIT_DONE) sample_free(out);
    out->ready -= begin;
    out->first -= begin;
    return code;
}
