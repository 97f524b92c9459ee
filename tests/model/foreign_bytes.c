/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors are kept apart until foreign_view writes them as one safetensors file. */
#include "model/foreign_bytes.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

struct weight_tensor *foreign_add(struct foreign_bytes *f, const char *name, enum dtype type,
                                  int rank, const size_t *dim)
{
    assert_true(f->tensors < WEIGHT_MAX_TENSORS);
    struct weight_tensor *t = &f->tensor[f->tensors++];
    *t = (struct weight_tensor){.name = arena_strdup(&f->arena, name), .type = type, .rank = rank};
    t->count = 1;
    for (int i = 0; i < rank; i++) t->count *= t->dim[i] = dim[i];
    t->bytes = t->count * dtype_size(type);
    t->data = arena_push(&f->arena, t->count, dtype_size(type));
    assert_non_null(t->name);
    assert_non_null(t->data);
    return t;
}

void foreign_meta(struct foreign_bytes *f, const char *key, const char *value)
{
    f->meta[f->metas++] = (struct weight_meta){key, value};
}

void *foreign_data(const struct weight_tensor *t)
{
    return (void *)(uintptr_t)t->data;
}

struct weight_tensor *foreign_find(struct foreign_bytes *f, const char *name)
{
    for (int i = 0; i < f->tensors; i++)
        if (strcmp(f->tensor[i].name, name) == 0) return &f->tensor[i];
    print_error("no tensor %s\n", name);
    _fail(__FILE__, __LINE__);
    return NULL;
}

static xc_status append(void *user, const void *data, size_t size, struct error *err)
{
    struct file_view *view = user;
    uint8_t *more = realloc(view->mapping, view->size + size);
    if (!more) return fail_memory(err, size);
    memcpy(more + view->size, data, size);
    view->mapping = more;
    view->data = more;
    view->size += size;
    return XC_OK;
}

struct file_view foreign_view(const struct foreign_bytes *f)
{
    struct file_view view = {0};
    struct error err = {XC_OK, ""};
    xc_status status =
        safetensors_write(f->tensor, f->tensors, f->meta, f->metas, append, &view, &err);
    if (status != XC_OK) print_error("%s\n", err.text);
    assert_int_equal(status, XC_OK);
    return view;
}

void foreign_free(struct foreign_bytes *f)
{
    arena_free(&f->arena);
}
