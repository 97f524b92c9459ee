/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a run done once more, and how does an old one go on? By what its args.json and its state
 * say, of which neither is believed unseen.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "train/run_args.h"
#include "train/run_int.h"

/* ---- once more ------------------------------------------------------------------------------- */

/* The run may go without tile registers (args_machine), its teachers are the caller's. */
static xc_status check_sums(const struct run_opts *opts, const struct run_start *start,
                            struct error *err)
{
    for (int i = 0; start->settings.bf16 && i < start->teachers.count; i++)
        if (start->teachers.model[i]->machine->bf16.in_blocks != opts->machine->bf16.in_blocks)
            return fail(err, XC_ERR_ARGUMENT,
                        "args: the run's teachers answered without tile registers, teacher %d has "
                        "them: repeat it with cpu avx512bf16",
                        i + 1);
    return XC_OK;
}

static xc_status repeat(const struct run_opts *opts, const struct run_again *again,
                        const char *text, const struct dataset *data, struct error *err)
{
    struct run_start start;
    struct args_kept kept;
    xc_status status = args_start(text, data, again->from, &again->teachers, &start, &kept, err);
    start.command = again->command;
    if (status == XC_OK) status = check_sums(opts, &start, err);
    if (status == XC_OK) status = run_new(opts, &start, err);
    args_free(&kept);
    return status;
}

xc_status run_repeat(const struct run_opts *opts, const struct run_again *again, struct error *err)
{
    char *text;
    struct dataset *own = NULL;
    struct machine machine;
    struct run_opts same = *opts;
    same.machine = &machine;
    TRY(args_read(again->args, &text, err));
    xc_status status = args_machine(text, opts->machine, &machine, err);
    if (status == XC_OK && !again->data) status = args_open_data(text, &own, err);
    if (status == XC_OK) status = repeat(&same, again, text, own ? own : again->data, err);
    dataset_free(own);
    free(text);
    return status;
}

/* ---- an old one ------------------------------------------------------------------------------ */

/* As they were when the run began, from its folder. */
static xc_status recall_teachers(const struct run *r, struct teacher_models *out, struct error *err)
{
    int count;
    *out = (struct teacher_models){.count = 0};
    TRY(args_teachers(r->args, &count, err));
    if (count == 0) return XC_OK;
    xc_status status = files_read_teachers(r->o->machine, r->o->folder, count, out, err);
    if (status != XC_OK) return status;
    status = args_check_teachers(r->args, out, err);
    if (status == XC_OK) return XC_OK;
    teacher_models_unref(out);
    error_prefix(err, r->o->folder);
    return status;
}

static xc_status restore(struct run *r, const struct state_file *f, const struct dataset *data,
                         struct error *err)
{
    struct trainer_opts t = {.machine = r->o->machine,
                             .data = data,
                             .keep = run_keeping(r),
                             .memory = r->o->memory,
                             .threads = r->o->threads,
                             .stop_on_bad = r->o->stop_on_bad,
                             .cache_bytes = r->o->cache_bytes};
    char *path = files_path(r->o->folder, "args.json");
    r->args = strdup(state_args(f));
    xc_status status = path && r->args ? XC_OK : fail_memory(err, 1);
    if (status == XC_OK) status = args_check_file(r->args, path, err);
    free(path);
    TRY(status);
    r->s.args = r->args;
    TRY(args_check_data(r->args, data, err));
    TRY(args_settings(r->args, &t.settings, err));
    TRY(state_epoch(f, &t.epoch, err));
    TRY(recall_teachers(r, &t.teachers, err));
    status = state_model(f, r->o->machine, (uint32_t)data->classes, &t.model, err);
    if (status == XC_OK) status = trainer_new(&t, &r->s.trainer, err);
    teacher_models_unref(&t.teachers);
    TRY(status);
    TRY(state_restore(f, &r->s, err));
    TRY(files_read_bad(&r->s, r->o->folder, err));
    file_sweep(r->o->folder);
    r->before = r->s.seconds;
    if (r->o->time_limit > 0) r->s.trainer->s.time_limit = r->before + r->o->time_limit;
    return run_open_log(r, err);
}

/* Closes the file, which is replaced while the run goes on, and would keep its place on the disk.
 */
static xc_status resume(struct run *r, struct state_file *f, const struct dataset *data,
                        struct error *err)
{
    struct dataset *own = NULL;
    xc_status status = data ? XC_OK : args_open_data(state_args(f), &own, err);
    if (status == XC_OK) status = restore(r, f, data ? data : own, err);
    state_close(f);
    if (status == XC_OK) status = run_go(r, "resumed", err);
    run_close(r);
    dataset_free(own);
    return status;
}

xc_status run_resume(const struct run_opts *opts, const struct dataset *data, struct error *err)
{
    struct machine machine;
    struct run_opts same = *opts;
    struct run r = {.o = &same, .log = -1, .lock = -1, .best_saved = -1};
    struct state_file *f = NULL;
    char *path = files_path(opts->folder, "state.safetensors");
    if (!path) return fail_memory(err, 1);
    xc_status status = XC_OK;
    if (access(path, F_OK) != 0 && files_unborn(opts->folder))
        status = fail(err, XC_ERR_IO,
                      "%s: this run has no state yet: begin it anew, in this folder", opts->folder);
    if (status == XC_OK && access(path, F_OK) == 0) status = run_lock(&r, err);
    if (status == XC_OK) status = state_open(path, &f, err);
    if (status == XC_OK) status = args_machine(state_args(f), opts->machine, &machine, err);
    same.machine = &machine;
    if (status == XC_OK)
        status = resume(&r, f, data, err);
    else
        state_close(f);
    if (r.lock >= 0) close(r.lock);
    free(path);
    return status;
}
