/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which networks exist, and how does a string become a graph? The catalogue, and what holds for
 * every network: limits, the smallest input, the canonical string. The knobs are in arch_opts.c,
 * the layers in the file of each network.
 */
#include "network/arch.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "network/arch_opts.h"

#define ARCH_MAX_PARAMS ((size_t)1 << 31)
enum { ARCH_MAX_TENSORS = 4096 }; /* as a model file has at most (weight/weight.h) */

#define ARCH_LIST(X)                                                                               \
    X(xception)                                                                                    \
    X(legacy_xception)                                                                             \
    X(xception41)                                                                                  \
    X(xception65)                                                                                  \
    X(xception71)                                                                                  \
    X(xception41p)                                                                                 \
    X(xception65p)                                                                                 \
    X(mini_xception)                                                                               \
    X(tiny_xception)                                                                               \
    X(big_xception)                                                                                \
    X(tiny_xception_age_gender)                                                                    \
    X(vgg16)                                                                                       \
    X(resnet50)                                                                                    \
    X(resnet101)                                                                                   \
    X(resnet152)                                                                                   \
    X(inception_v3)                                                                                \
    X(inception_v3_2016)                                                                           \
    X(googlenet)                                                                                   \
    X(spectrum)                                                                                    \
    X(inception_module)

#define ARCH_X(name) extern const struct arch arch_##name;
ARCH_LIST(ARCH_X)
#undef ARCH_X

/* ---- the catalogue --------------------------------------------------------------------------- */

const struct arch *arch_at(int i)
{
#define ARCH_X(name) &arch_##name,
    static const struct arch *const all[] = {ARCH_LIST(ARCH_X) NULL};
#undef ARCH_X
    return i >= 0 && i < (int)(sizeof all / sizeof all[0]) ? all[i] : NULL;
}

static char plain(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

const struct arch *arch_find(const char *spec)
{
    const struct arch *a;
    for (int i = 0; (a = arch_at(i)); i++) {
        size_t n = 0;
        while (a->name[n] && plain(spec[n]) == a->name[n]) n++;
        if (!a->name[n] && (!spec[n] || spec[n] == ',')) return a;
    }
    return NULL;
}

/* ---- asking a canonical string --------------------------------------------------------------- */

void arch_knob(const char *spec, const char *knob, char *out, size_t size)
{
    size_t length = strlen(knob);
    const char *s = strchr(spec, ',');
    while (s && !(strncmp(s + 1, knob, length) == 0 && s[1 + length] == '='))
        s = strchr(s + 1, ',');
    size_t n = s ? strcspn(s + length + 2, ",") : 0;
    if (size == 0) return;
    if (n >= size) n = size - 1;
    if (n) memcpy(out, s + length + 2, n);
    out[n] = '\0';
}

static bool is_timm(const char *spec)
{
    const struct arch *a = arch_find(spec);
    char given[8];
    arch_knob(spec, "flavour", given, sizeof given);
    return strcmp(*given || !a ? given : a->flavour, "timm") == 0;
}

const char *arch_flavour(const char *spec)
{
    return is_timm(spec) ? "timm" : "keras";
}

const char *arch_recipe(const char *spec)
{
    const struct arch *a = arch_find(spec);
    const char *recipe = !a ? NULL : is_timm(spec) ? a->timm : a->keras;
    return recipe ? recipe : "keras";
}

int arch_min_side(const struct graph *g)
{
    const int least = g->least_side ? g->least_side : graph_min_side(g);
    const int own = g->input.h < g->input.w ? g->input.h : g->input.w;
    return least >= 0 && least < own ? least : own; /* without memory: as it is */
}

/* ---- building -------------------------------------------------------------------------------- */

static xc_status check_input(const struct arch_opts *o, const struct graph *g, struct error *err)
{
    int least = g->least_side ? g->least_side : graph_min_side(g);
    if (least < 0) return fail_memory(err, (size_t)g->nodes * sizeof(struct shape));
    if (o->input.h >= least && o->input.w >= least) return XC_OK;
    return fail(err, XC_ERR_ARCH, "%s: input=%dx%dx%d: the smallest input of this network is %dx%d",
                o->arch->name, o->input.h, o->input.w, o->input.c, least, least);
}

/* head= settles the number of classes; classes= may only repeat it. */
static xc_status check_classes(const struct arch_opts *o, int classes, struct error *err)
{
    if (!o->classes_given || o->input.classes == classes) return XC_OK;
    return fail(err, XC_ERR_ARCH, "%s: classes=%d: its head= gives %d", o->arch->name,
                o->input.classes, classes);
}

static xc_status finish(const struct arch_opts *o, struct graph *g, const char **canonical,
                        struct error *err)
{
    xc_status status = graph_finish(g, err);
    if (status != XC_OK) {
        error_prefix(err, o->arch->name);
        return status;
    }
    if (g->param.total > ARCH_MAX_PARAMS)
        return fail(err, XC_ERR_LIMIT, "%s: %zu parameters, at most %zu", o->arch->name,
                    g->param.total, ARCH_MAX_PARAMS);
    if (g->param.count > ARCH_MAX_TENSORS)
        return fail(err, XC_ERR_LIMIT, "%s: %d tensors of parameters, at most %d", o->arch->name,
                    g->param.count, ARCH_MAX_TENSORS);
    g->least_side = o->any_side ? 1 : o->arch->least_side;
    TRY(check_input(o, g, err));
    int classes = g->node[g->output[0].node].out.c;
    TRY(check_classes(o, classes, err));
    char *text = arena_printf(&g->arena, "%s,input=%dx%dx%d,classes=%d%s", o->arch->name,
                              o->input.h, o->input.w, o->input.c, classes, o->canonical);
    if (!text) return fail_memory(err, sizeof o->canonical);
    if (canonical) *canonical = text;
    return XC_OK;
}

xc_status arch_build(const char *spec, const struct arch_input *input, struct graph **out,
                     const char **canonical, struct error *err)
{
    struct graph *g = NULL;
    struct arch_opts *o = malloc(sizeof *o);
    if (!o) return fail_memory(err, sizeof *o);
    xc_status status = opts_parse(o, spec, input, err);
    if (status == XC_OK) status = o->arch->build(o->arch, o, &g, err);
    if (status == XC_OK) status = finish(o, g, canonical, err);
    if (status == XC_OK)
        *out = g;
    else
        graph_free(g);
    free(o);
    return status;
}
