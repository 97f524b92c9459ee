#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Heat maps of pytorch-grad-cam and captum against ours, with the same weights: Xception and mini XCEPTION, both
trained, written down in PyTorch here. The score is the logit. Bound: 1e-3 of the largest value. Principal
components against scikit-learn's. explanations.py [xception] [mini] [pca]: these alone.

The weights are trained ones since those of a random network say little: its logits are small differences of large
numbers, and so are the changes of a logit that occlusion and Score-CAM compare. The picture is a photograph."""
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import sklearn.decomposition
import torch
from PIL import Image
from captum.attr import IntegratedGradients, Occlusion, Saliency
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from safetensors.numpy import load_file

from common import XCEPTION, check, finish, picture, results

TOOL = os.environ.get("EXPLAIN_TOOL", "build/release/tests/oracle/explain_tool")
SHARED = os.environ.get("XCEPTION_SHARED", "../shared")
BOUND = 1e-3
PHOTOGRAPH, SIDE = "data/kitchenware/pictures/0000.jpg", 150
CAMS = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "hirescam": HiResCAM, "layercam": LayerCAM,
        "scorecam": ScoreCAM, "eigencam": EigenCAM}


def compare(name, got, expected, bound=BOUND):
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    error = np.abs(got - expected).max() / np.abs(expected).max() if got.shape == expected.shape else np.inf
    good = bool(error <= bound)
    print(f"{'ok  ' if good else 'FAIL'} {name}: error {error:.2e} of the largest value", flush=True)
    results["passed" if good else "failed"] += 1


def ours(folder, model, png, method, category, *flags):
    path = os.path.join(folder, "map.npy")
    subprocess.run([XCEPTION, "explain", "-q", "-m", model, "--method", method, "--class", str(category), "--fit",
                    "stretch", "--interp", "nearest", "-o", path, *flags, png], check=True, stdout=subprocess.DEVNULL)
    return np.load(path)


def spread(heat):
    """As pytorch-grad-cam leaves its maps: from 0 to 1."""
    heat = heat - heat.min()
    return heat / (1e-7 + heat.max())


def noise(seed, samples, shape):
    text = subprocess.run([TOOL, "noise", str(seed), str(samples), str(int(np.prod(shape)))], check=True,
                          stdout=subprocess.PIPE).stdout
    return np.frombuffer(text).reshape(samples, *shape)


def check_cams(name, folder, model, layer, path, png, x, category, size):
    for method, maker in CAMS.items():
        if method == "scorecam":  # a run for every channel
            model, x = model.float(), x.float()
        cam = maker(model=model, target_layers=[layer])
        cam.batch_size = 32
        expected = cam(input_tensor=x, targets=[ClassifierOutputTarget(category)])[0]
        model, x = model.double(), x.double()
        heat = spread(ours(folder, path, png, method, category, *size))
        if method == "eigencam":  # the sign of a component is anybody's; theirs is cut off at 0 like ours
            low = cam.activations_and_grads.activations[0].numpy()[0]
            flat = low.reshape(low.shape[0], -1).T
            flat = flat - flat.mean(0)
            axis = np.linalg.svd(flat, full_matrices=False)[2][0]
            score = flat @ axis
            if score @ low.reshape(low.shape[0], -1).sum(0) < 0:  # they took the other sign
                score = np.maximum(-score, 0).reshape(low.shape[1:])
                expected = spread(cv2.resize(spread(score).astype(np.float32), x.shape[:1:-1]))
        compare(f"{name} {method}", heat, expected)


def check_logits(name, path, png, model, x):
    """The two networks are the same one; its best class."""
    with torch.no_grad():
        logits = model(x)[0]
    check(name, path, png, logits.numpy())
    return int(logits.argmax())


def check_input(name, folder, model, path, png, x, category, window, stride):
    """Gradients by single pixels in float64: in float32 a maximum of a pool, or the sign before a ReLU, is now and
    then another one, which moves a whole gradient to the pixel beside it, in PyTorch as here."""
    c, h, w = x.shape[1:]

    def heat(method, *flags):
        return ours(folder, path, png, method, category, *flags)

    expected = IntegratedGradients(model).attribute(x, target=category, n_steps=6, method="riemann_middle")
    compare(f"{name} integrated-gradients", heat("integrated-gradients", "--steps", "6", "--precision", "f64"),
            expected[0].sum(0).detach().numpy())
    deviation = 0.15 * float(x.max() - x.min())
    gradient = 0
    for sample in noise(0, 5, (h, w, c)):
        noisy = (x[0] + deviation * torch.from_numpy(sample.copy()).permute(2, 0, 1)).float().to(x.dtype)
        gradient = gradient + Saliency(model).attribute(noisy[None].requires_grad_(), target=category, abs=False)
    compare(f"{name} smoothgrad", heat("smoothgrad", "--steps", "5", "--precision", "f64"),
            (gradient / 5)[0].abs().sum(0).detach().numpy())
    expected = Occlusion(model).attribute(x, target=category, sliding_window_shapes=(c, window, window),
                                          strides=(c, stride, stride), baselines=0)
    compare(f"{name} occlusion", heat("occlusion", "--window", str(window), "--stride", str(stride)),
            expected[0, 0].detach().numpy())


class Network(torch.nn.Module):
    """From our own parameters, in Keras' layouts; padding as TensorFlow's. `last`: the map that is explained."""

    def __init__(self, tensors):
        super().__init__()
        for k, v in tensors.items():
            self.register_parameter(k.replace("/", "|"), torch.nn.Parameter(torch.from_numpy(v.copy())))
        self.last = torch.nn.Identity()

    @property
    def t(self):
        return {k.replace("|", "/"): v for k, v in self.named_parameters()}

    def conv(self, x, name, stride=1, same=True):
        kernel = self.t[name + "/kernel"].permute(3, 2, 0, 1)
        pad = kernel.shape[-1] // 2 if same and stride == 1 else 0
        return torch.nn.functional.conv2d(x, kernel, self.t.get(name + "/bias"), stride, pad)

    def sep(self, x, name):
        depth = self.t[name + "/depthwise_kernel"].permute(2, 3, 0, 1)
        x = torch.nn.functional.conv2d(x, depth, None, 1, 1, groups=x.shape[1])
        return torch.nn.functional.conv2d(x, self.t[name + "/pointwise_kernel"].permute(3, 2, 0, 1))

    def norm(self, x, name):
        t = [self.t[f"{name}/{part}"].detach() for part in ("moving_mean", "moving_variance", "gamma", "beta")]
        return torch.nn.functional.batch_norm(x, *t, False, 0, 1e-3)

    @staticmethod
    def pool(x):
        total = [(-(-n // 2) - 1) * 2 + 3 - n for n in x.shape[2:]]
        pad = [total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2]
        return torch.nn.functional.max_pool2d(torch.nn.functional.pad(x, pad, value=-np.inf), 3, 2)

    def separable(self, x, name):
        return self.norm(self.sep(x, name), name + "_bn")

    def stem(self, x, first):
        x = self.norm(self.conv(x, "block1_conv1", first, same=False), "block1_conv1_bn").relu()
        return self.norm(self.conv(x, "block1_conv2", same=False), "block1_conv2_bn").relu()

    def down(self, x, block, before=True):
        """Two separable convolutions and a pool, beside a strided convolution."""
        shortcut = self.norm(self.conv(x, f"block{block}_residual", 2), f"block{block}_residual_bn")
        x = self.separable(x.relu() if before else x, f"block{block}_sepconv1").relu()
        return self.pool(self.separable(x, f"block{block}_sepconv2")) + shortcut


class MiniXception(Network):
    def forward(self, x):
        x = self.stem(x, 1)
        for block in range(2, 6):
            x = self.down(x, block, before=False)
        return self.conv(self.last(x), "predictions").mean((2, 3))


class Xception(Network):
    def forward(self, x):
        x = self.stem(x, 2)
        for block in range(2, 5):
            x = self.down(x, block, before=block > 2)
        for block in range(5, 13):
            shortcut = x
            for i in (1, 2, 3):
                x = self.separable(x.relu(), f"block{block}_sepconv{i}")
            x = x + shortcut
        x = self.down(x, 13)
        for i in (1, 2):
            x = self.separable(x, f"block14_sepconv{i}").relu()
        x = self.last(x).mean((2, 3))
        x = (x @ self.t["dense/kernel"] + self.t["dense/bias"]).relu()
        return x @ self.t["predictions/kernel"] + self.t["predictions/bias"]


def trained(folder, name, source, maker):
    """Our file of the network, and the same in PyTorch; (None, None): the weights are not here."""
    source = os.path.join(SHARED, "data", source)
    if not os.path.exists(source):
        print(f"skipped: {name}: there is no {source}")
        return None, None
    path = os.path.join(folder, name + ".safetensors")
    subprocess.run([XCEPTION, "convert", "-q", source, path], check=True, stdout=subprocess.DEVNULL)
    return path, maker(load_file(path)).double().eval()


def check_mini(folder):
    path, model = trained(folder, "mini", "faces/fer2013_mini_XCEPTION.102-0.66.hdf5", MiniXception)
    if not model:
        return
    png = os.path.join(folder, "grey.png")
    pixels = torch.from_numpy(picture(png, 64, 64, 1, 2))
    x = ((pixels / 255 - 0.5) * 2).permute(2, 0, 1)[None].double()
    check_logits("mini-xception", path, png, model, x)
    check_cams("mini-xception", folder, model, model.last, path, png, x, 3, ("--layer", "block5_add"))
    check_input("mini-xception", folder, model, path, png, x, 3, 18, 7)


def check_xception(folder):
    path, model = trained(folder, "xception", "kitchenware/kitchenware_xception_model_val-acc_0.901.keras", Xception)
    if not model:
        return
    png = os.path.join(folder, "photograph.png")
    with Image.open(os.path.join(SHARED, PHOTOGRAPH)) as photograph:
        small = photograph.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    small.save(png)
    x = (torch.from_numpy(np.asarray(small, np.float64)) / 127.5 - 1).permute(2, 0, 1)[None]
    top = check_logits("xception", path, png, model, x)
    check_cams("xception", folder, model, model.last, path, png, x, top, ())
    check_input("xception", folder, model, path, png, x, top, 60, 30)


def check_planted(folder):
    """Ours of one class against ours of another one."""
    path, model = trained(folder, "mini", "faces/fer2013_mini_XCEPTION.102-0.66.hdf5", MiniXception)
    png = os.path.join(folder, "grey.png")
    picture(png, 64, 64, 1, 2)
    if model:
        compare("planted fault: another class", ours(folder, path, png, "hirescam", 2), ours(folder, path, png, "hirescam", 3))


def check_components(folder):
    for rows, width in ((300, 64), (50, 400)):
        data = np.random.default_rng(rows).normal(size=(rows, width)).astype(np.float32)
        data[:, :3] *= (9, 6, 3)
        path = os.path.join(folder, "rows")
        data.tofile(path)
        done = subprocess.run([TOOL, "pca", path, str(rows), str(width), "4"], check=True, stdout=subprocess.PIPE)
        numbers = np.frombuffer(done.stdout)
        score, axes, variance = np.split(numbers, (rows * 4, rows * 4 + width * 4))
        reference = sklearn.decomposition.PCA(4, svd_solver="full")
        expected = reference.fit_transform(data.astype(np.float64))
        compare(f"PCA of {rows} x {width}, scores", score.reshape(rows, 4), expected, 1e-9)
        compare(f"PCA of {rows} x {width}, axes", axes.reshape(4, width), reference.components_, 1e-9)
        compare(f"PCA of {rows} x {width}, variances", variance, reference.explained_variance_, 1e-9)


def main():
    parts = {"pca": check_components, "xception": check_xception, "mini": check_mini}
    with tempfile.TemporaryDirectory() as folder:
        for part in sys.argv[1:] or parts:
            parts[part](folder)
        finish(lambda: check_planted(folder))


if __name__ == "__main__":
    sys.exit(main())
