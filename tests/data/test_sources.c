/* SPDX-License-Identifier: Apache-2.0 */
/* Does every source find what is there, under the same names, and refuse what is wrong? */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"

static void shade_is(const struct dataset *d, const char *name, int shade)
{
    struct sample_bytes bytes = {0};
    struct error err = {XC_OK, ""};
    xc_image *image = NULL;
    size_t index = (size_t)(sample_of(d, name) - d->sample);
    if (dataset_image(d, index, &bytes, NULL, &image, &err) != XC_OK) STOP("%s", err.text);
    assert_int_equal(image->pixels[0], shade);
    image_free(image);
    sample_bytes_free(&bytes);
}

static void make_tree(const char *root)
{
    put_picture(root, "train/cat/1.ppm", 4, 3, 10);
    put_picture(root, "train/cat/deep/2.PPM", 4, 3, 11);
    put_picture(root, "train/10 dog/3.ppm", 4, 3, 12);
    put_picture(root, "train/9 ant/4.ppm", 4, 3, 13);
    put_picture(root, "Validation/cat/5.ppm", 4, 3, 14);
    put_picture(root, "test/9 ant/6.ppm", 4, 3, 15);
    put_text(root, "train/cat/.hidden.jpg", "");
    put_text(root, "train/cat/notes.txt", "no picture");
    put_text(root, "train/stray.ppm", "beside the classes");
}

static void test_folder(void **state)
{
    (void)state;
    char *root = scratch_new();
    make_tree(root);
    struct dataset *d = open_or_fail(root, "", NULL);
    assert_int_equal(d->samples, 6);
    assert_int_equal(d->classes, 3);
    assert_string_equal(d->class_name[0], "10 dog"); /* byte order */
    assert_string_equal(d->class_name[1], "9 ant");
    assert_string_equal(d->class_name[2], "cat");
    assert_int_equal(d->count[XC_SPLIT_TRAIN], 4);
    assert_int_equal(d->count[XC_SPLIT_VAL], 1);
    assert_int_equal(d->count[XC_SPLIT_TEST], 1);
    assert_int_equal(sample_of(d, "train/cat/deep/2.PPM")->label, 2);
    assert_int_equal(sample_of(d, "Validation/cat/5.ppm")->split, XC_SPLIT_VAL);
    shade_is(d, "train/9 ant/4.ppm", 13);
    assert_int_equal(d->notes, 3);
    assert_string_equal(d->note[0], "1 hidden entry was left out");
    assert_string_equal(d->note[1], "1 picture that is in no folder of a class was left out");
    assert_string_equal(d->note[2], "1 entry that is no picture was left out");
    dataset_free(d);
    scratch_end(root);
}

/* A class may be called "test" where nothing is called "train". */
static void test_folder_without_splits(void **state)
{
    (void)state;
    char *root = scratch_new();
    put_picture(root, "set/test/1.ppm", 2, 2, 1);
    put_picture(root, "set/other/1.ppm", 2, 2, 2);
    put_picture(root, "twice/train/a/1.ppm", 2, 2, 1);
    put_picture(root, "twice/val/a/1.ppm", 2, 2, 1);
    put_picture(root, "twice/valid/a/1.ppm", 2, 2, 1);
    put_picture(root, "flat/1.ppm", 2, 2, 1);
    put_text(root, "empty/cat/x.txt", "");
    struct dataset *d = open_or_fail(root, "set", NULL);
    assert_int_equal(d->classes, 2);
    assert_int_equal(d->count[XC_SPLIT_TRAIN], 2);
    dataset_free(d);
    refused(root, "twice", NULL, XC_ERR_FORMAT, "two folders for val", "valid");
    refused(root, "flat", NULL, XC_ERR_FORMAT, "1 pictures, none of them in a folder", "flat");
    refused(root, "empty", NULL, XC_ERR_FORMAT, "no picture found", NULL);
    refused(root, "missing", NULL, XC_ERR_IO, "missing", "No such file");
    scratch_end(root);
}

/* The same tree gives the same names, labels and fingerprint through a tar, also below one folder.
 */
