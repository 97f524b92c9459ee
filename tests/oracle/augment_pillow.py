#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do Pillow and torchvision make of the test picture of tests/data/test_augment.c?

    augment_pillow.py [--check]     prints tests/data/augment.tsv, or compares it

Needs Pillow, numpy and torchvision (>= 0.13). Exits 1 when the table differs.
"""
import hashlib
import pathlib
import sys

import numpy as np
from PIL import Image, ImageEnhance
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import _apply_op

W, H = 23, 17
TABLE = pathlib.Path(__file__).parents[1] / "data/augment.tsv"
ENHANCE = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast,
           "saturation": ImageEnhance.Color, "sharpness": ImageEnhance.Sharpness}
FACTORS = (0.0, 0.1, 0.73, 1.0, 1.25, 1.9)
# name -> torchvision's name and largest magnitude, for the levels of 0..30
GEOMETRY = {"shear-x": ("ShearX", 0.3), "shear-y": ("ShearY", 0.3), "rotate": ("Rotate", 30.0),
            "translate-x": ("TranslateX", 150.0 / 331.0 * W), "translate-y": ("TranslateY", 150.0 / 331.0 * H)}


def picture():
    y, x = np.mgrid[0:H, 0:W]
    planes = ((x * 11 + y * 3) % 256, (x * y * 5 + 40) % 256, (y * 13 + (x // 5) * 60) % 256)
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8))


def rows():
    image = picture()
    for name, enhance in ENHANCE.items():
        for factor in FACTORS:
            yield name, factor, enhance(image).enhance(factor)
    for turn in (-0.5, -0.3, -0.01, 0.02, 0.25, 0.5):
        yield "hue", turn, F.adjust_hue(image, turn)
    for name, (operation, most) in GEOMETRY.items():
        for level in (-30, -9, 9, 21):
            yield name, level, _apply_op(image, operation, most * level / 30.0,
                                         InterpolationMode.NEAREST, None)
    for level in (0, 9, 15, 30):
        yield "posterize", level, _apply_op(image, "Posterize", 8 - round(level / (30.0 / 4.0)),
                                            InterpolationMode.NEAREST, None)
        yield "solarize", level, _apply_op(image, "Solarize", 255.0 * (1 - level / 30.0),
                                           InterpolationMode.NEAREST, None)
    yield "autocontrast", 0, _apply_op(image, "AutoContrast", 0.0, InterpolationMode.NEAREST, None)
    yield "equalize", 0, _apply_op(image, "Equalize", 0.0, InterpolationMode.NEAREST, None)


def main():
    text = "# operation, factor or magnitude, SHA-256 of the bytes: written by tests/oracle/augment_pillow.py\n"
    for name, value, image in rows():
        text += f"{name}\t{value:g}\t{hashlib.sha256(np.asarray(image).tobytes()).hexdigest()}\n"
    if "--check" not in sys.argv:
        sys.stdout.write(text)
        return 0
    same = TABLE.read_text() == text
    print(f"augment: {'the same' if same else 'differs from'} {TABLE.name}")
    return 0 if same else 1


sys.exit(main())
