/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a published network learn new classes? Only the head is trained, so each picture goes
 * through the network once: train MODEL.safetensors PICTURES RUN_FOLDER
 *
 *   cc train.c $(pkg-config --cflags --libs xception)
 */
#include <stdio.h>
#include <xception.h>

/* After every step; false would save and stop. */
static bool tell(void *user, const xc_train_progress *p)
{
    (void)user;
    if (p->event == XC_TRAIN_EPOCH)
        printf("epoch %u/%u  loss %.4f  validation top-1 %.4f%s\n", p->epoch, p->epochs, p->loss,
               p->val_top1, p->is_best ? "  best" : "");
    return true;
}

int main(int argc, char **argv)
{
    xc_context *context = NULL;
    xc_model *model = NULL;
    xc_dataset *pictures = NULL; /* CLASS/picture.jpg */
    xc_dataset_opts data = XC_DATASET_OPTS_INIT;
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL.safetensors PICTURES RUN_FOLDER\n", argv[0]);
        return 2;
    }
    data.val_split = 0.2;
    opts.folder = argv[3];
    opts.freeze = "all-but-head";
    opts.epochs = 5;
    opts.progress = tell;
    bool failed = xc_context_new(NULL, &context) || xc_model_load(context, argv[1], NULL, &model) ||
                  xc_dataset_open(argv[2], &data, &pictures);
    opts.from = model;
    failed = failed || xc_train(context, pictures, &opts);
    if (failed)
        fprintf(stderr, "%s: %s\n", argv[0], xc_error());
    else
        printf("%s/best.safetensors\n", argv[3]);
    xc_dataset_free(pictures);
    xc_model_unref(model);
    xc_context_free(context);
    return failed;
}
