#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""VGG-16, ResNet, Inception V3 and GoogLeNet of torchvision and timm with random weights, read by us:
the same logits."""
import os
import subprocess
import sys
import tempfile

import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file

from common import XCEPTION, check, finish, picture, results
from timm_models import randomise

VISION = torchvision.models
RIVALS = (
    ("torchvision vgg16", lambda n: VISION.vgg16(num_classes=n), 224, 224, 10),
    ("torchvision vgg16_bn", lambda n: VISION.vgg16_bn(num_classes=n), 224, 224, 7),
    ("timm vgg16", lambda n: timm.create_model("vgg16", num_classes=n), 224, 224, 10),
    ("torchvision resnet50", lambda n: VISION.resnet50(num_classes=n), 97, 64, 10),
    ("timm resnet50", lambda n: timm.create_model("resnet50", num_classes=n), 224, 224, 1000),
    ("torchvision resnet101", lambda n: VISION.resnet101(num_classes=n), 65, 64, 10),
    ("torchvision resnet152", lambda n: VISION.resnet152(num_classes=n), 64, 90, 3),
    ("torchvision inception_v3",
     lambda n: VISION.inception_v3(num_classes=n, init_weights=False), 111, 128, 10),
    ("timm inception_v3", lambda n: timm.create_model("inception_v3", num_classes=n), 299, 299, 10),
    ("torchvision googlenet",
     lambda n: VISION.googlenet(num_classes=n, init_weights=False), 127, 96, 10),
    ("torchvision googlenet",
     lambda n: VISION.googlenet(num_classes=n, init_weights=False), 224, 224, 1000),
)


def auxiliary_weights(folder):
    """What an answer does not show: a whole state dict of Inception V3, kept as a model of ours."""
    model = VISION.inception_v3(num_classes=10, init_weights=False).eval()
    randomise(model, 5)
    path, kept = os.path.join(folder, "aux.pth"), os.path.join(folder, "aux.safetensors")
    torch.save(model.state_dict(), path)
    subprocess.run([XCEPTION, "convert", "-q", "--arch", "inception-v3,flavour=timm,aux=on,classes=10",
                    path, kept], check=True)
    ours, theirs = load_file(kept), model.AuxLogits
    pairs = (("aux_conv1/kernel", theirs.conv0.conv.weight.permute(2, 3, 1, 0)),
             ("aux_conv2/kernel", theirs.conv1.conv.weight.permute(2, 3, 1, 0)),
             ("aux_conv1_bn/gamma", theirs.conv0.bn.weight),
             ("aux_conv2_bn/moving_variance", theirs.conv1.bn.running_var),
             ("aux_predictions/kernel", theirs.fc.weight.T),
             ("aux_predictions/bias", theirs.fc.bias))
    for name, tensor in pairs:
        good = torch.equal(ours[name], tensor)
        print(f"{'ok  ' if good else 'FAIL'} {name}", flush=True)
        results["passed" if good else "failed"] += 1


def main():
    with tempfile.TemporaryDirectory() as folder:
        png = os.path.join(folder, "picture.png")
        for name, build, height, width, classes in RIVALS:
            model = build(classes).eval()
            randomise(model, height)
            pixels = torch.from_numpy(picture(png, height, width, 3, width))
            with torch.no_grad():
                x = ((pixels / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
                expected = model.double()(x.double()).numpy()
            model.float()
            path = os.path.join(folder, "model")
            torch.save(model.state_dict(), path + ".pth")
            save_file({k: v.contiguous() for k, v in model.state_dict().items()},
                      path + ".safetensors")
            for suffix in (".pth", ".safetensors"):
                check(f"{name} {height}x{width} {classes} classes {suffix}", path + suffix, png,
                      expected, "--preprocess", "timm-legacy", "--size", f"{height}x{width}")
        auxiliary_weights(folder)
        finish(lambda: check("planted fault: expected values off by 1e-3", path + ".pth", png,
                             expected * 1.001, "--preprocess", "timm-legacy", "--size",
                             f"{height}x{width}"))


if __name__ == "__main__":
    sys.exit(main())
