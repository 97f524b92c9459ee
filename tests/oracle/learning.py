# SPDX-License-Identifier: Apache-2.0
"""What the oracles of training share: our learn_tool, and comparisons that can fail.

A framework's network is a list of (our parameter name, its numbers in our layout); a "run" of a
framework is a function that gives losses, gradients and parameters after some steps."""
import os
import subprocess
import tempfile

import numpy as np

from common import results

TOOL = os.path.join(os.path.dirname(os.environ.get("XCEPTION_BINARY", "build/release/xception")),
                    "tests/oracle/learn_tool")
EXACT = 1e-8    # of a parameter's gradient, float64 against float64
CLOSE = 1e-4    # of the loss, over ten steps
TIMES = 3       # our float32 error against the framework's own


class Lesson:
    """One network, one start, the same batches for everybody."""

    def __init__(self, arch, height, width, classes, batch, steps, seed):
        self.arch = f"{arch},input={height}x{width}x3,classes={classes}"
        self.batch, self.steps, self.classes = batch, steps, classes
        rng = np.random.default_rng(seed)
        self.images = rng.standard_normal((steps, batch, height, width, 3)).astype(np.float32)
        self.labels = rng.integers(0, classes, (steps, batch))
        lines = subprocess.run([TOOL, "table", self.arch], capture_output=True, text=True, check=True)
        rows = [line.split() for line in lines.stdout.splitlines()]
        self.table = [(row[0], tuple(int(d) for d in row[1:])) for row in rows]
        self.start = {name: self.draw(rng, name, shape) for name, shape in self.table}

    @staticmethod
    def draw(rng, name, shape):
        """float32 numbers, so that every precision starts from the same point."""
        role = name.rsplit("/", 1)[1]
        normal = rng.standard_normal(shape)
        if role == "moving_variance":
            value = 1 + 0.3 * rng.uniform(size=shape)
        elif role == "gamma":  # the middle flow adds little, so that rounding is not amplified
            value = (0.1 if "_sepconv3_bn" in name else 1) * (1 + 0.1 * normal)
        elif len(shape) == 1:
            value = 0.1 * normal
        else:
            fan = np.prod(shape[:2]) if role == "depthwise_kernel" else np.prod(shape[:-1])
            value = normal * np.sqrt(1 / fan)
        return value.astype(np.float32)

    def ours(self, dtype, steps, kind="none", lr=0, momentum=0, rho=0, epsilon=0, nesterov=0, decay=0):
        """Losses, gradients of the last step and final parameters, by name."""
        one_hot = np.eye(self.classes)[self.labels]
        with tempfile.TemporaryDirectory() as folder:
            flat = np.concatenate([self.start[name].ravel() for name, _ in self.table])
            flat.astype(np.float64).tofile(os.path.join(folder, "param"))
            self.images.astype(np.float64).tofile(os.path.join(folder, "input"))
            one_hot.tofile(os.path.join(folder, "target"))
            words = [TOOL, "run", folder, self.arch, self.batch, dtype, steps, kind, lr, momentum, rho,
                     epsilon, nesterov, decay]
            done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=True)
            return ([float(x) for x in done.stdout.split()], self.split(folder, "grad"),
                    self.split(folder, "param_out"))

    def split(self, folder, name):
        flat, blocks, at = np.fromfile(os.path.join(folder, name)), {}, 0
        for param, shape in self.table:
            count = int(np.prod(shape))
            blocks[param] = flat[at:at + count].reshape(shape)
            at += count
        return blocks


def report(good, text):
    print(f"{'ok  ' if good else 'FAIL'} {text}", flush=True)
    results["passed" if good else "failed"] += 1


def distance(got, expected, names):
    """Relative to the whole of these parameters."""
    square = sum(np.sum((got[n] - expected[n]) ** 2) for n in names)
    return np.sqrt(square / sum(np.sum(expected[n] ** 2) for n in names))


def check_exact(title, got, expected):
    """Each parameter's gradient by itself; got and expected: by name."""
    off = {n: distance(got, expected, [n]) for n in expected}
    where = max(off, key=lambda n: np.inf if np.isnan(off[n]) else off[n])
    worst = off[where]
    report(set(got) >= set(expected) and worst <= EXACT,
           f"{title}: worst relative error {worst:.2e} in {where}")


def check_single(title, lessons, framework, single, double, names=None):
    """A ReLU that rounding flips costs 1e-3 of the gradient, in anybody's float32; so the best of
    several starts counts, for both. names: of these parameters only."""
    ours, theirs = [], []
    for lesson in lessons:
        exact = framework(lesson, double, 1)[1]
        ours.append(distance(lesson.ours("f32", 1)[1], exact, names or exact))
        theirs.append(distance(framework(lesson, single, 1)[1], exact, names or exact))
    report(np.isfinite(ours).all() and min(ours) <= TIMES * min(theirs),
           f"{title}: float32 gradient off by {min(ours):.2e} (at most {max(ours):.2e}), the "
           f"framework's own by {min(theirs):.2e} ({max(theirs):.2e})")


def check_losses(title, got, expected):
    error = np.max([abs(a - b) / abs(b) for a, b in zip(got, expected, strict=True)])
    report(error <= CLOSE, f"{title}: {len(got)} losses from {expected[0]:.4f} to {expected[-1]:.4f}, "
                           f"off by at most {error:.2e}")