static void test_tar_is_the_folder(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct tar_out tar = {0}, deep = {0};
    char name[400];
    memset(name, 'x', sizeof name);
    memcpy(name, "train/cat/", 10);
    strcpy(name + 200, ".ppm");
    tar_picture(&tar, name, 30);
    tar_picture(&tar, "train/dog/2.ppm", 31);
    tar_picture(&tar, "val/dog/3.ppm", 32);
    tar_put(&tar, "README.txt", "hello", 5);
    tar_close(&tar, root, "tree.tar");
    put_picture(root, "tree/train/dog/2.ppm", 4, 3, 31);
    put_picture(root, "tree/val/dog/3.ppm", 4, 3, 32);
    char path[512];
    snprintf(path, sizeof path, "tree/%s", name);
    put_picture(root, path, 4, 3, 30);
    tar_picture(&deep, "./pets/train/dog/2.ppm", 31);
    tar_picture(&deep, "./pets/val/dog/3.ppm", 32);
    tar_close(&deep, root, "deep.tar");
    struct dataset *a = open_or_fail(root, "tree", NULL), *b = open_or_fail(root, "tree.tar", NULL);
    assert_string_equal(a->fingerprint, b->fingerprint);
    shade_is(b, name, 30);
    shade_is(b, "val/dog/3.ppm", 32);
    dataset_free(a);
    dataset_free(b);
    a = open_or_fail(root, "deep.tar", NULL);
    shade_is(a, "val/dog/3.ppm", 32);
    dataset_free(a);
    scratch_end(root);
}

static void test_tar_refused(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct tar_out tar = {0};
    tar_picture(&tar, "cat/1.ppm", 1);
    put_bytes(root, "cut.tar", tar.data, 530);
    put_bytes(root, "half.tar", tar.data, 300);
    tar.data[0] ^= 1;
    put_bytes(root, "sum.tar", tar.data, tar.size);
    free(tar.data);
    tar = (struct tar_out){0};
    tar_picture(&tar, "cat/../../etc/1.ppm", 1);
    tar_close(&tar, root, "climb.tar");
    put_text(root, "empty.tar", "");
    put_text(root, "other.bin", "what is this");
    refused(root, "cut.tar", NULL, XC_ERR_FORMAT, "ends early", "cut.tar");
    refused(root, "half.tar", NULL, XC_ERR_FORMAT, "ends early", "byte 0");
    refused(root, "sum.tar", NULL, XC_ERR_FORMAT, "checksum", "byte 0");
    refused(root, "climb.tar", NULL, XC_ERR_FORMAT, "climbs", "climb.tar");
    refused(root, "empty.tar", NULL, XC_ERR_FORMAT, "ends early", NULL);
    refused(root, "other.bin", NULL, XC_ERR_UNSUPPORTED, "not a data set", NULL);
    scratch_end(root);
}

static void test_shards(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct tar_out tar = {0};
    tar_picture(&tar, "a/0001.ppm", 40);
    tar_put(&tar, "a/0001.cls", "3\n", 2);
    tar_put(&tar, "0002.json", "{\"label\": 0}", 12);
    tar_picture(&tar, "0002.ppm", 41);
    tar_close(&tar, root, "s/train-00.tar");
    tar_picture(&tar, "0001.ppm", 42);
    tar_put(&tar, "0001.cls", "1", 1);
    tar_close(&tar, root, "s/val-01.tar");
    tar_picture(&tar, "1.ppm", 43);
    tar_picture(&tar, "2.ppm", 44);
    tar_put(&tar, "2.cls", "1", 1);
    tar_close(&tar, root, "bad.tar");
    tar_picture(&tar, "set/a/1.ppm", 45); /* a file of labels makes a tree no shard */
    tar_picture(&tar, "set/b/1.ppm", 46);
    tar_put(&tar, "set/a/notes.json", "{}", 2);
    tar_put(&tar, "set/names.json", "{}", 2);
    tar_close(&tar, root, "tree.tar");
    for (int i = 0; i < 2; i++) { /* the split is a word of the name, which ends in .tar */
        tar_picture(&tar, "1.ppm", i ? 47 : 48);
        tar_put(&tar, "1.cls", i ? "1" : "0", 1);
        tar_close(&tar, root, i ? "w/net1k-validation.v1.0.tar" : "w/net1k-train.v1.1.tar");
    }
    struct dataset *d = open_or_fail(root, "s", NULL);
    assert_string_equal(d->kind, "webdataset");
    assert_int_equal(d->classes, 4);
    assert_int_equal(sample_of(d, "train-00/a/0001")->label, 3);
    assert_int_equal(sample_of(d, "val-01/0001")->split, XC_SPLIT_VAL);
    shade_is(d, "train-00/0002", 41);
    dataset_free(d);
    d = open_or_fail(root, "s/train-{00..00}.tar", NULL);
    assert_int_equal(d->samples, 2);
    dataset_free(d);
    refused(root, "bad.tar", NULL, XC_ERR_FORMAT, "1 has no label", NULL);
    d = open_or_fail(root, "tree.tar", NULL);
    assert_string_equal(d->kind, "tar");
    assert_int_equal(d->samples, 2);
    dataset_free(d);
    d = open_or_fail(root, "w", NULL);
    assert_int_equal(sample_of(d, "net1k-train.v1.1/1")->split, XC_SPLIT_TRAIN);
    assert_int_equal(sample_of(d, "net1k-validation.v1.0/1")->split, XC_SPLIT_VAL);
    dataset_free(d);
    refused(root, "s/train-{00..01}.tar", NULL, XC_ERR_IO, "train-01.tar", NULL);
    refused(root, "s/train-{3..1}.tar", NULL, XC_ERR_ARGUMENT, "braces", NULL);
    scratch_end(root);
}

