/* SPDX-License-Identifier: Apache-2.0 */
/* Models of the public interface: load, import, create, look at, save. */
#include "api/api.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "base/text.h"
#include "foreign/foreign_model.h"
#include "model/imagenet.h"
#include "model/meta.h"

#define MAX_MODEL_BYTES ((size_t)1 << 34)
#define IMPORT_MEMORY (UINT64_C(4) << 30)
#define IMPORT_SECONDS 120u

/* ---- making ---------------------------------------------------------------------------------- */

/* The file of this path as a model of ours; view is used up. */
static xc_status take_file(xc_context *context, const char *path, struct file_view view,
                           xc_model **out)
{
    xc_status status = model_from_file(&context->machine, path, view, out, api_error());
    if (status != XC_OK) file_release(&view);
    return status;
}

xc_status xc_model_load(xc_context *context, const char *path, const xc_load_opts *opts,
                        xc_model **out)
{
    ROUNDING_RULES;
    xc_load_opts o = XC_LOAD_OPTS_INIT;
    struct file_view view;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!context) return refuse_null("context");
    if (!path) return refuse_null("path");
    TRY(options_read(&o, sizeof o, opts, "xc_load_opts"));
    TRY(o.read_into_memory ? file_read(path, MAX_MODEL_BYTES, &view, api_error())
                           : file_map(path, MAX_MODEL_BYTES, &view, api_error()));
    return take_file(context, path, view, out);
}

xc_status xc_model_load_memory(xc_context *context, const void *bytes, size_t count, xc_model **out)
{
    ROUNDING_RULES;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!context) return refuse_null("context");
    if (!bytes) return refuse_null("bytes");
    struct file_view view = {.data = bytes, .size = count};
    return model_from_file(&context->machine, "memory", view, out, api_error());
}

/* Is the file safetensors, and of ours? What is wrong with it otherwise is said when it is read. */
static void look_at(struct file_view view, bool *safetensors, bool *ours)
{
    struct weight_file file;
    *ours = false;
    *safetensors = weight_probe(view.data, view.size) == WEIGHT_SAFETENSORS;
    if (!*safetensors || safetensors_read(view.data, view.size, &file, NULL) != XC_OK) return;
    *ours = meta_is_ours(&file);
    weight_file_free(&file);
}

static xc_status import(xc_context *context, const char *path, const xc_import_opts *o,
                        xc_model **out)
{
    struct file_view view;
    bool safetensors, ours;
    TRY(o->read_into_memory ? file_read(path, MAX_MODEL_BYTES, &view, api_error())
                            : file_map(path, MAX_MODEL_BYTES, &view, api_error()));
    look_at(view, &safetensors, &ours);
    if (ours && o->arch) {
        file_release(&view);
        return fail(api_error(), XC_ERR_ARGUMENT, "%s: the file says its own architecture, not %s",
                    path, o->arch);
    }
    if (ours) return take_file(context, path, view, out);
    if (!safetensors) {
        const uint64_t memory = o->max_memory ? o->max_memory : IMPORT_MEMORY;
        struct foreign_limits limits = {memory, o->max_seconds ? o->max_seconds : IMPORT_SECONDS,
                                        memory < MAX_MODEL_BYTES ? memory : MAX_MODEL_BYTES};
        file_release(&view);
        TRY(foreign_read(o->helper ? o->helper : XC_HELPER, path, &limits, &view, api_error()));
    }
    const char *slash = strrchr(path, '/');
    xc_status status = model_from_foreign(&context->machine, slash ? slash + 1 : path, o->arch,
                                          view, out, api_error());
    if (status != XC_OK) {
        file_release(&view);
        text_printable(api_error()->text); /* it may quote the file */
        error_prefix(api_error(), path);
    }
    return status;
}

xc_status xc_model_import(xc_context *context, const char *path, const xc_import_opts *opts,
                          xc_model **out)
{
    ROUNDING_RULES;
    xc_import_opts o = XC_IMPORT_OPTS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!context) return refuse_null("context");
    if (!path) return refuse_null("path");
    TRY(options_read(&o, sizeof o, opts, "xc_import_opts"));
    return import(context, path, &o, out);
}

xc_status xc_model_mix(const xc_model *first, const xc_model *second, double part, xc_model **out)
{
    ROUNDING_RULES;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!first) return refuse_null("first");
    if (!second) return refuse_null("second");
    return model_mix(first, second, part, out, api_error());
}

