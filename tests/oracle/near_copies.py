#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does `xception embed --nearest` find photographs again? near_copies.py [MODEL FOLDER COPIES [FLAG...]]:
copies of COPIES photographs of the folder, taken evenly: at half the size, as JPEG of quality 25, and with
5 % of width and height cut off. For each kind: how often the original is the nearest of all photographs
of the folder. Recall below 0.98 is a failure. NEAR_COPIES_INDEX names an index that is there already."""
import os
import pathlib
import subprocess
import sys
import tempfile

from PIL import Image, ImageOps

from common import XCEPTION

SHARED = os.environ.get("XCEPTION_SHARED", "../shared")
MODEL = SHARED + "/data/kitchenware/kitchenware_xception_model_val-acc_0.901.keras"
LEAST = 0.98


def halved(image, _):
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BICUBIC), 95


def compressed(image, _):
    return image, 25


def cropped(image, number):
    w, h = round(image.width * 0.95), round(image.height * 0.95)
    left, top = (image.width - w) * (number % 3) // 2, (image.height - h) * (number // 3 % 3) // 2
    return image.crop((left, top, left + w, top + h)), 95


KINDS = (halved, compressed, cropped)


def embed(*words):
    return subprocess.run([XCEPTION, "embed", "-q", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    model, folder, copies = (sys.argv[1], sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 3 else \
        (MODEL, SHARED + "/data/clothing/validation", 20)
    flags = ["-m", model, *sys.argv[4:]]
    if not os.path.exists(model) or not os.path.isdir(folder):
        print("skipped: there is no " + (folder if os.path.exists(model) else model))
        return 0
    found = sorted(str(p) for p in pathlib.Path(folder).rglob("*.jpg"))
    chosen = [found[i * len(found) // copies] for i in range(copies)]
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        index = os.environ.get("NEAR_COPIES_INDEX")
        if not index:
            index = os.path.join(work, "index.npy")
            embed(*flags, "-o", index, folder)
        for kind in KINDS:
            made = {}
            for number, original in enumerate(chosen):
                copy, quality = kind(ImageOps.exif_transpose(Image.open(original)).convert("RGB"), number)
                path = os.path.join(work, f"{kind.__name__}-{number}.jpg")
                copy.save(path, quality=quality)
                made[path] = os.path.realpath(original)
            lines = embed(*flags, "--nearest", index, "-k", "1", "--format", "tsv", *made).splitlines()
            hits = sum(os.path.realpath(line.split("\t")[2]) == made[line.split("\t")[0]] for line in lines)
            good = len(lines) == copies and hits >= LEAST * copies
            failed += not good
            print(f"{'ok  ' if good else 'FAIL'} {kind.__name__}: {hits} of {copies} photographs found among "
                  f"{len(found)}", flush=True)
        wrong = os.path.realpath(chosen[0]) == made[path]  # the last copy is not of the first photograph
        failed += wrong
        print("FAIL the checker takes any photograph" if wrong else "ok   another photograph does not count")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