static void test_lists(void **state)
{
    (void)state;
    char *root = scratch_new();
    put_picture(root, "p/1.ppm", 4, 3, 50);
    put_picture(root, "p/a, \"b\".ppm", 4, 3, 51);
    put_text(root, "l.csv",
             "label,path,weight,split,group\r\ncat,p/1.ppm,0.5,train,g1\r\n"
             "dog,\"p/a, \"\"b\"\".ppm\",,valid,\r\n\r\n");
    put_text(root, "l.tsv", "p/1.ppm\t7\np/a, \"b\".ppm\t2\n");
    put_text(root, "l.jsonl",
             "{\"path\":\"p/1.ppm\",\"label\":[\"cat\",\"dog\"],\"weight\":2}\n"
             "{\"file\":\"p/a, \\\"b\\\".ppm\",\"class\":\"dog\",\"split\":\"test\"}\n");
    struct dataset *d = open_or_fail(root, "l.csv", NULL);
    assert_int_equal(d->samples, 2);
    assert_float_equal(sample_of(d, "p/1.ppm")->weight, 0.5f, 0.0f);
    assert_int_equal(sample_of(d, "p/1.ppm")->group, 1);
    assert_int_equal(sample_of(d, "p/a, \"b\".ppm")->split, XC_SPLIT_VAL);
    shade_is(d, "p/a, \"b\".ppm", 51);
    dataset_free(d);
    d = open_or_fail(root, "l.tsv", NULL); /* whole numbers are class indices */
    assert_int_equal(d->classes, 8);
    assert_int_equal(sample_of(d, "p/1.ppm")->label, 7);
    dataset_free(d);
    d = open_or_fail(root, "l.jsonl", NULL);
    assert_true(d->multi_label);
    const struct sample *s = sample_of(d, "p/1.ppm");
    assert_int_equal(s->label, 0);
    assert_int_equal(s->extra_count, 1);
    assert_int_equal(s->extra[0], 1);
    assert_float_equal(s->weight, 2.0f, 0.0f);
    dataset_free(d);
    scratch_end(root);
}

