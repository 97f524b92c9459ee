/* SPDX-License-Identifier: Apache-2.0 */
/* What is often said about Xception, and what is so. The facts are those of the paper (F. Chollet,
 * 2017: tables 1 to 3, figures 5 to 10), of its author's Keras code, and of this page. */
#include "tour.h"

enum verdict { WRONG, LOOSE, RIGHT };

static const struct {
    enum verdict verdict;
    const char *said, *so;
} claims[] = {
    {WRONG,
     "Xception uses a <i>modified</i> separable convolution: pointwise first, then depthwise.",
     "Depthwise first, then pointwise, in the author's code as in TensorFlow's SeparableConv2D. "
     "Pointwise first is the thought model of figure 4, on the way there."},
    {WRONG, "A 5 × 5 × 5 input gives a depthwise output of 8 × 8 × 5.",
     "3 × 3 × 5, and with fifty pointwise filters 3 × 3 × 50. 8 × 8 comes from a 10 × 10 input."},
    {WRONG, "Shortcuts are placed in all flows, around every module.",
     "Around 12 of the 14 modules: not the first, not the last."},
    {WRONG, "Each module is just separable convolutions and pooling.",
     "The first module has two regular convolutions and no pooling; modules 5 to 12 and 14 do not "
     "pool at all. Four modules do: 2, 3, 4 and 13."},
    {WRONG, "The input 299 × 299 is halved by convolutions padded to <i>same</i>.",
     "The two convolutions of the first module have no border: 299 → 149 → 147. Everything later "
     "is "
     "<i>same</i>, and halves: 74, 37, 19, 10."},
    {WRONG, "Output size = (n − k + 2p) / s + 1.",
     "Rounded down. And no p gives TensorFlow's <i>same</i> at stride 2 on an even side, where "
     "one value more is added after than before: try 74 above."},
    {WRONG, "It beat VGG-16, ResNet and Inception V3 in most classification challenges.",
     "It was compared on two data sets. On ImageNet it came out before Inception V3, 0.790 against "
     "0.782, "
     "while the rows of VGG-16 and ResNet-152 are reminders from other papers; on JFT the only "
     "other "
     "network was Inception V3."},
    {WRONG, "Xception is the faster network.",
     "Layer by layer a separable convolution has about 9 times fewer multiply-adds. As a network "
     "Xception has more of them than Inception V3 (8.36 G against 5.71 G), and trained at 28 steps "
     "a "
     "second where Inception V3 made 31. What it has is more accuracy from as many parameters."},
    {LOOSE, "There is an activation after the depthwise part, or after the pointwise one.",
     "None between the two, and no batch norm: the paper's figure 10 shows that it trains better "
     "so. "
     "Batch norm comes after the pair. The ReLU stands before each separable convolution in "
     "modules 3 "
     "to 13, so none follows the last of a module; in module 14 it comes after."},
    {LOOSE, "Inception V3's modules use only 3 × 3 windows.",
     "Also 5 × 5, 1 × 7, 7 × 1, 1 × 3 and 3 × 1. The paper draws them with 3 × 3 for the "
     "argument."},
    {LOOSE, "It ends in global average pooling, while earlier modules use max pooling.",
     "It does end so; but ten of the fourteen modules have no pooling, among them the whole middle "
     "flow."},
    {LOOSE, "Shortcut convolutions are pointwise convolutions.",
     "1 × 1 with stride 2: they look at every second value of every second row and pass the others "
     "by. No bias, a batch norm, no ReLU."},
    {LOOSE, "Fully connected layers come before the logistic regression.",
     "Optional, tried on JFT only: two of 4096 units. The published ImageNet network has none."},
    {LOOSE, "Google researchers developed it.", "One author, François Chollet, at Google."},
    {RIGHT, "Inception lies between regular and separable convolution.",
     "The idea of the paper; the slider above goes the whole way."},
    {RIGHT, "36 convolutional layers in 14 modules, 4 + 8 + 2.",
     "2 regular and 34 separable ones; the four 1 × 1 shortcuts are not counted."},
    {LOOSE, "Residual connections are essential to it.",
     "In the paper's figure 9 the network without them ends 0.12 lower. The paper adds that the "
     "settings were tuned for the other one, and that separable convolutions do not need shortcuts "
     "as such."}};

void tour_claims(struct tour *t)
{
    static const char *const word[] = {"wrong", "loose", "right"};
    struct page *p = &t->page;
    put_heading(p, "claims", "What is said about Xception, and what is so");
    put(p, "<p>Tutorials copy each other. These statements are common; the paper, its author's "
           "code and "
           "the graph above say otherwise, or say it more exactly.</p>\n<dl class=\"claims\">\n");
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
        put(p, "<div class=\"%s\"><dt><span class=\"verdict\">%s</span> %s</dt><dd>%s</dd></div>\n",
            word[claims[i].verdict], word[claims[i].verdict], claims[i].said, claims[i].so);
    put(p, "</dl>\n");
}
