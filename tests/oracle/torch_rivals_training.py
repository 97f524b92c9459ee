#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One step of training VGG-16, ResNet-50, Inception V3 and GoogLeNet by torchvision, and by us: loss,
every gradient, moving statistics, all in float64 from the same start."""
import re
import sys

import numpy as np
import torch
import torchvision

from common import finish
from learning import Lesson, check_exact, check_losses

ROLE = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
        "moving_variance": "running_var", "kernel": "weight", "bias": "bias"}
FC = {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}
CONVS = (2, 2, 3, 3, 3)
STEM = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
MIXED = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
VISION = torchvision.models


def vgg(layer, norm, with_norm):
    if layer in FC:
        return FC[layer]
    block, conv = map(int, re.fullmatch(r"block(\d)_conv(\d)", layer).groups())
    each = 3 if with_norm else 2
    return f"features.{sum(CONVS[:block - 1]) * each + block - 1 + (conv - 1) * each + norm}"


def resnet(layer, norm):
    if layer == "predictions":
        return "fc"
    if layer in ("conv1", "conv1_conv"):
        return "bn1" if norm else "conv1"
    stage, block, k = map(int, re.match(r"conv(\d)_block(\d+)_(\d)", layer).groups())
    part = f"downsample.{int(norm)}" if k == 0 else f"{'bn' if norm else 'conv'}{k}"
    return f"layer{stage - 1}.{block - 1}.{part}"


def inception(layer, norm):
    if layer == "predictions":
        return "fc"
    part = "bn" if norm else "conv"
    if layer.startswith("stem_conv"):
        return f"Conv2d_{STEM[int(layer[9:]) - 1]}.{part}"
    if layer.startswith("aux_"):
        return f"AuxLogits.conv{int(layer[8:]) - 1}.{part}" if "conv" in layer else "AuxLogits.fc"
    number, branch = re.fullmatch(r"mixed(\d+)_(.*)", layer).groups()
    return f"Mixed_{MIXED[int(number)]}.branch{'_' if branch == 'pool' else ''}{branch}.{part}"


def googlenet(layer, norm):
    if layer == "predictions":
        return "fc"
    return layer.replace("_", ".") + (".bn" if norm else ".conv")


# architecture, torchvision's network, its layer for one of ours, side, batch
RIVALS = (
    ("vgg16", lambda n: VISION.vgg16(num_classes=n, dropout=0), lambda l, b: vgg(l, b, False), 32, 3),
    ("vgg16,bn=on", lambda n: VISION.vgg16_bn(num_classes=n, dropout=0), lambda l, b: vgg(l, b, True),
     32, 4),
    ("resnet50", lambda n: VISION.resnet50(num_classes=n), resnet, 64, 4),
    ("inception-v3", lambda n: VISION.inception_v3(num_classes=n, aux_logits=False, dropout=0,
                                                  init_weights=False), inception, 75, 4),
    ("inception-v3,aux=on", lambda n: VISION.inception_v3(num_classes=n, aux_logits=True, dropout=0,
                                                         init_weights=False), inception, 299, 2),
    ("googlenet", lambda n: VISION.googlenet(num_classes=n, aux_logits=False, dropout=0,
                                             init_weights=False), googlenet, 64, 4),
)


def name_of(find, ours):
    layer, role = ours.rsplit("/", 1)
    norm = layer.endswith("_bn")
    return f"{find(layer.removesuffix('_bn'), norm)}.{ROLE[role]}"


def to_torch(value, layer):
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    if layer == "fc1/kernel":  # torchvision flattens (c, h, w); at this side h = w = 1, repeated to 7x7
        return np.repeat(value.T.astype(np.float64), 49, axis=1) / 49
    return value.T


def to_ours(value, layer):
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    if layer == "fc1/kernel":
        return value.reshape(value.shape[0], -1, 49).mean(2).T
    return value.T


def torch_run(lesson, build, find):
    """Loss, gradients and moving statistics of one step: by our names."""
    model = build(lesson.classes).double()
    state = model.state_dict()
    for name, _ in lesson.table:
        value = torch.from_numpy(np.ascontiguousarray(to_torch(lesson.start[name], name))).double()
        assert state[name_of(find, name)].shape == value.shape, name
        state[name_of(find, name)].copy_(value)
    model.train()
    x = torch.from_numpy(lesson.images[0]).permute(0, 3, 1, 2).double()
    out, labels = model(x), torch.from_numpy(lesson.labels[0])
    entropy = torch.nn.functional.cross_entropy
    # as in torchvision's references/classification, which trained the published weights so
    loss = entropy(out, labels) if isinstance(out, torch.Tensor) else \
        entropy(out.logits, labels) + 0.4 * entropy(out.aux_logits, labels)
    loss.backward()
    params, state = dict(model.named_parameters()), model.state_dict()
    grads, moving = {}, {}
    for name, _ in lesson.table:
        theirs = name_of(find, name)
        if name.endswith("/bias") and name.replace("/bias", "_bn/gamma") in lesson.start:
            continue  # a batch norm takes it out again: its gradient is rounding
        if theirs in params:
            grads[name] = to_ours(params[theirs].grad.numpy(), name)
        else:
            moving[name] = to_ours(state[theirs].numpy(), name)
    return [loss.item()], grads, moving


def main():
    ours = theirs = None
    for arch, build, find, side, batch in RIVALS:
        flavour = "" if arch == "googlenet" else ",flavour=timm"
        lesson = Lesson(arch + flavour, side, side, 5, batch=batch, steps=1, seed=3)
        ours, theirs = lesson.ours("f64", 1), torch_run(lesson, build, find)
        check_losses(f"{arch} loss", ours[0], theirs[0])
        check_exact(f"{arch} gradients", ours[1], theirs[1])
        if theirs[2]:
            check_exact(f"{arch} moving statistics", ours[2], theirs[2])
    name = next(iter(theirs[1]))
    wrong = {**theirs[1], name: theirs[1][name] * (1 + 1e-6)}
    finish(lambda: check_exact("planted fault: one gradient off by 1e-6", ours[1], wrong))


if __name__ == "__main__":
    sys.exit(main())