static void test_lists_refused(void **state)
{
    (void)state;
    char *root = scratch_new();
    const char *names[] = {"a", "b", "c"};
    struct dataset_opts three = {.class_name = names, .classes = 3};
    put_text(root, "twice.csv", "path,label\nx.png,1\nx.png,2\n");
    put_text(root, "one.csv", "x.png\n");
    put_text(root, "quote.csv", "path,label\n\"x.png,1\n");
    put_text(root, "split.csv", "path,label,split\nx.png,1,trian\n");
    put_text(root, "weight.csv", "path,label,weight\nx.png,1,-2\n");
    put_text(root, "ragged.csv", "path,label\nx.png,1\ny.png\n");
    put_text(root, "range.csv", "path,label\nx.png,1\ny.png,3\n");
    put_text(root, "word.csv", "path,label\nx.png,a\ny.png,d\n");
    put_text(root, "bad.jsonl", "{\"path\":\"x.png\",\"label\":{}}\n");
    put_text(root, "cut.jsonl", "{\"path\":\"x.png\"\n");
    refused(root, "twice.csv", NULL, XC_ERR_FORMAT, "two samples are named x.png", NULL);
    refused(root, "one.csv", NULL, XC_ERR_FORMAT, "line 1", "path and label");
    refused(root, "quote.csv", NULL, XC_ERR_FORMAT, "line 2", "quote");
    refused(root, "split.csv", NULL, XC_ERR_FORMAT, "line 2", "trian");
    refused(root, "weight.csv", NULL, XC_ERR_FORMAT, "line 2", "-2");
    refused(root, "ragged.csv", NULL, XC_ERR_FORMAT, "line 3: 1 fields", "2");
    refused(root, "range.csv", &three, XC_ERR_FORMAT, "label 3 is out of range", "3 classes");
    refused(root, "word.csv", &three, XC_ERR_FORMAT, "\"d\"", "3 classes");
    refused(root, "bad.jsonl", NULL, XC_ERR_FORMAT, "line 1", "label");
    refused(root, "cut.jsonl", NULL, XC_ERR_FORMAT, "line 1", NULL);
    three.drop_unknown = true;
    struct dataset *d = open_or_fail(root, "word.csv", &three);
    assert_int_equal(d->samples, 1);
    assert_int_equal(d->classes, 3);
    dataset_free(d);
    scratch_end(root);
}

static void put_idx(const char *root, const char *name, const uint8_t *sizes, int ranks,
                    uint8_t first, size_t numbers)
{
    uint8_t bytes[512] = {0, 0, 8, (uint8_t)ranks};
    for (int i = 0; i < ranks; i++) bytes[4 + 4 * i + 3] = sizes[i];
    for (size_t i = 0; i < numbers; i++) bytes[4 + 4 * ranks + (int)i] = (uint8_t)(first + i);
    put_bytes(root, name, bytes, (size_t)(4 + 4 * ranks) + numbers);
}

static void test_idx(void **state)
{
    (void)state;
    char *root = scratch_new();
    put_idx(root, "m/train-images-idx3-ubyte", (uint8_t[]){3, 2, 4}, 3, 100, 24);
    put_idx(root, "m/train-labels-idx1-ubyte", (uint8_t[]){3}, 1, 0, 3);
    put_idx(root, "m/t10k-images.idx3-ubyte", (uint8_t[]){1, 2, 4}, 3, 60, 8);
    put_idx(root, "m/t10k-labels.idx1-ubyte", (uint8_t[]){1}, 1, 2, 1);
    put_idx(root, "n/train-images-idx3-ubyte", (uint8_t[]){3, 2, 4}, 3, 100, 23);
    put_idx(root, "n/train-labels-idx1-ubyte", (uint8_t[]){3}, 1, 0, 3);
    put_idx(root, "o/train-images-idx3-ubyte", (uint8_t[]){3, 2, 4}, 3, 100, 24);
    put_idx(root, "o/train-labels-idx1-ubyte", (uint8_t[]){2}, 1, 0, 2);
    put_idx(root, "two/train-images-idx3-ubyte", (uint8_t[]){3, 2, 4}, 3, 100, 24);
    put_idx(root, "two/train-labels-idx1-ubyte", (uint8_t[]){3}, 1, 0, 3);
    put_idx(root, "two/letters-images-idx3-ubyte", (uint8_t[]){2, 2, 4}, 3, 100, 16);
    put_idx(root, "two/letters-labels-idx1-ubyte", (uint8_t[]){2}, 1, 0, 2);
    struct dataset *d = open_or_fail(root, "m", NULL);
    assert_int_equal(d->samples, 4);
    assert_int_equal(d->classes, 3);
    assert_int_equal(d->raw.h, 2);
    shade_is(d, "train/00000002", 116);
    shade_is(d, "test/00000000", 60);
    dataset_free(d);
    refused(root, "n", NULL, XC_ERR_FORMAT, "3x2x4x1 numbers announced", "23 bytes");
    refused(root, "o", NULL, XC_ERR_FORMAT, "3 pictures", "2 labels");
    refused(root, "two", NULL, XC_ERR_FORMAT, "letters-images-idx3-ubyte",
            "train-images-idx3-ubyte both hold train pictures");
#ifdef XC_ZLIB
    char command[512];
    snprintf(command, sizeof command, "gzip %s/m/train-images-idx3-ubyte", root);
    if (system(command) == 0) {
        d = open_or_fail(root, "m", NULL);
        shade_is(d, "train/00000002", 116);
        dataset_free(d);
    }
#endif
    scratch_end(root);
}

