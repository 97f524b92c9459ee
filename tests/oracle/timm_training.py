#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""timm's Xception trained by PyTorch, and by us: gradients, moving statistics, ten steps."""
import sys

import numpy as np
import timm
import torch
from timm.optim import RMSpropTF

from common import finish
from learning import Lesson, check_exact, check_losses, check_single

ROLE = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
        "moving_variance": "running_var"}


def layer_of(layer):
    """timm's module for one of our layers."""
    block, _, rest = layer.partition("_")
    if layer == "predictions":
        return "fc"
    number = int(block[5:])
    norm = rest.endswith("_bn")
    rest = rest.removesuffix("_bn")
    if number == 1:
        return ("bn" if norm else "conv") + rest[4:]
    if number == 14:
        return f"{'bn' if norm else 'conv'}{int(rest[7:]) + 2}"
    if rest == "residual":
        return f"block{number - 1}.skip" + ("bn" if norm else "")
    index = int(rest[7:]) * 3 - (3 if number == 2 else 2)  # block 2 has no first ReLU
    return f"block{number - 1}.rep.{index + norm}"


def name_of(ours):
    layer, role = ours.rsplit("/", 1)
    module = layer_of(layer)
    if role == "depthwise_kernel":
        return module + ".conv1.weight"
    if role == "pointwise_kernel":
        return module + ".pointwise.weight"
    return f"{module}.{ROLE.get(role, 'weight' if role == 'kernel' else role)}"


def to_torch(value):
    if value.ndim == 4:
        depthwise = value.shape[3] == 1 and value.shape[2] > 1
        return value.transpose(2, 3, 0, 1) if depthwise else value.transpose(3, 2, 0, 1)
    return value.T


def to_ours(value, shape):
    if value.ndim == 4:
        depthwise = shape[3] == 1 and shape[2] > 1
        return value.transpose(2, 3, 0, 1) if depthwise else value.transpose(2, 3, 1, 0)
    return value.T


def model_of(lesson, dtype):
    model = timm.create_model("legacy_xception", pretrained=False, num_classes=lesson.classes).to(dtype)
    state = model.state_dict()
    for name, _ in lesson.table:
        value = torch.from_numpy(np.ascontiguousarray(to_torch(lesson.start[name]))).to(dtype)
        assert state[name_of(name)].shape == value.shape, name
        state[name_of(name)].copy_(value)
    return model.train()


def torch_run(lesson, dtype, steps, make=None):
    """Losses, gradients of the last step, parameters and statistics: by our names."""
    model = model_of(lesson, dtype)
    optimizer = make(model) if make else None
    losses = []
    for t in range(steps):
        x = torch.from_numpy(lesson.images[t]).permute(0, 3, 1, 2).to(dtype)
        loss = torch.nn.functional.cross_entropy(model(x), torch.from_numpy(lesson.labels[t]))
        model.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if optimizer:
            optimizer.step()
    params, state = dict(model.named_parameters()), model.state_dict()
    grads = {n: to_ours(params[name_of(n)].grad.numpy().astype(np.float64), s)
             for n, s in lesson.table if name_of(n) in params}
    final = {n: to_ours(state[name_of(n)].numpy().astype(np.float64), s) for n, s in lesson.table}
    return losses, grads, final


def groups(model, decay):
    """Only kernels of dense, 1x1 and plain convolutions decay."""
    decays = [p for n, p in model.named_parameters() if p.ndim > 1 and p.shape[1] > 1]
    others = [p for n, p in model.named_parameters() if not (p.ndim > 1 and p.shape[1] > 1)]
    return [{"params": decays, "weight_decay": decay}, {"params": others, "weight_decay": 0}]


def start(seed):
    return Lesson("legacy-xception", 71, 80, 7, batch=6, steps=10, seed=seed)


def main():
    torch.manual_seed(0)
    lesson = start(5)
    ours, theirs = lesson.ours("f64", 1), torch_run(lesson, torch.float64, 1)
    check_losses("timm float64", ours[0], theirs[0])
    check_exact("timm float64 gradients", ours[1], theirs[1])
    moving = {n: v for n, v in theirs[2].items() if "/moving" in n}
    check_exact("timm float64 moving statistics", ours[2], moving)
    check_single("timm float32", [start(seed) for seed in range(5, 10)], torch_run, torch.float32,
                 torch.float64)
    for title, options, make in (
            ("SGD", dict(kind="sgd", lr=5e-4, momentum=0.9, decay=1e-4),
             lambda m: torch.optim.SGD(groups(m, 1e-4), lr=5e-4, momentum=0.9)),
            ("Nesterov", dict(kind="sgd", lr=5e-4, momentum=0.9, nesterov=1, decay=1e-4),
             lambda m: torch.optim.SGD(groups(m, 1e-4), lr=5e-4, momentum=0.9, nesterov=True)),
            ("AdamW", dict(kind="adamw", lr=1e-5, momentum=0.9, rho=0.999, epsilon=1e-8, decay=0.05),
             lambda m: torch.optim.AdamW(groups(m, 0.05), lr=1e-5)),
            ("RMSpropTF", dict(kind="rmsprop", lr=1e-4, momentum=0.9, rho=0.9, epsilon=1e-10, decay=1e-5),
             lambda m: RMSpropTF(groups(m, 1e-5), lr=1e-4, momentum=0.9))):
        expected = torch_run(lesson, torch.float64, 10, make)
        check_losses(f"timm {title}", lesson.ours("f32", 10, **options)[0], expected[0])
    name = "block4_sepconv1/depthwise_kernel"
    wrong = {**theirs[1], name: theirs[1][name] * (1 + 1e-6)}
    finish(lambda: check_exact("planted fault: one gradient off by 1e-6", ours[1], wrong))


if __name__ == "__main__":
    sys.exit(main())
