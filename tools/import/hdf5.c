/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is libhdf5 kept on a short lead? It sees a memory image, read-only, with plugins off, and is
 * asked for little. Before anything is read, the whole tree is walked: hard links only, no cycle,
 * bounded depth and count. Datasets that lie in one piece in a type of ours are not read by the
 * library at all: the tensor points into the image.
 */
#define H5_USE_110_API
#include <hdf5.h>

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "h5.h"

enum {
    MAX_DEPTH = 16,
    MAX_OBJECTS = 8192,
    MAX_STRINGS = 8192,
    MAX_TEXT = 8 << 20,
    MAX_PARTS = 64,
    MAX_NAME = 255
};
enum { AS_F32, AS_F64, AS_F16, AS_BF16, AS_I64, READ_TYPES };

struct h5 {
    struct arena *arena;
    const uint8_t *image;
    size_t size;
    hid_t file;
    struct h5_node *node;
    size_t nodes, text; /* bytes of text so far */
    struct {
        hid_t id;
        enum dtype type;
    } type[READ_TYPES];
};

/* The image callbacks lend libhdf5 our bytes wherever it would copy them. */
static void *image_malloc(size_t size, H5FD_file_image_op_t op, void *image)
{
    (void)size, (void)op;
    return image;
}

static void *image_memcpy(void *to, const void *from, size_t size, H5FD_file_image_op_t op,
                          void *image)
{
    (void)from, (void)size, (void)op, (void)image;
    return to;
}

static void *image_realloc(void *pointer, size_t size, H5FD_file_image_op_t op, void *image)
{
    (void)pointer, (void)size, (void)op, (void)image;
    return NULL; /* a file opened for reading does not grow */
}

static herr_t image_free(void *pointer, H5FD_file_image_op_t op, void *image)
{
    (void)pointer, (void)op, (void)image;
    return 0;
}

static void *udata_copy(void *image)
{
    return image;
}

static herr_t udata_free(void *image)
{
    (void)image;
    return 0;
}

/* An absolute name, so that libhdf5 does not ask for the working directory. */
static hid_t open_image(const void *image, size_t size)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5FD_file_image_callbacks_t lend = {image_malloc, image_memcpy, image_realloc, image_free,
                                        udata_copy,   udata_free,   (void *)image};
    hid_t file = -1;
    if (H5Pset_fapl_core(access, 1 << 16, false) >= 0 &&
        H5Pset_file_image_callbacks(access, &lend) >= 0 &&
        H5Pset_file_image(access, (void *)image, size) >= 0)
        file = H5Fopen("/image", H5F_ACC_RDONLY, access);
    H5Pclose(access);
    return file;
}

/* sign | exponent | mantissa in 16 bits: half (5, 10) and brain float (8, 7) */
static hid_t float16_type(size_t exponent, size_t mantissa, size_t bias)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, mantissa, exponent, 0, mantissa);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, bias);
    return type;
}

static void make_types(struct h5 *h5)
{
    h5->type[AS_F32].id = H5Tcopy(H5T_IEEE_F32LE), h5->type[AS_F32].type = DTYPE_F32;
    h5->type[AS_F64].id = H5Tcopy(H5T_IEEE_F64LE), h5->type[AS_F64].type = DTYPE_F64;
    h5->type[AS_F16].id = float16_type(5, 10, 15), h5->type[AS_F16].type = DTYPE_F16;
    h5->type[AS_BF16].id = float16_type(8, 7, 127), h5->type[AS_BF16].type = DTYPE_BF16;
    h5->type[AS_I64].id = H5Tcopy(H5T_STD_I64LE), h5->type[AS_I64].type = DTYPE_I64;
}

/* A group on the way from the root to where the walk is. */
struct walk {
    struct h5 *h5;
    const struct walk *above;
    hid_t group;
    const char *path;
    uint64_t address;
    int depth;
    xc_status status;
    struct error *err;
};

static xc_status walk_group(struct walk *w);

