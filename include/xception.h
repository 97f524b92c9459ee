/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xception.h: everything a program may do with libxception.
 *
 *   context   threads and CPU level                   one for a program; thread-safe
 *   model     networks and their weights, immutable   shared by any number of threads
 *   session   one thread's plan and memory            xc_run and xc_session_read allocate nothing
 *   image     decoded pixels                          one thread writes, or any number read
 *   data set, scan       immutable, like a model      (a program's xc_read_fn must be thread-safe)
 *   scores, explainer, practice                       one thread at a time
 *
 * Every fallible function returns an xc_status; when it is not XC_OK, xc_error() gives one sentence
 * with the facts, for the calling thread. The library never prints, exits, aborts, reads the
 * environment or installs signal handlers. Strings and paths are UTF-8. Option structs begin with
 * their size: initialise them with the _INIT macro and set what you need. NULL options mean
 * defaults (training needs its own). What options point to is read during the call, and copied.
 * NULL where an object is needed is XC_ERR_ARGUMENT, or nothing happens; every free takes it.
 *
 * A callback must return: no exception, no longjmp. What a program has set of rounding, subnormals
 * and traps is set aside during calls that compute (in callbacks, too): bits do not depend on it.
 * Threads do not survive fork(): a child makes a context of its own.
 *
 * Up to version 1.0 structs may change with each 0.x, and the name of the shared library with them;
 * from then on they only grow at their end.
 *
 * xception/evaluate.h and xception/explain.h are parts of it, included at the end.
 */
#ifndef XCEPTION_H
#define XCEPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define XC_API __attribute__((visibility("default")))
#define XC_NODISCARD __attribute__((warn_unused_result))
#else
#define XC_API
#define XC_NODISCARD
#endif

#define XC_VERSION "0.1.0"

/* ---- status ---------------------------------------------------------------------------------- */

/* X(name, value, id, text): the one list of what can go wrong. Values and ids never change. */
#define XC_STATUS_LIST(X)                                                                          \
    X(XC_OK, 0, "XC-E0000", "no error")                                                            \
    X(XC_ERR_ARGUMENT, 1, "XC-E0001", "an argument is out of range")                               \
    X(XC_ERR_ARCH, 2, "XC-E0002", "the architecture string is not valid")                          \
    X(XC_ERR_IO, 3, "XC-E0003", "a file cannot be opened, read or written")                        \
    X(XC_ERR_FORMAT, 4, "XC-E0004", "the bytes are not a valid file of this format")               \
    X(XC_ERR_UNSUPPORTED, 5, "XC-E0005", "the format is recognised but not supported")             \
    X(XC_ERR_LIMIT, 6, "XC-E0006", "a limit would be exceeded")                                    \
    X(XC_ERR_MEMORY, 7, "XC-E0007", "out of memory")                                               \
    X(XC_ERR_SHAPE, 8, "XC-E0008", "shapes do not fit together")                                   \
    X(XC_ERR_TENSOR, 9, "XC-E0009", "a tensor is missing, unexpected or of the wrong type")        \
    X(XC_ERR_NUMBER, 10, "XC-E0010", "a number is NaN or infinite")                                \
    X(XC_ERR_CANCELLED, 11, "XC-E0011", "cancelled")                                               \
    X(XC_ERR_SPACE, 12, "XC-E0012", "no space left on the device")                                 \
    X(XC_ERR_INTERNAL, 13, "XC-E0013", "a mistake inside the library")

typedef enum xc_status {
#define XC_X(name, value, id, text) name = value,
    XC_STATUS_LIST(XC_X)
#undef XC_X
} xc_status;

XC_API const char *xc_version(void);                 /* "0.1.0" */
XC_API const char *xc_status_id(xc_status status);   /* "XC-E0004" */
XC_API const char *xc_status_text(xc_status status); /* the general text of the list above */
/* The sentence of this thread's last failure; "" when there was none. Valid until the next failure.
 */
XC_API const char *xc_error(void);
/* The same when that failure had this status; otherwise, as for a status of the program's own, the
 * status' general text. */
XC_API const char *xc_error_of(xc_status status);

/* ---- context --------------------------------------------------------------------------------- */

typedef enum xc_precision {
    XC_PRECISION_F32,
    XC_PRECISION_F64, /* plain kernels in double: for checking, not for speed */
    /* Maps and the weights of convolutions are brain floats, sums and what follows the last map
     * float32: half the memory and, where the processor multiplies such numbers, half the time. */
    XC_PRECISION_BF16,
    XC_PRECISION_AUTO /* that of a packed file; else BF16 where the processor multiplies it
                       * faster than float32, or F32 */
} xc_precision;

typedef struct xc_context xc_context;
typedef void xc_log_fn(void *user, const char *line); /* line: no newline; valid during the call */

typedef struct xc_context_opts {
    uint32_t size;
    int32_t threads; /* 1..256; 0 = what this process may use (affinity and cgroup quota) */
    const char *cpu; /* highest instruction-set level to use: "ref", "avx2", ...; NULL = the best,
                        for which Linux is asked for leave to use tile registers ("amx"): signal
                        stacks (sigaltstack) must then have room for 8 KiB more. Below "amx", bf16
                        has the same bits on every processor */
    xc_log_fn *log;  /* gets one line as the context is made: version, threads, kernels; or NULL */
    void *log_user;
} xc_context_opts;
#define XC_CONTEXT_OPTS_INIT                                                                       \
    {                                                                                              \
        sizeof(xc_context_opts), 0, NULL, NULL, NULL                                               \
    }

/* *out is the caller's; free it after everything made from it. */
XC_API XC_NODISCARD xc_status xc_context_new(const xc_context_opts *opts, xc_context **out);
XC_API void xc_context_free(xc_context *context);
XC_API int32_t xc_context_threads(const xc_context *context);
/* The kernels that numbers of this precision use: "avx512"; in bf16 "amx", whose sums have an order
 * of their own, "avx512bf16", or those of a level without the instruction, which compute the same
 * as that. */
XC_API const char *xc_context_cpu(const xc_context *context, xc_precision precision);
XC_API const char *xc_context_cpu_features(const xc_context *context); /* "fma avx2 avx512 ..." */

/* ---- pictures -------------------------------------------------------------------------------- */

typedef struct xc_image xc_image;

typedef enum xc_pixel_format { XC_GREY8 = 1, XC_RGB8 = 3, XC_RGBA8 = 4 } xc_pixel_format;

typedef struct xc_image_limits { /* checked from the header, before anything is decoded */
    uint32_t size;
    uint32_t max_side;   /* default 16384 */
    uint64_t max_pixels; /* default 50,000,000 */
    uint64_t max_bytes;  /* of the file; default 64 MiB */
} xc_image_limits;
#define XC_IMAGE_LIMITS_INIT                                                                       \
    {                                                                                              \
        sizeof(xc_image_limits), 16384, 50000000u, 67108864u                                       \
    }

typedef struct xc_image_info {
    uint32_t width, height; /* as stored, before the EXIF turn */
    xc_pixel_format format;
    uint32_t orientation;  /* EXIF 1..8; 1 = upright */
    const char *file_type; /* "jpeg", "png", "webp", "bmp", "pnm", "memory"; static */
} xc_image_info;

/* JPEG, PNG, WebP, BMP and PNM, told apart by content. Grey stays 1 channel, alpha is kept, 16 bit
 * becomes 8 (high byte), CMYK becomes RGB. The orientation is recorded, not applied: the
 * preprocessing of the model decides. *out is the caller's. */
XC_API XC_NODISCARD xc_status xc_image_decode(const void *bytes, size_t count,
                                              const xc_image_limits *limits, xc_image **out);
XC_API XC_NODISCARD xc_status xc_image_load(const char *path, const xc_image_limits *limits,
                                            xc_image **out);
/* Uses the caller's pixels in place: they must outlive the image. stride: bytes from row to row,
 * negative when the last row comes first in memory (pixels: row 0). Sides of 1..1048576. */
XC_API XC_NODISCARD xc_status xc_image_wrap(const void *pixels, uint32_t width, uint32_t height,
                                            ptrdiff_t stride, xc_pixel_format format,
                                            xc_image **out);
XC_API void xc_image_free(xc_image *image);
XC_API void xc_image_get_info(const xc_image *image, xc_image_info *info);
/* Row y of the stored pixels (width x format bytes). */
XC_API const uint8_t *xc_image_row(const xc_image *image, uint32_t y);

typedef enum xc_filter { /* Pillow's 8-bit resampling, byte for byte; the last is TensorFlow's */
                         XC_FILTER_NEAREST,
                         XC_FILTER_BOX,
                         XC_FILTER_BILINEAR,
                         XC_FILTER_HAMMING,
                         XC_FILTER_BICUBIC,
                         XC_FILTER_LANCZOS,
                         XC_FILTER_TF_BILINEAR /* half-pixel centres, no antialias, float result
                                                  (tf.image.resize) */
} xc_filter;

/* The same pixels turned upright by the EXIF orientation, which is then 1. *out is the caller's. */
XC_API XC_NODISCARD xc_status xc_image_upright(const xc_image *image, xc_image **out);
/* At another size, 1..16384 pixels a side and at most 50,000,000 of them; the orientation stays as
 * it is. Each channel for itself, alpha as well. filter: not XC_FILTER_TF_BILINEAR. *out is the
 * caller's. */
XC_API XC_NODISCARD xc_status xc_image_resize(const xc_image *image, uint32_t width,
                                              uint32_t height, xc_filter filter, xc_image **out);
/* 5x7 pixel ASCII at (x, y) of a picture that owns its pixels and is RGB8; cut off at its border.
 */
XC_API XC_NODISCARD xc_status xc_image_text(xc_image *image, int32_t x, int32_t y, const char *text,
                                            const uint8_t rgb[3]);
/* A black picture (alpha 0), to be written on: xc_image_pixels. 1..16384 a side, at most 50,000,000
 * pixels. *out is the caller's. */
XC_API XC_NODISCARD xc_status xc_image_new(uint32_t width, uint32_t height, xc_pixel_format format,
                                           xc_image **out);
/* Row y of a picture that owns its pixels (not wrapped); NULL otherwise. */
XC_API uint8_t *xc_image_pixels(xc_image *image, uint32_t y);

typedef enum xc_codec { XC_CODEC_PNG, XC_CODEC_JPEG } xc_codec;
/* The bytes of a PNG or JPEG file. quality: of JPEG, 1..100; alpha is left out there. The
 * orientation is not written: turn the picture first. *bytes: xc_bytes_free. XC_ERR_UNSUPPORTED
 * where the library was left out of the build. */
XC_API XC_NODISCARD xc_status xc_image_encode(const xc_image *image, xc_codec codec,
                                              int32_t quality, uint8_t **bytes, size_t *count);
XC_API void xc_bytes_free(void *bytes);

typedef enum xc_fit {
    XC_FIT_STRETCH, /* resize to the input size, whatever the aspect */
    XC_FIT_CROP, /* resize the shorter side to floor(input side / crop), then the centre (timm) */
    XC_FIT_PAD   /* pad to the input's aspect, centred, then resize */
} xc_fit;

typedef enum xc_colour { XC_COLOUR_RGB, XC_COLOUR_BGR, XC_COLOUR_GREY } xc_colour;

/* How pixels become the network's input: value = ((byte / divisor) - mean[c]) / std[c], in float32,
 * in this order. Stored in every model file. Begin with one of xc_preprocess_named, or with a
 * model's own. */
typedef struct xc_preprocess {
    uint32_t size;
    xc_fit fit;
    xc_filter filter;
    xc_colour colour;
    bool apply_exif; /* turn upright first */
    bool drop_alpha; /* true: ignore alpha (Pillow's convert); false: compose over background */
    uint8_t background[3];
    uint8_t pad[3]; /* colour of XC_FIT_PAD's border */
    double crop;    /* fraction kept by XC_FIT_CROP, 0 < crop <= 1 */
    float divisor, mean[4], std[4];
} xc_preprocess;

/* Does the path end like one of the pictures that we read (.jpg, .png, ...)? Finding files goes by
 * names, reading them by content. */
XC_API bool xc_path_is_image(const char *path);

/* Named recipes: keras, timm-331, ... (xc_preprocess_name lists them). Fills *out. XC_ERR_ARGUMENT
 * with the list of names when there is no such recipe. */
XC_API XC_NODISCARD xc_status xc_preprocess_named(const char *name, xc_preprocess *out);
/* The name of recipe i = 0, 1, ...; NULL past the last. */
XC_API const char *xc_preprocess_name(int32_t i);

/* The words of flags and files: "stretch", "bicubic", "rgb". NULL outside the enum. */
XC_API const char *xc_fit_name(xc_fit fit);
XC_API const char *xc_filter_name(xc_filter filter);
XC_API const char *xc_colour_name(xc_colour colour);

/* ---- data sets ------------------------------------------------------------------------------- */

typedef struct xc_dataset xc_dataset;
typedef enum xc_split { XC_SPLIT_TRAIN, XC_SPLIT_VAL, XC_SPLIT_TEST } xc_split;
#define XC_SPLITS 3

typedef struct xc_dataset_opts {
    uint32_t size;
    const char *const *classes; /* the classes there are (of a model); NULL = those found */
    uint32_t class_count;
    bool drop_unknown; /* leave samples of other classes out instead of refusing them */
    double val_split;  /* hold out this part of train, stratified, groups undivided; 0 = none; <1 */
    uint64_t seed;     /* of the split */
} xc_dataset_opts;
#define XC_DATASET_OPTS_INIT                                                                       \
    {                                                                                              \
        sizeof(xc_dataset_opts), NULL, 0, false, 0.0, 0                                            \
    }

/* path: a folder (train/CLASS/..., val/CLASS/... or CLASS/...), the same tree in a .tar, WebDataset
 * shards ("s-{000..009}.tar" or a folder of them), a .csv .tsv .jsonl list, a folder of IDX (also
 * .gz) or CIFAR binary files. Reads names and sizes, no picture. *out is the caller's. */
XC_API XC_NODISCARD xc_status xc_dataset_open(const char *path, const xc_dataset_opts *opts,
                                              xc_dataset **out);

typedef struct xc_source_sample { /* strings are copied */
    const char *name;             /* unique and stable */
    const char *label;            /* a class name, or a whole number; several divided by '|' */
    const char *group;            /* never divided by a split; NULL = alone */
    uint64_t bytes;               /* of the encoded picture, as far as known: for the fingerprint */
    float weight;                 /* 0..1e6, preset to 1 */
    xc_split split;
} xc_source_sample;
/* The encoded picture of sample i into `to`, which has room for `room` bytes; *size: what it has.
 * Above room nothing is written, and the call comes again. At most 64 MiB. Called from several
 * threads. */
typedef xc_status xc_read_fn(void *user, uint64_t i, void *to, size_t room, size_t *size);

/* Pictures that a program has. A status outside the list counts as XC_ERR_IO. What `describe`
 * refuses ends the opening; a picture that `read` refuses is one that cannot be read. */
typedef struct xc_source {
    uint32_t size;
    void *user;
    uint64_t samples;
    xc_status (*describe)(void *user, uint64_t i, xc_source_sample *out); /* once each, in order */
    xc_read_fn *read;
    const char *name; /* in sentences, copied; NULL = "program" */
} xc_source;
#define XC_SOURCE_INIT                                                                             \
    {                                                                                              \
        sizeof(xc_source), NULL, 0, NULL, NULL, NULL                                               \
    }
/* user and what it points to must outlive the data set. */
XC_API XC_NODISCARD xc_status xc_dataset_new(const xc_source *source, const xc_dataset_opts *opts,
                                             xc_dataset **out);
XC_API void xc_dataset_free(xc_dataset *dataset);

typedef struct xc_dataset_info {
    const char *kind; /* "folder", "tar", "webdataset", "list", "idx", "cifar", "program" */
    uint32_t classes;
    uint64_t samples, split[XC_SPLITS];
    bool multi_label;
    uint32_t raw_height, raw_width, raw_channels; /* pictures stored as pixels; 0 = encoded */
    const char *fingerprint;                      /* SHA-256 of names, sizes and labels, in hex */
} xc_dataset_info;
/* Strings live as long as the data set. */
XC_API void xc_dataset_get_info(const xc_dataset *dataset, xc_dataset_info *out);
XC_API const char *xc_dataset_class(const xc_dataset *dataset, uint32_t index); /* NULL past end */
/* What was left out while opening, one sentence each; NULL past the last. */
XC_API const char *xc_dataset_note(const xc_dataset *dataset, uint32_t index);
XC_API const char *xc_split_name(xc_split split); /* "train", "val", "test"; NULL past the last */

typedef struct xc_sample {
    const char *name;
    uint64_t bytes;
    const int32_t *extra; /* further labels of a multi-label sample */
    uint32_t extra_count;
    uint32_t label;
    uint32_t group; /* 0 = alone */
    float weight;
    xc_split split;
} xc_sample;
/* Sample 0, 1, ...: ascending names. */
XC_API XC_NODISCARD xc_status xc_dataset_sample(const xc_dataset *dataset, uint64_t index,
                                                xc_sample *out);
/* Its picture, decoded: *out is the caller's. */
XC_API XC_NODISCARD xc_status xc_dataset_image(const xc_dataset *dataset, uint64_t index,
                                               const xc_image_limits *limits, xc_image **out);
/* Its picture's bytes as they are stored: an encoded file or, in a data set of pixels (raw_height),
 * height x width x channels. As xc_read_fn: *size is what it has; above room nothing is written,
 * and with room 0 `to` may be NULL. */
XC_API XC_NODISCARD xc_status xc_dataset_read(const xc_dataset *dataset, uint64_t index, void *to,
                                              size_t room, size_t *size);
/* Can a network learn from it? At least two classes with two samples each, and no class that only
 * validation has. */
XC_API XC_NODISCARD xc_status xc_dataset_trainable(const xc_dataset *dataset);

/* Told now and then from the calling thread; false: stop, with XC_ERR_CANCELLED. */
typedef bool xc_progress_fn(void *user, uint64_t done, uint64_t all);

typedef struct xc_scan xc_scan;
typedef struct xc_scan_info {
    uint64_t samples, unreadable;
    uint64_t same;           /* pictures whose pixels another sample has, too */
    uint64_t leaks;          /* of these, in another split than the first one */
    uint64_t conflicts;      /* of these, with another label */
    uint64_t near;           /* pictures that look like an earlier one, with other pixels */
    uint64_t near_leaks;     /* of these, in another split than it */
    uint64_t near_conflicts; /* of these, with another label */
    uint64_t misnamed;       /* pictures whose name ends like another format */
    double mean[3], std[3];  /* of red, green, blue in 0..255, over all pixels */
} xc_scan_info;
typedef struct xc_scanned {
    const char *reason; /* why it cannot be read; NULL: it can */
    uint32_t width, height;
    uint64_t same_as; /* the first sample with the same pixels; its own index: there is none */
    uint64_t near_to; /* the first that looks the same: rescaled, recompressed, a little cropped */
    const char *content; /* "png": the format, where the name ends like another; NULL: as it ends */
} xc_scanned;
/* Reads every picture. progress may be NULL. *out is the caller's. */
XC_API XC_NODISCARD xc_status xc_dataset_scan(xc_context *context, const xc_dataset *dataset,
                                              xc_progress_fn *progress, void *user, xc_scan **out);
XC_API void xc_scan_free(xc_scan *scan);
XC_API void xc_scan_get_info(const xc_scan *scan, xc_scan_info *out);
XC_API XC_NODISCARD xc_status xc_scan_sample(const xc_scan *scan, uint64_t index, xc_scanned *out);

/* Writes tar files that xc_dataset_open reads: one tar with split/CLASS/name (shard_bytes 0), or a
 * folder of WebDataset shards of about that size, shuffled by seed, which must hold no shards yet.
 * progress (may be NULL) is told after each sample; where it stops, nothing is left. files: how
 * many there are now, or NULL. */
XC_API XC_NODISCARD xc_status xc_dataset_pack(const xc_dataset *dataset, const char *path,
                                              uint64_t shard_bytes, uint64_t seed,
                                              xc_progress_fn *progress, void *user,
                                              uint32_t *files);

typedef struct xc_sheet_opts {
    uint32_t size;
    xc_split split;
    uint32_t height, width;          /* of the network's input, at most 4096; 0 = 160 */
    uint32_t columns, rows;          /* at most 1024; 0 = 8, 6 */
    const xc_preprocess *preprocess; /* NULL = that of recipe "keras" */
    const char *augment; /* "rrc,flip,...", "none" or the name of a ready-made one; NULL = "none" */
    uint64_t seed;
    uint32_t epoch;
} xc_sheet_opts;
#define XC_SHEET_OPTS_INIT                                                                         \
    {                                                                                              \
        sizeof(xc_sheet_opts), XC_SPLIT_TRAIN, 0, 0, 0, 0, NULL, NULL, 0, 0                        \
    }
/* Writes a PNG of what the network sees: a grid of samples as they are after augmentation. */
XC_API XC_NODISCARD xc_status xc_dataset_sheet(const xc_dataset *dataset, const xc_sheet_opts *opts,
                                               const char *path);
/* Ready-made augmentation i = 0, 1, ... and what it stands for; NULL past the last. */
XC_API const char *xc_augment_name(int32_t i, const char **spec);

/* ---- models ---------------------------------------------------------------------------------- */

typedef struct xc_model xc_model;

typedef struct xc_load_opts {
    uint32_t size;
    bool read_into_memory; /* false: map the file (a file truncated while mapped raises SIGBUS);
                              true: copy it, as a long-running server should */
} xc_load_opts;
#define XC_LOAD_OPTS_INIT                                                                          \
    {                                                                                              \
        sizeof(xc_load_opts), false                                                                \
    }

/* Reads our safetensors files only, of at most 16 GiB; starts no process. *out holds one reference.
 */
XC_API XC_NODISCARD xc_status xc_model_load(xc_context *context, const char *path,
                                            const xc_load_opts *opts, xc_model **out);
/* The same from memory, which must outlive the model. */
XC_API XC_NODISCARD xc_status xc_model_load_memory(xc_context *context, const void *bytes,
                                                   size_t count, xc_model **out);

typedef struct xc_import_opts {
    uint32_t size;
    const char *arch; /* of a file that holds weights only; NULL = recognise; refused when the file
                         says its own */
    const char *helper;    /* path of xception-import; NULL = where it was installed */
    uint64_t max_memory;   /* the child's address space, and what it may give, bytes; 0 = 4 GiB */
    uint32_t max_seconds;  /* the child's CPU time; 0 = 120 */
    bool read_into_memory; /* as in xc_load_opts, of safetensors */
} xc_import_opts;
#define XC_IMPORT_OPTS_INIT                                                                        \
    {                                                                                              \
        sizeof(xc_import_opts), NULL, NULL, 0, 0, false                                            \
    }

/* Foreign files (Keras .h5 .hdf5 .keras .weights.h5, PyTorch .pth, timm .safetensors, face-api
 * manifest). Safetensors are read strictly in this process, everything else by a child process
 * under the resource limits. *out holds one reference. */
XC_API XC_NODISCARD xc_status xc_model_import(xc_context *context, const char *path,
                                              const xc_import_opts *opts, xc_model **out);

typedef enum xc_weights {
    XC_WEIGHTS_NONE,   /* shapes only: summary and cost, no session */
    XC_WEIGHTS_RANDOM, /* He-scaled normal numbers, a function of the seed alone */
    XC_WEIGHTS_GOLDEN  /* the published test pattern (docs/numerics.md) */
} xc_weights;

typedef struct xc_create_opts {
    uint32_t size;
    uint32_t height, width, channels, classes; /* 0 = the architecture's own */
    xc_weights weights;
    uint64_t seed;
} xc_create_opts;
#define XC_CREATE_OPTS_INIT                                                                        \
    {                                                                                              \
        sizeof(xc_create_opts), 0, 0, 0, 0, XC_WEIGHTS_NONE, 0                                     \
    }

/* arch: "xception", "xception,middle=4,width=0.5", "xception41", "mini-xception", ... */
XC_API XC_NODISCARD xc_status xc_model_create(xc_context *context, const char *arch,
                                              const xc_create_opts *opts, xc_model **out);
/* (1 - part) first + part second, part 0..1, of all parameters, moving statistics included: of runs
 * that parted from one start often better than each (model soups, Wortsman et al. 2022).
 * Preprocessing and input size are those of `first`, so are the labels, if it has any; what was
 * fitted (xc_decision) is left out. XC_ERR_SHAPE: they are not of one architecture, up to the size
 * of the input, or have other labels; XC_ERR_UNSUPPORTED: one is packed. *out holds one reference.
 */
XC_API XC_NODISCARD xc_status xc_model_mix(const xc_model *first, const xc_model *second,
                                           double part, xc_model **out);
/* The name of architecture i = 0, 1, ... with one line of help; NULL past the last. */
XC_API const char *xc_arch_name(int32_t i, const char **help);

XC_API xc_model *xc_model_ref(xc_model *model); /* returns its argument */
XC_API void xc_model_unref(xc_model *model);    /* frees with the last reference */

typedef struct xc_model_info {
    const char *arch;    /* canonical architecture string; strings live as long as the model */
    const char *flavour; /* "keras" or "timm": batch-norm epsilon and pool padding */
    const char *source;  /* provenance: the file it was imported from, or "" */
    const char *licence; /* of the weights, or "" */
    const char *packing; /* of a packed file: number type and layout, "f32 panel16"; "" otherwise */
    const char *original;             /* SHA-256 of the file that it was packed from, or "" */
    uint32_t height, width, channels; /* the input it was made for */
    uint32_t min_side;                /* the smallest input side that the graph takes */
    uint32_t classes;                 /* length of the main output */
    uint32_t outputs;                 /* 1, or more where a network has several heads */
    uint32_t layers;                  /* that give the answer, and after them those of */
    uint32_t auxiliary_layers;        /* auxiliary losses, which only training computes */
    bool has_weights, has_labels;
    bool has_softmax, has_sigmoid; /* how the main output ends; neither: in scores before either */
    bool classifies;               /* the main output is scores of classes, not a map or features */
    bool scales_pixels;            /* the network scales by itself: preprocessing must not */
    uint64_t params, trainable;    /* of all layers */
    uint64_t macs;                 /* of an answer, at the input above */
    uint64_t activation_bytes;     /* planned for activations, float32, batch 1, on its threads */
    uint64_t weight_bytes;
    xc_preprocess preprocess;
} xc_model_info;

XC_API const xc_model_info *xc_model_get_info(const xc_model *model);
/* Label of a class, or NULL when the model has none. */
XC_API const char *xc_model_label(const xc_model *model, uint32_t index);
/* Name of output i: 0 is the classification; NULL past the last. */
XC_API const char *xc_model_output_name(const xc_model *model, uint32_t index);

typedef struct xc_layer {
    const char *name;                 /* "block4_sepconv1" */
    const char *kind;                 /* "Conv", "SepConv", "BatchNorm", "MaxPool", ... */
    const char *detail;               /* "3x3/2 valid" */
    const char *inputs;               /* names of the layers read, comma-separated */
    uint32_t height, width, channels; /* of its output */
    uint64_t params, trainable, macs;
} xc_layer;
/* index: below layers + auxiliary_layers. A session computes, and can tap, all but the auxiliary
 * ones and what has batch norm behind it (tap that). */
XC_API XC_NODISCARD xc_status xc_model_layer(const xc_model *model, uint32_t index, xc_layer *out);

/* What says that a picture shows none of the classes. */
typedef enum xc_reject {
    XC_REJECT_NONE,
    XC_REJECT_MAX_LOGIT, /* a small largest logit (Hendrycks et al. 2022) */
    XC_REJECT_ENERGY     /* a small log-sum-exp of the logits (Liu et al. 2020) */
} xc_reject;
XC_API const char *xc_reject_name(xc_reject reject); /* "max-logit"; NULL outside the enum */

/* How logits become an answer, once the model was calibrated (xception eval); part of its file. */
typedef struct xc_decision {
    uint32_t size;
    double temperature;  /* probabilities are those of logits / temperature; 1 = as trained */
    xc_reject reject;    /* "unknown" when this score is */
    double reject_below; /* smaller than this */
    const double *least; /* (classes): "unknown" when the best class is less probable than this; of
                            several labels a picture: when each is. NULL = none */
} xc_decision;
#define XC_DECISION_INIT                                                                           \
    {                                                                                              \
        sizeof(xc_decision), 1.0, XC_REJECT_NONE, 0.0, NULL                                        \
    }
XC_API const xc_decision *xc_model_decision(const xc_model *model); /* lives with the model */

typedef struct xc_save_opts {
    uint32_t size;
    const char *const *labels;       /* replaces the labels; NULL = keep */
    uint32_t label_count;            /* must equal the number of classes */
    const xc_preprocess *preprocess; /* replaces the preprocessing; NULL = keep */
    const char *licence;             /* replaces it; NULL = keep */
    const char *pack;       /* "avx2", "": write a packed file for this level, for this machine's */
    const char *original;   /* of a packed file: SHA-256 of the model file; NULL = unknown */
    xc_precision precision; /* of a packed file: F32, BF16, or AUTO for this machine's */
    const char *store; /* of an unpacked one: "f16", "bf16": how kernels are kept; NULL = "f32" */
    const xc_decision *decision; /* replaces it; NULL = keep */
} xc_save_opts;
#define XC_SAVE_OPTS_INIT                                                                          \
    {                                                                                              \
        sizeof(xc_save_opts), NULL, 0, NULL, NULL, NULL, NULL, XC_PRECISION_F32, NULL, NULL        \
    }

/* Writes safetensors, atomically: the old file stays until the new one is complete and synced.
 * The same model gives the same bytes. Kernels kept in 16 bits take half the space and are rounded
 * to the nearest number there is; biases and batch norm stay float32. A packed file is for running:
 * batch norm is folded and the numbers lie as the kernels read them, so that xc_model_load maps the
 * file and nothing is copied. Levels may share a packing (xc_model_info.packing); one that packs
 * otherwise runs it too, from a copy. What needs the parameters (saving again, sessions of another
 * precision) refuses a packed model with XC_ERR_UNSUPPORTED. */
XC_API XC_NODISCARD xc_status xc_model_save(const xc_model *model, const char *path,
                                            const xc_save_opts *opts);
/* What the import did with the foreign tensors, one line each ("mapped A -> B", "unused A"); "" for
 * a model that was not imported. */
XC_API const char *xc_model_import_report(const xc_model *model);

/* Writes a file atomically: the old one stays until the new one is complete and synced. */
XC_API XC_NODISCARD xc_status xc_file_write(const char *path, const void *bytes, size_t count);
/* SHA-256 of a whole regular file, as 64 hex digits: what identifies a model. Reads all of it. */
XC_API XC_NODISCARD xc_status xc_file_sha256(const char *path, char hex[65]);

/* The label of class i of ImageNet-1k: words and WordNet id ("n01440764"). NULL outside 0..999. */
XC_API const char *xc_imagenet_label(uint32_t index);
XC_API const char *xc_imagenet_wnid(uint32_t index);

/* ---- sessions -------------------------------------------------------------------------------- */

typedef struct xc_session xc_session;

typedef enum xc_algo {
    XC_ALGO_DIRECT,
    XC_ALGO_FAST /* seven multiplications for eight in large pointwise layers (Strassen, Winograd),
                    six for twelve in layers with windows of three columns (Winograd): other last
                    bits, still the same on every processor; more memory for weights; float32 and
                    float64 only: with XC_PRECISION_AUTO float32 */
} xc_algo;

typedef struct xc_session_opts {
    uint32_t size;
    uint32_t max_batch;              /* 1..1024; 0 = 1; with room for as many results */
    uint32_t height, width;          /* 0 = the model's own */
    xc_precision precision;          /* of a packed file its own, or AUTO, which is that */
    const xc_preprocess *preprocess; /* NULL = the model's own */
    const char *const *taps;         /* layers whose outputs xc_session_read gives after a run */
    uint32_t tap_count;
    xc_algo algo;
} xc_session_opts;
#define XC_SESSION_OPTS_INIT                                                                       \
    {                                                                                              \
        sizeof(xc_session_opts), 0, 0, 0, XC_PRECISION_F32, NULL, NULL, 0, XC_ALGO_DIRECT          \
    }

/* One thread at a time. Holds a reference to the model; all memory is taken here. A batch runs
 * image by image, on all threads of the context: with max_batch at least their number each thread
 * has memory for an image, and either takes whole images or shares one after the other with all,
 * whichever was faster lately; else all work on one (least memory). Beyond that, activations take
 * no more memory for a larger batch. The thread that runs a session, or trains, needs 512 KiB of
 * stack. opts NULL: float32, or what a packed model is packed for; XC_ERR_UNSUPPORTED: a packed
 * model, and another precision. */
XC_API XC_NODISCARD xc_status xc_session_new(xc_model *model, const xc_session_opts *opts,
                                             xc_session **out);
XC_API void xc_session_free(xc_session *session);
/* Makes the run in progress end with XC_ERR_CANCELLED, looked at between steps; from any thread.
 * Without one nothing happens: the next run is a new one. */
XC_API void xc_session_cancel(xc_session *session);
XC_API void xc_session_size(const xc_session *session, uint32_t *height, uint32_t *width,
                            uint32_t *channels);
/* Memory for activations. */
XC_API uint64_t xc_session_arena_bytes(const xc_session *session);

/* Image to network input: (height, width, channels) float32 into out. */
XC_API XC_NODISCARD xc_status xc_prepare(xc_session *session, const xc_image *image, float *out);

/* Runs on input (n, height, width, channels), 1 <= n <= max_batch. Read the results with
 * xc_session_read. */
XC_API XC_NODISCARD xc_status xc_run(xc_session *session, const float *input, uint32_t n);

/* After a run: the values of an output or a tap, densely packed (n, h, w, c).
 * name: "logits" (before the softmax), "probs" (after it), the name of a further output ("age"), or
 * of a tapped layer. count: floats that out has room for. *written: floats there are; with out NULL
 * only *written is set. */
XC_API XC_NODISCARD xc_status xc_session_read(const xc_session *session, const char *name,
                                              float *out, size_t count, size_t *written);
/* The same in double (exact for XC_PRECISION_F64). */
XC_API XC_NODISCARD xc_status xc_session_read_f64(const xc_session *session, const char *name,
                                                  double *out, size_t count, size_t *written);
/* What one image of a result is: (height, width, channels). Any pointer may be NULL. */
XC_API XC_NODISCARD xc_status xc_session_shape(const xc_session *session, const char *name,
                                               uint32_t *height, uint32_t *width,
                                               uint32_t *channels);

typedef struct xc_answer {
    uint32_t index;
    float prob;
    const char *label; /* lives as long as the model; "class 17" style text is the caller's job */
} xc_answer;

/* prepare + run + top-k for n images (n <= max_batch). answers: n rows of k, best first; equal
 * probabilities in index order. Past the number of classes a row has index UINT32_MAX.
 * XC_ERR_NUMBER: a score is NaN; XC_ERR_ARGUMENT: the main output is no scores of classes, too. */
XC_API XC_NODISCARD xc_status xc_classify(xc_session *session, const xc_image *const *images,
                                          uint32_t n, uint32_t k, xc_answer *answers);
/* After a run: does the model's decision say that image i shows none of the classes? */
XC_API bool xc_session_unknown(xc_session *session, uint32_t image);

/* ---- training -------------------------------------------------------------------------------- */

typedef enum xc_train_event {
    XC_TRAIN_FEATURES, /* pictures go through the frozen layers, once: done of all */
    XC_TRAIN_STEP,     /* a step is done */
    XC_TRAIN_EVALUATE, /* validation pictures: done of all */
    XC_TRAIN_EPOCH,    /* an epoch is done, and evaluated: val_..., is_best */
    XC_TRAIN_SAVED,    /* everything is on disk: a killed run goes on from here */
    XC_TRAIN_NOTE,     /* note: something that a person should know, the run goes on */
    XC_TRAIN_DONE      /* note: why it ended, and what saving took */
} xc_train_event;

typedef struct xc_train_progress {
    xc_train_event event;
    const char *folder, *note; /* valid during the call */
    uint32_t epoch, epochs;    /* epoch counts from 1 */
    uint32_t step, steps;      /* of this epoch */
    uint64_t done, all;
    double lr;         /* of the step that follows */
    double loss, top1; /* means of this epoch so far (0 before its first step), of what the network
                        * saw (what could not be read does not count); top1 is a fraction */
    double seconds;    /* trained so far, earlier processes included */
    double images_per_second;
    double val_loss, val_top1, val_top5;
    bool is_best;
    uint64_t unreadable; /* DONE: pictures that could not be read; bad.txt lists them */
    double best_top1;    /* on val; -1: none yet. Among equals the loss decides which epoch is best,
                          * and with several labels a picture the loss alone */
    uint32_t best_epoch;
} xc_train_progress;
/* From the calling thread, after every step; false: save and stop, with XC_ERR_CANCELLED. */
typedef bool xc_train_fn(void *user, const xc_train_progress *progress);

#define XC_MAX_TEACHERS 8

/* Of texts NULL, of counts 0, of other numbers -1: as the recipe has it, where no other default is
 * named. Everything is read, and copied, during the call. A batch has at most 4096 pictures, a run
 * 100,000 epochs and 1000 views. */
typedef struct xc_train_opts {
    uint32_t size;
    const char *folder;   /* the run folder. Its parent must exist; it must not, or hold nothing but
                           * what a run that was killed before its first state left: no epoch */
    const char *arch;     /* a fresh network, or */
    const xc_model *from; /* a start model; its head is replaced when the classes are others, or */
    const char *args;     /* the args.json of another run, which is done once more: of the other
                           * options from (if that run had it), command, and what never changes a
                           * number are read; the data set may be NULL */
    uint32_t height, width; /* of the input; 0 = the network's own */
    const char *preprocess; /* a named recipe of pixels; NULL = the model's, or the architecture's
                             * with pictures turned upright */
    const char *recipe;     /* "finetune" (usual with from), "scratch" (without), "cifar",
                             * "paper-imagenet", "paper-jft" */
    const char *freeze;     /* none, stem, entry, middle, all-but-head, or a block: up to there */
    const char *augment;    /* as in xc_sheet_opts */
    const char *optimizer;  /* sgd, rmsprop, adamw; another than the recipe's brings its usual lr
                             * and weight decay */
    const char *schedule;   /* constant, step, cosine, one-cycle, plateau */
    const char *decay;      /* what decays: kernels, depthwise (those, too), all */
    const char *class_weights;   /* "none"; "auto": samples / (classes x samples of the class) */
    const float *class_weight;   /* or one a class, 0..1e6; a loss is times that of its class */
    uint32_t class_weight_count; /* of them */
    uint32_t epochs, batch;
    uint32_t accumulate; /* batches a step; batch norm takes the statistics of each by itself */
    uint32_t views;      /* of each picture that frozen layers see; 1 = no augmentation */
    double lr, least_lr, warmup;    /* lr: 1e-12..1e6. least_lr: where cosine ends; warm-up in
                                     * epochs */
    double step_factor, step_every; /* step: lr times factor every so many epochs; plateau: after
                                     * more than so many without a better top-1 on val (with
                                     * several labels a picture: a lower loss) */
    double momentum, weight_decay, smoothing, clip; /* smoothing at most 0.999 */
    double ema;         /* decay of the averaged weights, which then count; 0 = none. Batch norm's
                         * moving statistics are averaged with them. This, momentum and
                         * bn_momentum: at most 0.9999999 */
    double bn_momentum; /* part of batch norm's old statistics that stays; 0 = the network's */
    double dropout;     /* before the last layer of a fresh head; -1 = what arch says, or else the
                         * recipe's. An arch that says another one is refused. */
    uint32_t patience;  /* end after so many epochs without a better one; 0 = do not */
    double time_limit;  /* seconds of training after which it ends, also inside an epoch, those of
                         * earlier processes included; 0 = none. xc_train_resume: for so many
                         * seconds more */
    double target_top1; /* end when val reaches this fraction; 0 = do not */
    uint64_t seed;
    const char *unfreeze; /* "BLOCK@EPOCH,...": from then on it learns, and all behind it; also all,
                           * entry, middle, exit */
    const char *head;     /* a fresh head: "linear", or hidden layers "512,128" with ReLU and
                           * dropout; NULL = one is made when the classes are others */
    double trunk_rate;    /* times lr in front of the head; -1 = as the recipe has it */
    double depthwise_rate; /* times lr of depthwise kernels; -1 = as the recipe has it */
    double sam; /* sharpness-aware minimisation (arXiv 2010.01412): the gradient is that of weights
                 * this far up the slope, which takes a second pass; 0 = none; -1 = the recipe's */
    bool features_bf16;     /* what frozen layers say of a picture is rounded to bf16 */
    xc_precision precision; /* of maps and their gradients: F32, BF16, or AUTO. Weights, sums and
                             * statistics are float32, and so is evaluation */
    /* Distillation: models of the same classes (by name, where both have names) and channels,
     * XC_MAX_TEACHERS at most, whose mean answer is a part of each target. They see each picture as
     * the network does, augmented and mixed, but at their own size, scale of pixels and order of
     * colours; the run folder gets copies. Not with frozen layers. With args: those that the run
     * had. */
    xc_model *const *teacher;
    uint32_t teachers;
    double teacher_part; /* above 0, at most 1; -1 = 0.7 */
    /* What never changes a number: */
    uint32_t until;          /* end after this epoch, to go on with xc_train_resume; 0 = all */
    uint32_t decode_threads; /* 1..64; 0 = 2 */
    uint64_t cache_bytes;    /* of pictures that stay in memory, if the run leaves it; 0 = none */
    bool stop_on_bad;        /* a picture that cannot be read ends the run; else it is left out, and
                              * listed in bad.txt */
    double save_seconds;     /* between two checkpoints (600); 0 = after every step */
    const char *command;     /* for args.json: what the user typed */
    xc_train_fn *progress;   /* NULL = nobody */
    void *user;
    const char *features;    /* where what frozen layers say is kept, if it fits: "ram" (usual),
                              * "disk" (in the run folder), "off" */
    uint64_t features_bytes; /* at most; 0 = half of the memory, or of what is free on the disk */
    uint64_t memory_bytes;   /* that a run may take, refused with the largest batch that fits; 0 =
                              * what the control group, or else the machine, has */
} xc_train_opts;
#define XC_TRAIN_OPTS_INIT                                                                         \
    {                                                                                              \
        sizeof(xc_train_opts), NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL,   \
            NULL, NULL, NULL, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0,    \
            -1, -1, 0, NULL, NULL, -1, -1, -1, false, XC_PRECISION_F32, NULL, 0, -1, 0, 0, 0,      \
            false, 600, NULL, NULL, NULL, NULL, 0, 0                                               \
    }

/* Trains on the data's train split, evaluates on val after each epoch, and leaves in the folder
 * best.safetensors and last.safetensors (models), state.safetensors, metrics.csv, curves.svg,
 * TensorBoard events, batch-train.png, batch-val.png, args.json, log.txt, split.csv where part of
 * train was held out, bad.txt where pictures cannot be read, teacher-1.safetensors, ... where there
 * are teachers; when it has ended, of the best weights: evaluation.json, classes.csv,
 * confusion.csv, confusion.svg, model-card.md. The same arguments give the same bits, whatever the
 * number of threads, and whatever the processor, but for bf16 in tile registers (cpu of the
 * context). XC_ERR_CANCELLED: stopped, and saved. XC_ERR_NUMBER: a number went bad; the sentence
 * names the first layer, the files are of the last save. */
XC_API XC_NODISCARD xc_status xc_train(xc_context *context, const xc_dataset *dataset,
                                       const xc_train_opts *opts);
/* Goes on with a run that was stopped or killed, with the bits of one that was not (so a run in
 * bf16 that began with tile registers needs them; one without goes on without). Of the options
 * folder, time_limit, progress, user and what never changes a number are read. dataset NULL: opened
 * where the run had it; refused when it has changed. */
XC_API XC_NODISCARD xc_status xc_train_resume(xc_context *context, const xc_dataset *dataset,
                                              const xc_train_opts *opts);

/* ---- measuring ------------------------------------------------------------------------------- */

/* Multiply-adds a second that the context's threads reach together when they wait for nothing:
 * independent sums in registers, with the instructions that carry this precision. What a run can at
 * best do on this machine at this minute. Takes about `seconds`, 0..60. */
XC_API XC_NODISCARD xc_status xc_context_peak(xc_context *context, xc_precision precision,
                                              double seconds, double *out);

/* What one step of a run does. Several layers may be one step. */
typedef struct xc_step {
    const char *name;                 /* of the layer that does the work; lives with the session */
    const char *kind;                 /* its operator: "conv", "pool", ... */
    uint32_t height, width, channels; /* of its result */
    uint64_t macs;                    /* multiply-adds an image */
} xc_step;
XC_API uint32_t xc_session_steps(const xc_session *session);
XC_API XC_NODISCARD xc_status xc_session_step(const xc_session *session, uint32_t index,
                                              xc_step *out);
/* xc_run that says where the time goes: seconds[i] is that of step i, of xc_session_steps. One
 * image runs after the other, each on all threads. */
XC_API XC_NODISCARD xc_status xc_run_timed(xc_session *session, const float *input, uint32_t n,
                                           double *seconds);

/* A step of training on pictures of no meaning, again and again: forward, backward, SGD with
 * momentum. What `xception bench --train` measures. */
typedef struct xc_practice xc_practice;
typedef struct xc_practice_opts {
    uint32_t size;
    uint32_t height, width; /* at most 32768; 0 = the architecture's own */
    uint32_t batch;         /* 1..4096 */
    uint64_t memory;        /* bytes for weights, gradients, momentum and maps; 0 = any */
    xc_precision precision; /* of the maps: F32, BF16, AUTO */
} xc_practice_opts;
#define XC_PRACTICE_OPTS_INIT                                                                      \
    {                                                                                              \
        sizeof(xc_practice_opts), 0, 0, 16, 0, XC_PRECISION_F32                                    \
    }
typedef struct xc_practice_info {
    const char *arch; /* canonical; lives with the practice */
    uint32_t height, width, channels;
    uint64_t macs;       /* of an image: forward, and all gradients; not what is computed again */
    uint64_t arena;      /* bytes for maps */
    uint64_t parameters; /* trained ones */
} xc_practice_info;

/* Random weights. The context must outlive it. XC_ERR_LIMIT: it does not fit `memory`, even when
 * what can be computed again is not kept; the sentence says what it takes. Caller frees. */
XC_API XC_NODISCARD xc_status xc_practice_new(xc_context *context, const char *arch,
                                              const xc_practice_opts *opts, xc_practice **out);
XC_API void xc_practice_free(xc_practice *practice);
XC_API XC_NODISCARD xc_status xc_practice_step(xc_practice *practice);
XC_API void xc_practice_get_info(const xc_practice *practice, xc_practice_info *out);

#ifdef __cplusplus
}
#endif

#include "xception/evaluate.h"
#include "xception/explain.h"

#endif