xc_status xc_model_create(xc_context *context, const char *arch, const xc_create_opts *opts,
                          xc_model **out)
{
    ROUNDING_RULES;
    xc_create_opts o = XC_CREATE_OPTS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!context) return refuse_null("context");
    if (!arch) return refuse_null("arch");
    TRY(options_read(&o, sizeof o, opts, "xc_create_opts"));
    if ((unsigned)o.weights > XC_WEIGHTS_GOLDEN)
        return fail(api_error(), XC_ERR_ARGUMENT, "weights: %d is not one of xc_weights",
                    (int)o.weights);
    return model_create(&context->machine, arch, &o, out, api_error());
}

const char *xc_arch_name(int32_t i, const char **help)
{
    const struct arch *arch = i < 0 ? NULL : arch_at(i);
    if (help) *help = arch ? arch->help : NULL;
    return arch ? arch->name : NULL;
}

xc_model *xc_model_ref(xc_model *model)
{
    return model ? model_ref(model) : NULL;
}

void xc_model_unref(xc_model *model)
{
    model_unref(model);
}

/* ---- looking --------------------------------------------------------------------------------- */

const xc_model_info *xc_model_get_info(const xc_model *model)
{
    return model ? &model->info : NULL;
}

const xc_decision *xc_model_decision(const xc_model *model)
{
    return model ? &model->meta.decision : NULL;
}

const char *xc_model_label(const xc_model *model, uint32_t index)
{
    if (!model || !model->meta.labels || index >= model->info.classes) return NULL;
    return model->meta.labels[index];
}

const char *xc_model_output_name(const xc_model *model, uint32_t index)
{
    return model && index < model->info.outputs ? model->graph->output[index].name : NULL;
}

xc_status xc_model_layer(const xc_model *model, uint32_t index, xc_layer *out)
{
    if (!model) return refuse_null("model");
    if (!out) return refuse_null("out");
    const uint32_t layers = model->info.layers + model->info.auxiliary_layers;
    if (index >= layers) return fail(api_error(), XC_ERR_ARGUMENT, "layer %u of %u", index, layers);
    *out = model->layer[index];
    return XC_OK;
}

const char *xc_model_import_report(const xc_model *model)
{
    return model ? model->meta.report : "";
}

xc_status xc_file_write(const char *path, const void *bytes, size_t count)
{
    if (!path) return refuse_null("path");
    if (!bytes && count) return refuse_null("bytes");
    return file_write(path, bytes, count, api_error());
}

xc_status xc_file_sha256(const char *path, char hex[65])
{
    uint8_t bytes[1 << 16];
    ssize_t got;
    struct stat about;
    struct sha256 sum;
    if (!path) return refuse_null("path");
    if (!hex) return refuse_null("hex");
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not mapped: it may shrink */
    if (fd < 0) return fail_errno(api_error(), path, "cannot open");
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(fd);
        return fail(api_error(), XC_ERR_IO, "%s: not a regular file", path);
    }
    sha256_init(&sum);
    while ((got = read(fd, bytes, sizeof bytes)) > 0) sha256_add(&sum, bytes, (size_t)got);
    const xc_status status = got < 0 ? fail_errno(api_error(), path, "cannot read") : XC_OK;
    close(fd);
    if (status == XC_OK) sha256_hex(&sum, hex);
    return status;
}

const char *xc_imagenet_label(uint32_t index)
{
    return imagenet_label(index);
}

const char *xc_imagenet_wnid(uint32_t index)
{
    return imagenet_wnid(index);
}

/* ---- saving ---------------------------------------------------------------------------------- */

xc_status xc_model_save(const xc_model *model, const char *path, const xc_save_opts *opts)
{
    ROUNDING_RULES;
    xc_save_opts o = XC_SAVE_OPTS_INIT;
    xc_preprocess preprocess;
    xc_decision decision = XC_DECISION_INIT;
    if (!model) return refuse_null("model");
    if (!path) return refuse_null("path");
    TRY(options_read(&o, sizeof o, opts, "xc_save_opts"));
    TRY(options_read(&decision, sizeof decision, o.decision, "xc_decision"));
    if (o.decision) o.decision = &decision;
    preprocess = model->info.preprocess;
    TRY(options_read(&preprocess, sizeof preprocess, o.preprocess, "xc_preprocess"));
    if (o.preprocess) o.preprocess = &preprocess;
    for (uint32_t i = 0; o.labels && i < o.label_count; i++)
        if (!o.labels[i]) return fail(api_error(), XC_ERR_ARGUMENT, "label %u is NULL", i);
    return model_save(model, path, &o, api_error());
}