static xc_status enter_group(struct walk *w, const struct h5_node *node, const char *name)
{
    if (w->depth == MAX_DEPTH)
        return fail(w->err, XC_ERR_LIMIT, "%s: groups deeper than %d", node->path, MAX_DEPTH);
    for (const struct walk *up = w; up; up = up->above)
        if (up->address == node->address)
            return fail(w->err, XC_ERR_FORMAT, "%s: a group that contains itself", node->path);
    struct walk below = {.h5 = w->h5,
                         .above = w,
                         .group = H5Gopen2(w->group, name, H5P_DEFAULT),
                         .path = node->path,
                         .address = node->address,
                         .depth = w->depth + 1,
                         .err = w->err};
    if (below.group < 0)
        return fail(w->err, XC_ERR_FORMAT, "%s: a group that cannot be opened", node->path);
    xc_status status = walk_group(&below);
    H5Gclose(below.group);
    return status;
}

static xc_status add_node(struct walk *w, const char *name, const H5L_info_t *link)
{
    struct h5 *h5 = w->h5;
    if (strlen(name) > MAX_NAME)
        return fail(w->err, XC_ERR_LIMIT, "%s: a name with more than %d letters", w->path,
                    MAX_NAME);
    const char *path = arena_printf(h5->arena, "%s/%s", w->path, name);
    if (!path) return fail_memory(w->err, strlen(name));
    if (link->type != H5L_TYPE_HARD)
        return fail(w->err, XC_ERR_UNSUPPORTED, "%s: %s link, only hard links are read", path,
                    link->type == H5L_TYPE_SOFT ? "a soft" : "an external");
    if (h5->nodes == MAX_OBJECTS)
        return fail(w->err, XC_ERR_LIMIT, "more than %d objects", MAX_OBJECTS);
    H5O_info_t info;
    if (H5Oget_info_by_name2(w->group, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
        return fail(w->err, XC_ERR_FORMAT, "%s: an object that cannot be read", path);
    if (info.type != H5O_TYPE_GROUP && info.type != H5O_TYPE_DATASET)
        return fail(w->err, XC_ERR_UNSUPPORTED, "%s: neither a group nor a dataset", path);
    struct h5_node *node = &h5->node[h5->nodes++];
    *node = (struct h5_node){path, info.type == H5O_TYPE_GROUP, info.addr};
    return node->is_group ? enter_group(w, node, name) : XC_OK;
}

static herr_t on_link(hid_t group, const char *name, const H5L_info_t *link, void *user)
{
    (void)group;
    struct walk *w = user;
    w->status = add_node(w, name, link);
    return w->status == XC_OK ? 0 : -1;
}

static xc_status walk_group(struct walk *w)
{
    if (H5Literate(w->group, H5_INDEX_NAME, H5_ITER_INC, NULL, on_link, w) >= 0) return XC_OK;
    if (w->status != XC_OK) return w->status;
    return fail(w->err, XC_ERR_FORMAT, "%s/: a group that cannot be listed", w->path);
}

static xc_status walk_file(struct h5 *h5, struct error *err)
{
    h5->node = arena_push(h5->arena, MAX_OBJECTS, sizeof *h5->node);
    if (!h5->node) return fail_memory(err, MAX_OBJECTS);
    H5O_info_t info;
    struct walk root = {.h5 = h5, .path = "", .err = err};
    root.group = H5Gopen2(h5->file, "/", H5P_DEFAULT);
    if (root.group < 0 || H5Oget_info2(root.group, &info, H5O_INFO_BASIC) < 0) {
        if (root.group >= 0) H5Gclose(root.group);
        return fail(err, XC_ERR_FORMAT, "the HDF5 file has no root group");
    }
    root.address = info.addr;
    xc_status status = walk_group(&root);
    H5Gclose(root.group);
    return status;
}

xc_status h5_open(const void *image, size_t size, struct arena *arena, struct h5 **out,
                  struct error *err)
{
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* it would print */
    H5PLset_loading_state(0);
    struct h5 *h5 = arena_push(arena, 1, sizeof *h5);
    if (!h5) return fail_memory(err, sizeof *h5);
    *h5 = (struct h5){.arena = arena, .image = image, .size = size};
    h5->file = open_image(image, size);
    if (h5->file < 0) return fail(err, XC_ERR_FORMAT, "no HDF5 file, or a truncated one");
    make_types(h5);
    xc_status status = walk_file(h5, err);
    if (status == XC_OK)
        *out = h5;
    else
        h5_close(h5);
    return status;
}

void h5_close(struct h5 *h5)
{
    if (!h5) return;
    for (int i = 0; i < READ_TYPES; i++) H5Tclose(h5->type[i].id);
    H5Fclose(h5->file);
}

const struct h5_node *h5_nodes(const struct h5 *h5, size_t *count)
{
    *count = h5->nodes;
    return h5->node;
}

const struct h5_node *h5_find(const struct h5 *h5, const char *path)
{
    for (size_t i = 0; i < h5->nodes; i++)
        if (strcmp(h5->node[i].path, path) == 0) return &h5->node[i];
    return NULL;
}

bool h5_has_attribute(struct h5 *h5, const char *path, const char *name)
{
    return H5Aexists_by_name(h5->file, path, name, H5P_DEFAULT) > 0;
}

static xc_status add_text(struct h5 *h5, const char *text, size_t length, const char **out,
                          struct error *err)
{
    if (length > MAX_TEXT - h5->text)
        return fail(err, XC_ERR_LIMIT, "more than %d bytes of text", MAX_TEXT);
    h5->text += length;
    char *copy = arena_push(h5->arena, length + 1, 1);
    if (!copy) return fail_memory(err, length);
    memcpy(copy, text, length);
    *out = copy;
    return XC_OK;
}

/* Strings of one width, ended by NUL or padded with NULs or spaces. */
static xc_status read_fixed(struct h5 *h5, hid_t attribute, hid_t type, struct h5_texts *out,
                            size_t count, struct error *err)
{
    size_t width = H5Tget_size(type), bytes;
    if (width == 0 || !size_mul(width, count, &bytes) || bytes > MAX_TEXT)
        return fail(err, XC_ERR_LIMIT, "more than %d bytes of text", MAX_TEXT);
    char *text = calloc(bytes, 1);
    xc_status status = text ? XC_OK : fail_memory(err, bytes);
    if (text && H5Aread(attribute, type, text) < 0)
        status = fail(err, XC_ERR_FORMAT, "text that cannot be read");
    for (size_t i = 0; status == XC_OK && i < count; i++) {
        const char *start = text + i * width;
        size_t length = strnlen(start, width);
        while (H5Tget_strpad(type) == H5T_STR_SPACEPAD && length > 0 && start[length - 1] == ' ')
            length--;
        status = add_text(h5, start, length, &out->at[out->count++], err);
    }
    free(text);
    return status;
}

static xc_status read_variable(struct h5 *h5, hid_t attribute, hid_t type, hid_t space,
                               struct h5_texts *out, size_t count, struct error *err)
{
    char **text = calloc(count, sizeof *text);
    if (!text) return fail_memory(err, count);
    hid_t memory = H5Tcopy(H5T_C_S1);
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    xc_status status = XC_OK;
    if (H5Aread(attribute, memory, text) < 0)
        status = fail(err, XC_ERR_FORMAT, "text that cannot be read");
    for (size_t i = 0; status == XC_OK && i < count; i++) {
        const char *given = text[i] ? text[i] : "";
        status = add_text(h5, given, strlen(given), &out->at[out->count++], err);
    }
    H5Dvlen_reclaim(memory, space, H5P_DEFAULT, text);
    H5Tclose(memory);
    free(text);
    return status;
}

/* Appends the strings of an open attribute. */
static xc_status read_texts(struct h5 *h5, hid_t attribute, hid_t type, hid_t space,
                            struct h5_texts *out, struct error *err)
{
    hssize_t points = H5Sget_simple_extent_npoints(space);
    if (points == 0) return XC_OK; /* Keras writes an empty list as float64 of shape (0) */
    if (points < 0 || H5Tcommitted(type) != 0 || H5Tget_class(type) != H5T_STRING)
        return fail(err, XC_ERR_FORMAT, "not a list of strings");
    if ((size_t)points > MAX_STRINGS - out->count)
        return fail(err, XC_ERR_LIMIT, "more than %d strings", MAX_STRINGS);
    const char **grown = arena_push(h5->arena, out->count + (size_t)points, sizeof *grown);
    if (!grown) return fail_memory(err, (size_t)points);
    if (out->count) memcpy(grown, out->at, out->count * sizeof *grown);
    out->at = grown;
    if (H5Tis_variable_str(type) > 0)
        return read_variable(h5, attribute, type, space, out, (size_t)points, err);
    return read_fixed(h5, attribute, type, out, (size_t)points, err);
}

static xc_status read_attribute(struct h5 *h5, const char *path, const char *name,
                                struct h5_texts *out, struct error *err)
{
    hid_t attribute = H5Aopen_by_name(h5->file, path, name, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0)
        return fail(err, XC_ERR_FORMAT, "%s: attribute %s cannot be opened", path, name);
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    out->found = true;
    struct error why;
    xc_status status = read_texts(h5, attribute, type, space, out, &why);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    if (status == XC_OK) return XC_OK;
    return fail(err, status, "%s: attribute %s: %s", path, name, why.text);
}

xc_status h5_texts(struct h5 *h5, const char *path, const char *name, struct h5_texts *out,
                   struct error *err)
{
    *out = (struct h5_texts){0};
    if (h5_has_attribute(h5, path, name)) return read_attribute(h5, path, name, out, err);
    for (int part = 0; part < MAX_PARTS; part++) {
        const char *numbered = arena_printf(h5->arena, "%s%d", name, part);
        if (!numbered) return fail_memory(err, strlen(name));
        if (!h5_has_attribute(h5, path, numbered)) break;
        TRY(read_attribute(h5, path, numbered, out, err));
    }
    return XC_OK;
}

xc_status h5_text(struct h5 *h5, const char *path, const char *name, const char **out,
                  struct error *err)
{
    struct h5_texts list;
    *out = NULL;
    TRY(h5_texts(h5, path, name, &list, err));
    if (list.count > 0) *out = list.at[0];
    return XC_OK;
}

/* What a dataset is made of, opened once; every field may be negative. */
struct dataset {
    hid_t id, layout, type, space;
};

static xc_status check_storage(const struct dataset *d, struct error *err)
{
    if (H5Pget_layout(d->layout) == H5D_VIRTUAL)
        return fail(err, XC_ERR_UNSUPPORTED, "a virtual dataset");
    if (H5Pget_external_count(d->layout) != 0)
        return fail(err, XC_ERR_UNSUPPORTED, "a dataset in another file");
    if (H5Tcommitted(d->type) != 0) return fail(err, XC_ERR_UNSUPPORTED, "a committed type");
    int filters = H5Pget_nfilters(d->layout);
    for (int i = 0; i < filters; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(d->layout, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
            filter != H5Z_FILTER_FLETCHER32)
            return fail(err, XC_ERR_UNSUPPORTED, "a dataset with filter %d", (int)filter);
    }
    return XC_OK;
}

/* Keras marks brain floats, which numpy does not know, by an attribute; h5py then wrote two opaque
 * bytes. A float of the other byte order is read as the one of its width. */
static xc_status choose_type(struct h5 *h5, const char *path, hid_t type, int *out,
                             struct error *err)
{
    static const int BY_WIDTH[] = {[2] = AS_F16, [4] = AS_F32, [8] = AS_F64};
    size_t width = H5Tget_size(type);
    H5T_class_t class = H5Tget_class(type);
    const char *mark = NULL;
    if (width == 2) TRY(h5_text(h5, path, "dtype", &mark, err));
    bool is_brain = mark && strcmp(mark, "bfloat16") == 0;
    if (!is_brain && class != H5T_INTEGER &&
        (class != H5T_FLOAT || (width != 2 && width != 4 && width != 8)))
        return fail(err, XC_ERR_UNSUPPORTED, "numbers of a type that is not supported");
    *out = is_brain ? AS_BF16 : class == H5T_INTEGER ? AS_I64 : BY_WIDTH[width];
    if (H5Tequal(type, h5->type[AS_BF16].id) > 0) *out = AS_BF16;
    return XC_OK;
}

static xc_status read_extent(const struct dataset *d, int *rank, size_t dim[WEIGHT_MAX_RANK],
                             struct error *err)
{
    hsize_t size[H5S_MAX_RANK];
    *rank = 0;
    if (H5Sget_simple_extent_type(d->space) == H5S_NULL)
        return fail(err, XC_ERR_UNSUPPORTED, "a dataset without a shape");
    *rank = H5Sget_simple_extent_dims(d->space, size, NULL);
    if (*rank < 0 || *rank > WEIGHT_MAX_RANK)
        return fail(err, XC_ERR_LIMIT, "rank %d, the limit is %d", *rank, WEIGHT_MAX_RANK);
    for (int i = 0; i < *rank; i++) {
        if (size[i] > SIZE_MAX) return fail(err, XC_ERR_LIMIT, "a dimension is too large");
        dim[i] = (size_t)size[i];
    }
    return XC_OK;
}

/* Where the numbers lie in the image as they are wanted, or NULL. */
static const uint8_t *find_in_place(struct h5 *h5, const struct dataset *d, bool as_is,
                                    size_t bytes)
{
    if (!as_is || H5Pget_layout(d->layout) != H5D_CONTIGUOUS) return NULL;
    haddr_t place = H5Dget_offset(d->id);
    if (place == HADDR_UNDEF || place > h5->size || bytes > h5->size - place) return NULL;
    return h5->image + place;
}

static xc_status read_numbers(struct h5 *h5, const struct dataset *d, const char *path,
                              const char *name, struct import *im, struct error *err)
{
    int rank, index = AS_F32;
    size_t dim[WEIGHT_MAX_RANK];
    TRY(check_storage(d, err));
    TRY(choose_type(h5, path, d->type, &index, err));
    TRY(read_extent(d, &rank, dim, err));
    struct weight_tensor *t;
    TRY(import_tensor(im, name, h5->type[index].type, rank, dim, &t, err));
    bool is_opaque = h5->type[index].type == DTYPE_BF16;
    bool as_is = is_opaque || H5Tequal(d->type, h5->type[index].id) > 0;
    t->data = find_in_place(h5, d, as_is, t->bytes);
    if (t->data || t->bytes == 0) return XC_OK;
    void *room;
    TRY(import_room(im, t->bytes, &room, err));
    hid_t type = is_opaque ? d->type : h5->type[index].id;
    if (H5Dread(d->id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, room) < 0)
        return fail(err, XC_ERR_FORMAT, "numbers that cannot be read");
    t->data = room;
    return XC_OK;
}

xc_status h5_tensor(struct h5 *h5, const char *path, const char *name, struct import *im,
                    struct error *err)
{
    struct error why = {XC_OK, ""};
    struct dataset d = {.id = H5Dopen2(h5->file, path, H5P_DEFAULT)};
    if (d.id < 0) return fail(err, XC_ERR_FORMAT, "%s: there is no such dataset", path);
    d.layout = H5Dget_create_plist(d.id);
    d.type = H5Dget_type(d.id);
    d.space = H5Dget_space(d.id);
    bool opened = d.layout >= 0 && d.type >= 0 && d.space >= 0;
    xc_status status = opened ? read_numbers(h5, &d, path, name, im, &why)
                              : fail(&why, XC_ERR_FORMAT, "a dataset that cannot be read");
    if (d.space >= 0) H5Sclose(d.space);
    if (d.type >= 0) H5Tclose(d.type);
    if (d.layout >= 0) H5Pclose(d.layout);
    H5Dclose(d.id);
    return status == XC_OK ? XC_OK : fail(err, status, "%s: %s", path, why.text);
}