static void test_cifar(void **state)
{
    (void)state;
    char *root = scratch_new();
    static uint8_t records[2 * 3073];
    records[0] = 1;
    memset(records + 1, 70, 1024);
    memset(records + 1025, 71, 1024);
    put_bytes(root, "c/data_batch_1.bin", records, sizeof records);
    put_bytes(root, "c/test_batch.bin", records, 3073);
    put_text(root, "c/batches.meta.txt", "airplane\nautomobile\n\n");
    put_bytes(root, "d/train.bin", records, 3073);
    struct dataset *d = open_or_fail(root, "c", NULL);
    assert_int_equal(d->samples, 3);
    assert_string_equal(d->class_name[sample_of(d, "test/test_batch/000000")->label], "automobile");
    struct sample_bytes bytes = {0};
    struct error err;
    xc_image *image = NULL;
    size_t index = (size_t)(sample_of(d, "test/test_batch/000000") - d->sample);
    assert_int_equal(dataset_image(d, index, &bytes, NULL, &image, &err), XC_OK);
    assert_int_equal(image->pixels[0], 70);
    assert_int_equal(image->pixels[1], 71);
    image_free(image);
    sample_bytes_free(&bytes);
    dataset_free(d);
    refused(root, "d", NULL, XC_ERR_FORMAT, "3073 bytes are no records of 3074", NULL);
    scratch_end(root);
}

static void test_bad_files_name_themselves(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct error err = {XC_OK, ""};
    struct sample_bytes bytes = {0};
    xc_image *image;
    put_picture(root, "a/1.ppm", 2, 2, 1);
    put_text(root, "b/2.jpg", "not a picture");
    struct dataset *d = open_or_fail(root, "", NULL);
    assert_int_equal(dataset_image(d, 1, &bytes, NULL, &image, &err), XC_ERR_FORMAT);
    assert_non_null(strstr(err.text, "b/2.jpg: not a picture"));
    char path[256];
    snprintf(path, sizeof path, "%s/a/1.ppm", root);
    unlink(path);
    assert_int_equal(dataset_image(d, 0, &bytes, NULL, &image, &err), XC_ERR_IO);
    assert_non_null(strstr(err.text, "a/1.ppm"));
    sample_bytes_free(&bytes);
    dataset_free(d);
    scratch_end(root);
}

static void trainable_is(const char *root, const char *name, const char *words)
{
    struct error err = {XC_OK, ""};
    struct dataset *d = open_or_fail(root, name, NULL);
    xc_status status = dataset_trainable(d, &err);
    if (words ? status != XC_ERR_FORMAT || !strstr(err.text, words) : status != XC_OK)
        STOP("%s: %s", words ? words : "should be right", err.text);
    dataset_free(d);
}

static void test_trainable(void **state)
{
    (void)state;
    char *root = scratch_new();
    put_text(root, "good.csv", "a.png,x\nb.png,x\nc.png,y\nd.png,y\n");
    put_text(root, "one.csv", "a.png,x\nb.png,x\n");
    put_text(root, "single.csv", "a.png,x\nb.png,x\nc.png,y\n");
    put_text(root, "lacks.csv", "path,label,split\na.png,x,train\nb.png,x,train\nc.png,y,val\n");
    put_text(root, "none.csv", "path,label,split\na.png,x,val\nb.png,y,val\n");
    trainable_is(root, "good.csv", NULL);
    trainable_is(root, "one.csv", "one class (x)");
    trainable_is(root, "single.csv", "class y has one sample");
    trainable_is(root, "lacks.csv", "class y has 1 validation samples and none to train on");
    put_text(root, "numbers.csv", "a.png,3\nb.png,3\n");
    trainable_is(root, "numbers.csv", "of 4 classes only 3 has training samples");
    trainable_is(root, "none.csv", "no training samples (2 val, 0 test)");
    scratch_end(root);
}

