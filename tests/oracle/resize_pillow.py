#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are our pixels Pillow's? Three comparisons, every byte of each:

    resize   random pictures of 1, 3 and 4 channels, random sizes up and down, all of Pillow's
             filters; TensorFlow's bilinear against the same arithmetic in numpy
    decode   picture files: pixels and EXIF orientation
    prepare  the named recipes, against Keras', torchvision's and face-api's steps written out here

    resize_pillow.py [--tool build/release/tests/image/image_tool] [--seconds 20] [--seed N]
                     [FILE|DIR ...]

Without files: the corpus of the fuzz targets and the photographs of ../shared/data/kitchenware.
Needs Pillow and numpy. Exits 1 at the first difference.
"""
import argparse
import math
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
import PIL
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFAULT_FILES = (ROOT / "tests/fuzz/corpus", ROOT / "../shared/data/kitchenware/pictures")
FILTERS = {"nearest": Image.Resampling.NEAREST, "box": Image.Resampling.BOX,
           "bilinear": Image.Resampling.BILINEAR, "hamming": Image.Resampling.HAMMING,
           "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
OLD_ORDER = int(PIL.__version__.split(".")[0]) < 13
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".pgm", ".pbm"}


class Refused(Exception):
    pass


class Tool:
    def __init__(self, path):
        self.pipe = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line, body=b"", dtype=np.uint8):
        """(h, w, channels) array and the orientation."""
        self.pipe.stdin.write(line.encode() + b"\n" + body)
        self.pipe.stdin.flush()
        words = self.pipe.stdout.readline().decode().split()
        if not words or words[0] != "ok":
            raise Refused(" ".join(words[1:]) or f"no answer to: {line}")
        count, w, h, channels, orientation = map(int, words[1:])
        data = np.frombuffer(self.pipe.stdout.read(count), dtype)
        return data.reshape(h, w, channels), orientation


def must_equal(what, ours, theirs):
    if ours.shape != theirs.shape:
        sys.exit(f"resize_pillow: {what}: shape {ours.shape}, Pillow {theirs.shape}")
    if ours.tobytes() != theirs.tobytes():
        at = tuple(np.argwhere(ours != theirs)[0])
        sys.exit(f"resize_pillow: {what}: {(ours != theirs).sum()} values differ, "
                 f"the first at {at}: {ours[at]}, expected {theirs[at]}")


def planes(picture):
    """A resize of each channel alone, as ours: Pillow weights RGBA colours by their alpha."""
    return [Image.fromarray(np.ascontiguousarray(picture[:, :, c]))
            for c in range(picture.shape[2])]


def image_resize(image, size, name):
    """Image.resize in the order of passes that Pillow has had since version 13."""
    (w, h), (out_w, out_h) = image.size, size
    if OLD_ORDER and out_h < h and h - out_h > 2 * (w - out_w):
        image = image.resize((w, out_h), FILTERS[name])
    return image.resize(size, FILTERS[name])


def pillow_resize(picture, size, name):
    if picture.shape[2] == 3:
        return np.asarray(image_resize(Image.fromarray(picture), size, name))
    return np.dstack([np.asarray(image_resize(p, size, name)) for p in planes(picture)])


def tf_axis(size, out):
    """Neighbours and weight of tf.image.resize(method="bilinear"), half-pixel centres, float32."""
    f = np.float32
    at = (np.arange(out, dtype=f) + f(0.5)) * (f(size) / f(out)) - f(0.5)
    below = np.floor(at)
    lower = np.maximum(below.astype(np.int64), 0)
    upper = np.minimum(np.ceil(at).astype(np.int64), size - 1)
    return lower, upper, (at - below).astype(f)


def tf_resize(picture, size):
    w, h = size
    x0, x1, u = tf_axis(picture.shape[1], w)
    y0, y1, v = tf_axis(picture.shape[0], h)
    p = picture.astype(np.float32)
    u, v = u[None, :, None], v[:, None, None]
    top = p[y0][:, x0] + (p[y0][:, x1] - p[y0][:, x0]) * u
    bottom = p[y1][:, x0] + (p[y1][:, x1] - p[y1][:, x0]) * u
    return top + (bottom - top) * v


# ---- recipes ------------------------------------------------------------------------------------


def keras(image, h, w):
    """keras.utils.load_img(target_size=(h, w)), img_to_array, preprocess_input(mode="tf")"""
    image = image.convert("RGB")
    if image.size != (w, h):
        image = image.resize((w, h), FILTERS["nearest"])
    x = np.asarray(image, np.float32).copy()
    x /= 127.5
    x -= 1.0
    return x


def keras_dataset(image, h, w):
    x = tf_resize(np.asarray(image.convert("RGB")), (w, h))
    x /= 127.5
    x -= 1.0
    return x


def timm(crop):
    def recipe(image, h, w):
        image = image.convert("RGB")
        iw, ih = image.size
        if h == w:  # torchvision.transforms.Resize(int)
            short = int(math.floor(h / crop))
            if iw <= ih:
                size = (short, int(short * ih / iw))
            else:
                size = (int(short * iw / ih), short)
        else:  # timm.data.transforms.ResizeKeepRatio
            ratio = min(ih / int(h / crop), iw / int(w / crop))
            size = (round(iw / ratio), round(ih / ratio))
        left, top = int(round((size[0] - w) / 2.0)), int(round((size[1] - h) / 2.0))
        image = image_resize(image, size, "bicubic").crop((left, top, left + w, top + h))
        x = np.asarray(image).astype(np.float32) / np.float32(255)
        return (x - np.float32(0.5)) / np.float32(0.5)
    return recipe


def face(image, h, w):
    grey = np.asarray(upright(image).convert("RGB").convert("L"))[:, :, None]
    x = tf_resize(grey, (w, h)) / np.float32(255.0)
    return (x - np.float32(0.5)) * np.float32(2.0)


def age_gender(image, h, w):
    """Square inputs: face-api's padToSquare(tensor, true), normalize, div(255)"""
    x = np.asarray(upright(image).convert("RGB"))
    difference = abs(x.shape[0] - x.shape[1])
    append = math.floor(difference * 0.5 + 0.5)
    border = [(0, 0), (0, 0), (0, 0)]
    border[1 if x.shape[0] > x.shape[1] else 0] = (difference - append, append)
    x = tf_resize(np.pad(x, border), (w, h))
    return (x - np.array([122.782, 117.001, 104.298], np.float32)) / np.float32(255)


