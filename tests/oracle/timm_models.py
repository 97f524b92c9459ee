#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks built by timm/PyTorch with random weights and statistics, read by us: the same logits."""
import os
import sys
import tempfile

import timm
import torch
from safetensors.torch import save_file

from common import check, finish, picture


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                uniform(part.weight, 0.7, 1.3)
                uniform(part.bias, -0.2, 0.2)
                uniform(part.running_mean, -0.2, 0.2)
                uniform(part.running_var, 0.6, 1.4)
            elif isinstance(part, torch.nn.Linear):
                uniform(part.bias, -0.1, 0.1)


def write_all(folder, model):
    state = model.state_dict()
    path = os.path.join(folder, "model")
    torch.save(state, path + ".pth")
    yield ".pth", path + ".pth"
    torch.save({"state_dict": {"module." + k: v for k, v in state.items()}, "epoch": 3},
               path + "-old.pth", _use_new_zipfile_serialization=False)
    yield "wrapped legacy .pth", path + "-old.pth"
    save_file({k: v.contiguous() for k, v in state.items()}, path + ".safetensors")
    yield ".safetensors", path + ".safetensors"


def main():
    with tempfile.TemporaryDirectory() as folder:
        png = os.path.join(folder, "picture.png")
        for name, height, width, classes in (
                ("legacy_xception", 71, 71, 1000), ("legacy_xception", 96, 150, 10),
                ("legacy_xception", 224, 224, 10), ("xception41", 128, 128, 10),
                ("xception65", 111, 96, 10), ("xception71", 128, 113, 1000),
                ("xception41p", 128, 128, 10), ("xception65p", 99, 128, 10)):
            model = timm.create_model(name, pretrained=False, num_classes=classes).eval()
            randomise(model, height)
            pixels = torch.from_numpy(picture(png, height, width, 3, width))
            with torch.no_grad():
                x = ((pixels / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
                expected = model.double()(x.double()).numpy() if height * width < 20000 else \
                    model(x).numpy()
            model.float()
            for suffix, path in write_all(folder, model):
                check(f"{name} {height}x{width} {classes} classes {suffix}", path, png, expected,
                      "--size", f"{height}x{width}")
        finish(lambda: check("planted fault: expected values off by 1e-3", path, png, expected * 1.001,
                             "--size", f"{height}x{width}"))


if __name__ == "__main__":
    sys.exit(main())
