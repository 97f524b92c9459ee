#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far does another program's network of two million parameters get on our CIFAR-10?

    cifar.py cifar10-images.tar RUN/split.csv    (torch, numpy and pillow; 20 minutes on two cores)

The network and the recipe of airbench94 (K. Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a
single GPU", arXiv 2404.00498), which has 94.0 % of the lossless test pictures with six views after
9.9 epochs: a convolution that whitens patches of 2x2, six of 3x3, labels smoothed by 0.2, every
other epoch mirrored, look-ahead averages. It learns from the train split of the list that a run
of ours wrote, and is asked of its val split.
"""
import csv
import io
import math
import sys
import tarfile

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

EPOCHS, BATCH, MOMENTUM, LR, DECAY, BIAS, SMOOTHING = 9.9, 1024, 0.85, 11.5, 0.0153, 64, 0.2
WHITEN_EPOCHS, MOVED, CHANNELS = 3, 2, (64, 256, 256)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def pictures(tar, split):
    """{split: (pictures, labels)}, normalised."""
    rows = {row["path"]: (row["label"], row["split"]) for row in csv.DictReader(open(split))}
    names = sorted({label for label, _ in rows.values()})
    found = {"train": ([], []), "val": ([], [])}
    with tarfile.open(tar) as file:
        for member in file:
            path = "/".join(member.name.split("/")[-3:])
            label, part = rows.get(path, (None, None))
            if part in found:
                picture = Image.open(io.BytesIO(file.extractfile(member).read())).convert("RGB")
                found[part][0].append(np.asarray(picture))
                found[part][1].append(names.index(label))
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))
    for part, (x, y) in found.items():
        x = torch.from_numpy(np.stack(x)).permute(0, 3, 1, 2).float() / 255
        x = ((x - mean) / std).contiguous(memory_format=torch.channels_last)
        found[part] = x, torch.tensor(y)
    return found


def conv(c, oc):
    layer = nn.Conv2d(c, oc, 3, padding="same", bias=False)
    nn.init.dirac_(layer.weight.data[:c])
    return layer


def norm(c):
    layer = nn.BatchNorm2d(c, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad = False
    return layer


class Group(nn.Module):
    def __init__(self, c, oc):
        super().__init__()
        self.conv1, self.norm1, self.conv2, self.norm2 = conv(c, oc), norm(oc), conv(oc, oc), norm(oc)

    def forward(self, x):
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class Net(nn.Module):
    def __init__(self, x):
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.groups = nn.Sequential(*(Group(*c) for c in zip((24,) + CHANNELS, CHANNELS)))
        self.head = nn.Linear(CHANNELS[-1], 10, bias=False)
        patches = x.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / torch.sqrt(values + 5e-4)).T.flip(0).reshape(12, 3, 2, 2)
        self.whiten.weight.data[:] = torch.cat([filters, -filters])
        self.whiten.weight.requires_grad = False
        self.whiten.bias.data.zero_()

    def forward(self, x, whitens=True):
        bias = self.whiten.bias if whitens else self.whiten.bias.detach()
        x = self.groups(F.gelu(F.conv2d(x, self.whiten.weight, bias)))
        return self.head(x.amax((2, 3))) / 9


def moved(x):
    """Each picture by up to MOVED pixels, mirrored at its border."""
    wide, out = F.pad(x, (MOVED,) * 4, "reflect"), torch.empty_like(x)
    at = torch.randint(0, 2 * MOVED + 1, (len(x), 2))
    for y, left in np.ndindex(2 * MOVED + 1, 2 * MOVED + 1):
        these = (at[:, 0] == y) & (at[:, 1] == left)
        out[these] = wide[these][:, :, y:y + 32, left:left + 32]
    return out


def scores(net, x):
    """Of one view, and of six."""
    def view(x):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return torch.cat([net(part) for part in x.split(500)]).float()

    net.eval()
    wide = F.pad(x, (1,) * 4, "reflect")
    corners = [wide[:, :, i:i + 32, i:i + 32] for i in (0, 2)]
    one, both = view(x), sum(view(part) for part in corners for part in (part, part.flip(3)))
    six = 0.5 * (one + view(x.flip(3))) + 0.25 * both
    net.train()
    return one, six


def main():
    torch.manual_seed(0)
    data = pictures(*sys.argv[1:])
    (x, y), (val, labels) = data["train"], data["val"]
    net = Net(x[:5000]).to(memory_format=torch.channels_last)
    kilostep = 1024 * (1 + 1 / (1 - MOMENTUM))
    lr, decay = LR / kilostep, DECAY * BATCH / kilostep
    free = [p for p in net.parameters() if p.requires_grad]
    groups = [{"params": [p for p in free if p.ndim == 1], "lr": lr * BIAS, "weight_decay": decay / lr / BIAS},
              {"params": [p for p in free if p.ndim > 1], "lr": lr, "weight_decay": decay / lr}]
    steps = len(x) // BATCH
    total = math.ceil(EPOCHS * steps)
    optimizer = torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: float(np.interp(i, [0, int(0.23 * total), total], [0.2, 1, 0.07])))
    average = {name: v.clone() for name, v in net.state_dict().items()}
    mirrored = torch.rand(len(x)) < 0.5
    step = 0
    while step < total:
        epoch = step // steps
        seen, turn = moved(x), mirrored ^ (epoch % 2 == 1)
        seen[turn] = seen[turn].flip(3)
        for batch in torch.randperm(len(x)).split(BATCH)[:min(steps, total - step)]:
            with torch.autocast("cpu", torch.bfloat16):
                out = net(seen[batch], epoch < WHITEN_EPOCHS)
            optimizer.zero_grad()
            F.cross_entropy(out.float(), y[batch], label_smoothing=SMOOTHING, reduction="sum").backward()
            optimizer.step()
            rate.step()
            step += 1
            if step % 5 and step < total:
                continue
            keep = 0.95 ** 5 * (step / total) ** 3 if step < total else 1
            with torch.no_grad():
                for name, v in net.state_dict().items():
                    if v.is_floating_point():
                        v.copy_(average[name].lerp_(v, 1 - keep))
        print(f"epoch {epoch + 1}", flush=True)
    for name, answer in zip(("one view", "six views"), scores(net, val)):
        print(f"{name}: {100 * (answer.argmax(1) == labels).float().mean():.2f} % of {len(val)}")


main()
