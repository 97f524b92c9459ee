#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Heat maps of pytorch-grad-cam and captum against ours, with the same weights: Xception (timm's) and mini
XCEPTION (trained, written down in PyTorch here). The score is the logit. Bound: 1e-3 of the largest value.
Principal components against scikit-learn's."""
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import sklearn.decomposition
import timm
import torch
from captum.attr import IntegratedGradients, Occlusion, Saliency
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from safetensors.numpy import load_file
from safetensors.torch import save_file

from common import XCEPTION, finish, picture, results
from timm_models import randomise

TOOL = os.environ.get("EXPLAIN_TOOL", "build/release/tests/oracle/explain_tool")
SHARED = os.environ.get("XCEPTION_SHARED", "../shared")
BOUND = 1e-3
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


def check_input(name, folder, model, path, png, x, category, size):
    c, h, w = x.shape[1:]
    expected = IntegratedGradients(model).attribute(x, target=category, n_steps=12, method="riemann_middle")
    compare(f"{name} integrated-gradients", ours(folder, path, png, "integrated-gradients", category, *size, "--steps",
                                                 "12"), expected[0].sum(0).detach().numpy())
    deviation = 0.15 * float(x.max() - x.min())
    gradient = 0
    for sample in noise(0, 5, (h, w, c)):
        noisy = (x[0] + deviation * torch.from_numpy(sample.copy()).permute(2, 0, 1)).float().to(x.dtype)
        gradient = gradient + Saliency(model).attribute(noisy[None].requires_grad_(), target=category, abs=False)
    compare(f"{name} smoothgrad", ours(folder, path, png, "smoothgrad", category, *size, "--steps", "5"),
            (gradient / 5)[0].abs().sum(0).detach().numpy())
    expected = Occlusion(model).attribute(x, target=category, sliding_window_shapes=(c, 18, 18), strides=(c, 7, 7),
                                          baselines=0)
    compare(f"{name} occlusion", ours(folder, path, png, "occlusion", category, *size, "--window", "18", "--stride",
                                      "7", "--precision", "f64"), expected[0, 0].detach().numpy())


def check_xception(folder):
    png = os.path.join(folder, "picture.png")
    height, width = 107, 75
    model = timm.create_model("legacy_xception", pretrained=False, num_classes=10).eval()
    randomise(model, 5)
    pixels = torch.from_numpy(picture(png, height, width, 3, 1))
    x = ((pixels / 255 - 0.5) / 0.5).permute(2, 0, 1)[None].double()
    with torch.no_grad():  # logits as a trained network has them: Score-CAM takes their exponentials
        model.fc.weight *= 5 / model(x.float()).abs().max()
        top = int(model(x.float()).argmax())
    path = os.path.join(folder, "model.safetensors")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    size = ("--size", f"{height}x{width}")
    model = model.double()
    check_cams("xception", folder, model, model.act4, path, png, x, top, size)
    check_input("xception", folder, model, path, png, x, top, size)
    return lambda: compare("planted fault: another class", ours(folder, path, png, "hirescam", (top + 1) % 10, *size),
                           ours(folder, path, png, "hirescam", top, *size))


class MiniXception(torch.nn.Module):
    """From our own parameters, in Keras' layouts; padding as TensorFlow's."""

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

    def forward(self, x):
        for i in (1, 2):
            x = self.norm(self.conv(x, f"block1_conv{i}", same=False), f"block1_conv{i}_bn").relu()
        for b in range(2, 6):
            shortcut = self.norm(self.conv(x, f"block{b}_residual", 2), f"block{b}_residual_bn")
            x = self.norm(self.sep(x, f"block{b}_sepconv1"), f"block{b}_sepconv1_bn").relu()
            x = self.norm(self.sep(x, f"block{b}_sepconv2"), f"block{b}_sepconv2_bn")
            x = self.pool(x) + shortcut
        x = self.last(x)
        return self.conv(x, "predictions").mean((2, 3))


def check_mini(folder):
    source = os.path.join(SHARED, "data/faces/fer2013_mini_XCEPTION.102-0.66.hdf5")
    if not os.path.exists(source):
        print("skipped: mini XCEPTION: there is no " + source)
        return
    path, png = os.path.join(folder, "mini.safetensors"), os.path.join(folder, "grey.png")
    subprocess.run([XCEPTION, "convert", "-q", source, path], check=True, stdout=subprocess.DEVNULL)
    model = MiniXception(load_file(path)).double().eval()
    pixels = torch.from_numpy(picture(png, 64, 64, 1, 2))
    x = ((pixels / 255 - 0.5) * 2).permute(2, 0, 1)[None].double()
    size = ("--layer", "block5_add")
    check_cams("mini-xception", folder, model, model.last, path, png, x, 3, size)
    check_input("mini-xception", folder, model, path, png, x, 3, ())


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
    with tempfile.TemporaryDirectory() as folder:
        check_components(folder)
        planted = check_xception(folder)
        check_mini(folder)
        finish(planted)


if __name__ == "__main__":
    sys.exit(main())
