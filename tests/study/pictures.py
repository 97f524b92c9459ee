#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pictures.py FOLDER TRAIN TEST: a data set of 16x16 noise that is a little brighter in one colour,
which is its class. TRAIN and TEST: pictures of each of three classes."""
import os, random, sys


def surroundings(folder):
    """Of a command that is tested: nobody's settings, as in run_cases.py."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": folder, "XDG_CONFIG_DIRS": folder}


def make(folder, train, test):
    noise = random.Random(1)
    for split, count in (("train", train), ("test", test)):
        for channel, name in enumerate(("red", "green", "blue")):
            os.makedirs(f"{folder}/{split}/{name}")
            for i in range(count):
                pixels = bytearray(noise.randrange(225) for _ in range(16 * 16 * 3))
                for at in range(channel, len(pixels), 3):
                    pixels[at] += 30
                with open(f"{folder}/{split}/{name}/{i}.ppm", "wb") as f:
                    f.write(b"P6 16 16 255\n" + pixels)


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
