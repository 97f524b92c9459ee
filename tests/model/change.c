/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a file; reads one, lets the test change the list of tensors, writes it again. */
#include "model/change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "model/setup.h"

int saved_new(void **state, const xc_save_opts *opts)
{
    struct saved *f = calloc(1, sizeof *f);
    assert_non_null(f);
    *state = f;
    f->context = make_context(1);
    f->model = make_model(f->context, SMALL_ARCH ",classes=5", SIDE, XC_WEIGHTS_RANDOM);
    snprintf(f->path, sizeof f->path, "test_saved.%ld.safetensors", (long)getpid());
    CHECK(xc_model_save(f->model, f->path, opts));
    assert_int_equal(file_read(f->path, SIZE_MAX, &f->file, NULL), XC_OK);
    return 0;
}

int saved_free(void **state)
{
    struct saved *f = *state;
    unlink(f->path);
    file_release(&f->file);
    xc_model_unref(f->model);
    xc_context_free(f->context);
    free(f);
    return 0;
}

static xc_status append(void *user, const void *data, size_t size, struct error *err)
{
    struct buffer *b = user;
    (void)err;
    uint8_t *more = realloc(b->data, b->size + size);
    assert_non_null(more);
    memcpy(more + b->size, data, size);
    *b = (struct buffer){more, b->size + size};
    return XC_OK;
}

struct buffer changed(struct file_view from, change_fn *change)
{
    struct weight_file file;
    struct buffer out = {0};
    uint8_t *copy = malloc(from.size);
    assert_non_null(copy);
    memcpy(copy, from.data, from.size);
    assert_int_equal(safetensors_read(copy, from.size, &file, NULL), XC_OK);
    change(&file);
    assert_int_equal(
        safetensors_write(file.tensor, file.tensors, file.meta, file.metas, append, &out, NULL),
        XC_OK);
    weight_file_free(&file);
    free(copy);
    return out;
}

struct weight_tensor *tensor(struct weight_file *file, const char *name)
{
    for (int i = 0; i < file->tensors; i++)
        if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
    _fail(name, 0);
    return NULL;
}

float *numbers(struct weight_file *file, const char *name)
{
    return (float *)(void *)(uintptr_t)tensor(file, name)->data;
}

void set_meta(struct weight_file *file, const char *key, const char *value)
{
    int set = 0;
    for (int i = 0; i < file->metas; i++) {
        if (strcmp(file->meta[i].key, key) != 0) continue;
        file->meta[i].value = value;
        set++;
    }
    assert_int_equal(set, 1);
}

void drop_meta(struct weight_file *file, const char *key)
{
    int kept = 0;
    for (int i = 0; i < file->metas; i++)
        if (strcmp(file->meta[i].key, key) != 0) file->meta[kept++] = file->meta[i];
    assert_int_equal(kept, file->metas - 1);
    file->metas = kept;
}

static float *answer_of(xc_model *model, xc_precision precision, size_t *count)
{
    xc_session *session = make_session(model, 1, precision, NULL);
    float *input = make_input(1, SIDE, 3);
    CHECK(xc_run(session, input, 1));
    float *out = read_result(session, "logits", count);
    free(input);
    xc_session_free(session);
    return out;
}

void same_answers_in(xc_precision precision, xc_model *a, xc_model *b)
{
    size_t na, nb;
    float *x = answer_of(a, precision, &na), *y = answer_of(b, precision, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(x, y, na * sizeof *x);
    free(x);
    free(y);
}

void same_answers(xc_model *a, xc_model *b)
{
    same_answers_in(XC_PRECISION_F32, a, b);
}