def upright(image):
    turns = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
             6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}
    turn = turns.get(image.getexif().get(0x0112))
    return image.transpose(getattr(Image.Transpose, turn)) if turn else image


RECIPES = {"keras": keras, "keras-dataset": keras_dataset, "timm-legacy": timm(0.8975),
           "timm-331": timm(0.903), "timm-318": timm(0.94), "face64": face, "face48": face,
           "age-gender": age_gender}


# ---- the three comparisons ----------------------------------------------------------------------


def random_side(rng):
    return rng.choice((rng.randint(1, 8), rng.randint(1, 64), rng.randint(1, 400)))


def check_resize(tool, rng):
    w, h, out_w, out_h = (random_side(rng) for _ in range(4))
    channels = rng.choice((1, 3, 4))
    draw = np.random.default_rng(rng.getrandbits(32))
    picture = draw.integers(0, 256, (h, w, channels), np.uint8)
    if rng.random() < 0.3:  # black and white overshoots the most
        picture = np.where(picture > 127, 255, 0).astype(np.uint8)
    for name in FILTERS:
        what = f"{w}x{h}x{channels} to {out_w}x{out_h} {name}"
        ours, _ = tool.ask(f"resize {w} {h} {channels} {name} {out_w} {out_h}", picture.tobytes())
        must_equal(what, ours, pillow_resize(picture, (out_w, out_h), name))
    ours, _ = tool.ask(f"tf {w} {h} {channels} {out_w} {out_h}", picture.tobytes(), np.float32)
    must_equal(f"{w}x{h}x{channels} to {out_w}x{out_h} tf-bilinear", ours,
               tf_resize(picture, (out_w, out_h)))


def stored(image):
    """The pixels as we keep them: grey 1 channel, alpha kept, everything else RGB. None where
    Pillow does not say: it has no 16-bit grey with alpha, and stretches that of PGM to 65535."""
    alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    if image.mode.startswith("I"):  # the high byte; Pillow's convert("L") would clip
        grey = (np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)
        return None if alpha or image.format == "PPM" else grey[:, :, None]
    if alpha:
        return np.asarray(image.convert("RGBA"))
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[:, :, None]
    return np.asarray(image.convert("RGB"))


def differs_by_intent(image, data):
    """Pillow compares a transparent colour with stretched samples, PNG's rule is as stored; and it
    rounds the 16-bit samples of PPM, but takes the high byte in PNG, as we do in both."""
    key = isinstance(image.info.get("transparency"), (int, tuple))
    return key and data[24] != 8 or image.format == "PPM" and b"65535" in data[:80]


def check_file(tool, rng, path):
    try:
        image = Image.open(path)
        image.load()
    except OSError:
        return False
    try:
        ours, orientation = tool.ask(f"decode {path}")
    except Refused as sentence:
        print(f"resize_pillow: {path}: refused: {sentence}")
        return False
    theirs = stored(image)
    if theirs is None or differs_by_intent(image, path.read_bytes()):
        return False
    if ours.shape[2] == 1 and theirs.shape[2] == 3:  # a palette of greys
        ours = np.repeat(ours, 3, axis=2)
    must_equal(f"{path}: pixels", ours, theirs)
    expected = image.getexif().get(0x0112, 1)
    if orientation != (expected if expected in range(1, 9) else 1):
        sys.exit(f"resize_pillow: {path}: orientation {orientation}, Pillow {expected}")
    if image.mode.startswith("I"):
        return True
    for name, recipe in RECIPES.items():
        side = rng.choice((48, 64, 71, 112, 150, 299))
        sizes = [(side, side)]
        if name != "age-gender":
            sizes.append((side, rng.randint(32, 320)))
        for h, w in sizes:
            ours, _ = tool.ask(f"prepare {name} {h} {w} {path}", dtype=np.float32)
            theirs = np.atleast_3d(recipe(image, h, w)).astype(np.float32)
            must_equal(f"{path}: {name} at {h}x{w}", ours, theirs)
    return True


def files_of(places):
    for place in map(pathlib.Path, places):
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (p for p in found if p.suffix.lower() in PICTURES)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("files", nargs="*")
    args.add_argument("--tool", default=ROOT / "build/release/tests/image/image_tool")
    args.add_argument("--seconds", type=float, default=20)
    args.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    args = args.parse_args()
    print(f"resize_pillow: seed {args.seed}", flush=True)
    tool, rng = Tool(args.tool), random.Random(args.seed)
    read = sum(check_file(tool, rng, path) for path in files_of(args.files or DEFAULT_FILES))
    if not read:
        sys.exit("resize_pillow: no file was compared")
    end, sizes = time.monotonic() + args.seconds, 0
    while time.monotonic() < end:
        check_resize(tool, rng)
        sizes += 1
    print(f"resize_pillow: {read} files, {sizes} random sizes with {len(FILTERS) + 1} filters: "
          "no byte differs")


if __name__ == "__main__":
    main()
