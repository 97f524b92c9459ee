# SPDX-License-Identifier: Apache-2.0
"""What every oracle needs: pictures without loss, our command, and a comparison that can fail."""
import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image

XCEPTION = os.environ.get("XCEPTION_BINARY", "build/release/xception")
BOUND = 1e-5  # of the largest logit
results = {"passed": 0, "failed": 0}


def picture(path, height, width, channels, seed):
    """A random PNG at the exact input size; returns its pixels (h, w, c) as float32."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
    return pixels.astype(np.float32)


def ours(model, png, *flags):
    """Our logits for one picture, through the command."""
    command = [XCEPTION, "classify", "-m", model, "--format", "jsonl", "--raw-logits", "-k", "1",
               "--fit", "stretch", "--interp", "nearest", *flags, png]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n=> {done.returncode}: {done.stderr}")
    return np.array(json.loads(done.stdout)["logits"])


def check(name, model, png, expected, *flags):
    """Prints one line; counts."""
    try:
        got = ours(model, png, *flags)
        expected = np.asarray(expected, dtype=np.float64).ravel()
        if got.shape != expected.shape:
            raise RuntimeError(f"{got.size} logits, expected {expected.size}")
        error = np.abs(got - expected).max() / np.abs(expected).max()
        good = bool(error <= BOUND)
        print(f"{'ok  ' if good else 'FAIL'} {name}: error {error:.2e} of the largest logit", flush=True)
    except Exception as problem:  # a refusal is a failure with its sentence
        good = False
        print(f"FAIL {name}: {problem}", flush=True)
    results["passed" if good else "failed"] += 1


def finish(planted):
    """planted: a check that must fail, or the checker itself is broken."""
    before = results["failed"]
    planted()
    if results["failed"] == before + 1:
        results["failed"] -= 1
        results["passed"] += 1
        print("ok   the planted fault above was caught")
    else:
        results["failed"] += 1
        print("FAIL the planted fault was not caught")
    print(f"{results['passed']} passed, {results['failed']} failed")
    sys.exit(1 if results["failed"] else 0)