static xc_status describe(void *user, uint64_t i, xc_source_sample *out)
{
    static const char *const names[] = {"b", "a"}, *const labels[] = {"x", "y|x"};
    (void)user;
    out->name = names[i];
    out->label = labels[i];
    return XC_OK;
}

static xc_status give(void *user, uint64_t i, void *to, size_t room, size_t *size)
{
    (void)user;
    *size = i == 0 ? 300000 : 5;
    if (*size <= room) memset(to, (int)i + 1, *size);
    return XC_OK;
}

static xc_status refuse(void *user, uint64_t i, xc_source_sample *out)
{
    return i > 0 ? XC_ERR_IO : describe(user, i, out);
}

static void test_program(void **state)
{
    (void)state;
    xc_source source = {sizeof source, NULL, 2, describe, give, NULL};
    struct dataset *d = NULL;
    struct sample_bytes bytes = {0};
    struct error err = {XC_OK, ""};
    assert_int_equal(dataset_call(&source, NULL, &d, &err), XC_OK);
    assert_string_equal(d->sample[0].name, "a");
    assert_true(d->multi_label);
    assert_int_equal(dataset_read(d, 1, &bytes, &err), XC_OK);
    assert_int_equal(bytes.size, 300000);
    assert_int_equal(bytes.data[299999], 1);
    assert_int_equal(dataset_read(d, 0, &bytes, &err), XC_OK);
    assert_int_equal(bytes.size, 5);
    sample_bytes_free(&bytes);
    dataset_free(d);
    source.describe = refuse;
    assert_int_equal(dataset_call(&source, NULL, &d, &err), XC_ERR_IO);
    assert_non_null(strstr(err.text, "program: sample 1: "));
}

/* The second picture makes the buffer larger than any picture may be. */
static xc_status give_large(void *user, uint64_t i, void *to, size_t room, size_t *size)
{
    (void)user;
    *size = (size_t)(i == 0 ? 40 : 33) << 20;
    if (*size <= room) memset(to, (int)i, *size);
    return XC_OK;
}

static void test_program_large(void **state)
{
    (void)state;
    const xc_source source = {sizeof source, NULL, 2, describe, give_large, NULL};
    struct dataset *d = NULL;
    struct sample_bytes bytes = {0};
    struct error err = {XC_OK, ""};
    assert_int_equal(dataset_call(&source, NULL, &d, &err), XC_OK);
    for (size_t i = 0; i < 4; i++) assert_int_equal(dataset_read(d, i % 2, &bytes, &err), XC_OK);
    sample_bytes_free(&bytes);
    dataset_free(d);
}

static void test_shared(void **state)
{
    (void)state;
    if (access(XC_SHARED_DIR "/data/clothing/train", R_OK) != 0) {
        print_message("skipped: there is no " XC_SHARED_DIR "/data/clothing\n");
        skip();
    }
    struct dataset *d = open_or_fail(XC_SHARED_DIR "/data/clothing", "", NULL);
    assert_int_equal(d->count[XC_SPLIT_TRAIN], 3068);
    assert_int_equal(d->count[XC_SPLIT_VAL], 341);
    assert_int_equal(d->classes, 10);
    dataset_free(d);
    d = open_or_fail(XC_SHARED_DIR "/data/cifar10-images.tar", "", NULL);
    assert_int_equal(d->count[XC_SPLIT_TRAIN], 50000);
    assert_int_equal(d->count[XC_SPLIT_TEST], 10000);
    assert_string_equal(d->class_name[9], "truck");
    dataset_free(d);
}

RUN(cmocka_unit_test(test_folder), cmocka_unit_test(test_folder_without_splits),
    cmocka_unit_test(test_tar_is_the_folder), cmocka_unit_test(test_tar_refused),
    cmocka_unit_test(test_shards), cmocka_unit_test(test_lists),
    cmocka_unit_test(test_lists_refused), cmocka_unit_test(test_idx), cmocka_unit_test(test_cifar),
    cmocka_unit_test(test_bad_files_name_themselves), cmocka_unit_test(test_trainable),
    cmocka_unit_test(test_program), cmocka_unit_test(test_program_large),
    cmocka_unit_test(test_shared))
