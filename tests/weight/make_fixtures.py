#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/weight/fixtures: small foreign weight files, good and hostile ones.

Needs h5py and numpy, not torch and not Keras: state dicts are pickled with stand-ins for the few
classes that a real one names. Same versions, same bytes, but for a heap in bad_virtual.h5.
"""
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import h5py
import numpy as np

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")


def path(name):
    return os.path.join(OUT, name)


def ramp(*shape, start=0, dtype="<f4"):
    """0.5, 1.5, 2.5, ...: exact in every float type."""
    count = int(np.prod(shape))
    return (np.arange(count) + start + 0.5).astype(dtype).reshape(shape)


def strings(*words):
    return np.array([w.encode() for w in words])


# --- HDF5 -----------------------------------------------------------------------------------------


def layer(root, name, weights):
    group = root.create_group(name)
    group.attrs["weight_names"] = strings(*weights) if weights else np.zeros(0)
    for weight, value in weights.items():
        group[weight] = value
    return group


def keras_1():
    """The layout and names of the published ImageNet file."""
    with h5py.File(path("keras1.h5"), "w") as f:
        f.attrs["layer_names"] = strings(
            "input_1", "convolution2d_1", "batchnormalization_1", "separableconvolution2d_1", "dense_2"
        )
        layer(f, "input_1", {})
        layer(f, "convolution2d_1", {"convolution2d_1_W:0": ramp(1, 1, 3, 2)})
        bn = "batchnormalization_1_"
        layer(
            f,
            "batchnormalization_1",
            {
                bn + "gamma:0": ramp(2),
                bn + "beta:0": ramp(2, start=2),
                bn + "running_mean:0": ramp(2, start=4),
                bn + "running_std:0": ramp(2, start=6),
            },
        )
        sep = "separableconvolution2d_1_"
        layer(
            f,
            "separableconvolution2d_1",
            {sep + "depthwise_kernel:0": ramp(1, 1, 2, 1), sep + "pointwise_kernel:0": ramp(1, 1, 2, 2)},
        )
        layer(f, "dense_2", {"dense_2_W:0": ramp(2, 3), "dense_2_b:0": ramp(3)})


def keras_2():
    """A whole model: scopes that are not layer names, a nested model, a name that occurs twice."""
    with h5py.File(path("keras2.hdf5"), "w") as f:
        f.attrs["keras_version"] = "2.0.5"
        f.attrs["model_config"] = '{"class_name": "Model"}'
        root = f.create_group("model_weights")
        root.attrs["layer_names"] = strings("conv2d_1", "xception", "activation_1", "dense")
        layer(root, "conv2d_1", {"conv2d_1_1/kernel:0": ramp(1, 1, 1, 2), "conv2d_1_1/bias:0": ramp(2)})
        layer(
            root,
            "xception",
            {
                "block1_conv1/kernel:0": ramp(2, 2),
                "outer/dense/kernel:0": ramp(1, 2),
                "dense/bias:0": ramp(1),
            },
        )
        layer(root, "activation_1", {})
        layer(root, "dense", {"dense/kernel:0": ramp(2, 1, start=10)})
        f.create_group("optimizer_weights")["training/m:0"] = ramp(4)


def keras_split():
    """h5py cuts attributes above 64 KiB into NAME0, NAME1, ..."""
    with h5py.File(path("split.h5"), "w") as f:
        f.attrs["layer_names0"] = strings("a")
        f.attrs["layer_names1"] = strings("b")
        f.create_group("a").attrs["weight_names0"] = strings("a/kernel:0")
        f["a/a/kernel:0"] = ramp(2)
        layer(f, "b", {"b/kernel:0": ramp(3)})


def keras_3():
    with h5py.File(path("keras3.weights.h5"), "w", libver="latest") as f:
        f.create_group("vars").attrs["name"] = "model"
        # more than ten of a kind, so that the order by name is not the order of writing
        for i in range(12):
            name = "conv2d" + (f"_{i}" if i else "")
            group = f.create_group(f"layers/{name}/vars")
            group.attrs["name"] = f"layer_{i}"
            group["0"] = ramp(1, 2, start=i)
        types_group = f.create_group("layers/types/vars")
        types_group["0"] = ramp(3, dtype="<f2")
        types_group["1"] = ramp(3, dtype="<f8")
        types_group["2"] = np.array([7, 9], dtype="<u4")
        types_group["3"] = ramp(2, dtype=">f4")
        types_group["4"] = np.float32(2.5)
        brain = (ramp(3).view("<u4") >> 16).astype("<u2").view("V2")
        types_group.create_dataset("5", data=brain).attrs["dtype"] = "bfloat16"
        types_group["6"] = np.zeros((0, 4), "<f4")
        f["optimizer/vars/0"] = ramp(100)
        f.create_group("layers/empty/vars")


def keras_2_13():
    with h5py.File(path("keras2_13.weights.h5"), "w") as f:
        f.create_group("vars")
        f["_layer_checkpoint_dependencies/dense/vars/0"] = ramp(2, 2)


def packed():
    with h5py.File(path("packed.weights.h5"), "w") as f:
        group = f.create_group("layers/dense/vars")
        group.create_dataset("0", data=ramp(8, 8), chunks=(4, 4), compression="gzip", shuffle=True)


def hostile_hdf5():
    def file(name):
        f = h5py.File(path(f"bad_{name}.h5"), "w")
        f["layers/dense/vars/0"] = ramp(2)
        return f

    with file("cycle") as f:
        f["layers/dense/up"] = f["layers"]
    with file("soft") as f:
        f["layers/dense/vars/1"] = h5py.SoftLink("/layers/dense/vars/0")
    with file("external_link") as f:
        f["layers/dense/vars/1"] = h5py.ExternalLink("/etc/passwd", "/")
    with file("external_data") as f:
        f["layers/dense/vars"].create_dataset("1", shape=(2,), dtype="<f4", external=[("/etc/passwd", 0, 8)])
    with file("virtual") as f:
        layout = h5py.VirtualLayout(shape=(2,), dtype="<f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(2,))
        f["layers/dense/vars"].create_virtual_dataset("1", layout)
    with file("committed") as f:
        f["layers/dense/type"] = np.dtype("<f4")
    with file("lzf") as f:
        f["layers/dense/vars"].create_dataset("1", data=ramp(8), chunks=(8,), compression="lzf")
    with file("deep") as f:
        f.create_group("/".join("g" * 20))
    with file("bomb") as f:
        f["layers/dense/vars"].create_dataset("1", shape=(1 << 20, 1 << 20), dtype="<f4", chunks=(64, 64))
    with file("text") as f:
        f["layers/dense/vars/1"] = np.array([b"word"])
    with file("name") as f:
        f.create_group("n" * 300)
    with h5py.File(path("bad_other.h5"), "w") as f:
        f["data"] = ramp(2)
    with h5py.File(path("bad_layer.h5"), "w") as f:
        f.attrs["layer_names"] = strings("gone")
    with h5py.File(path("bad_weight.h5"), "w") as f:
        f.attrs["layer_names"] = strings("a")
        f.create_group("a").attrs["weight_names"] = strings("gone")
    with h5py.File(path("bad_names.h5"), "w") as f:
        f.attrs["layer_names"] = np.arange(3)


# --- zip ------------------------------------------------------------------------------------------


def write_zip(name, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path(name), "w") as z:
        for member, data in members:
            info = zipfile.ZipInfo(member)
            info.compress_type = method
            z.writestr(info, data)


def keras_zip():
    image = io.BytesIO()
    with h5py.File(image, "w") as f:
        group = f.create_group("layers/dense/vars")
        group["0"] = ramp(2, 3)
        group["1"] = ramp(3)
    weights = ("model.weights.h5", image.getvalue())
    text = [("metadata.json", '{"keras_version": "3.3.3"}'), ("config.json", '{"class_name": "Functional"}')]
    write_zip("tiny.keras", text + [weights])
    write_zip("deflated.keras", text + [weights], zipfile.ZIP_DEFLATED)
    write_zip("bad_climb.keras", text + [weights, ("assets/../../x", "x")])
    write_zip("bad_absolute.keras", text + [weights, ("/etc/x", "x")])
    write_zip("bad_npz.keras", text + [("model.weights.npz", "x")])
    write_zip("bad_bomb.keras", text + [("model.weights.h5", bytes(16 << 20))], zipfile.ZIP_DEFLATED)
    write_zip("bad_nul.keras", [("metadata.json", "{}"), ("config.json", "{\0}"), weights])
    whole = open(path("tiny.keras"), "rb").read()
    at = whole.index(image.getvalue()) + len(image.getvalue()) // 2
    with open(path("bad_crc.keras"), "wb") as f:
        f.write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


# --- pickle ---------------------------------------------------------------------------------------


def stand_in(module, name):
    """A class that pickles as GLOBAL module name."""
    made = sys.modules.setdefault(module, types.ModuleType(module))
    setattr(made, name, type(name, (), {"__module__": module, "__qualname__": name}))
    return getattr(made, name)


STORAGES = {
    "<f4": stand_in("torch", "FloatStorage"),
    "<f8": stand_in("torch", "DoubleStorage"),
    "<f2": stand_in("torch", "HalfStorage"),
    "<i8": stand_in("torch", "LongStorage"),
    "<i2": stand_in("torch", "ShortStorage"),
    "|u1": stand_in("torch", "ByteStorage"),
}
REBUILD = stand_in("torch._utils", "_rebuild_tensor_v2")
REBUILD_OLD = stand_in("torch._utils", "_rebuild_tensor")
PARAMETER = stand_in("torch._utils", "_rebuild_parameter")
SYSTEM = stand_in("posix", "system")


class Storage:
    def __init__(self, key, values):
        self.key, self.values = str(key), values


class Call:
    """Pickles as function(*arguments)."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def tensor(storage, offset, size, stride):
    return Call(REBUILD, storage, offset, size, stride, False, OrderedDict())


def whole(key, values):
    stride = tuple(s // values.itemsize for s in values.strides)
    return tensor(Storage(key, values.reshape(-1)), 0, values.shape, stride)


class Pickler(pickle._Pickler):
    """In Python, so that a function stand-in is a GLOBAL and a Storage a persistent id."""

    def __init__(self, stream, legacy):
        super().__init__(stream, protocol=2)
        self.storages, self.legacy = {}, legacy

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        self.storages[value.key] = value.values
        kind = STORAGES[value.values.dtype.str]
        view = (None,) if self.legacy else ()
        return ("storage", kind, value.key, "cpu", value.values.size) + view


def dump(value, legacy=False):
    stream = io.BytesIO()
    pickler = Pickler(stream, legacy)
    pickler.dump(value)
    return stream.getvalue(), pickler.storages


def torch_zip(name, value, prefix="archive", method=zipfile.ZIP_STORED, order=b"little", drop=False):
    text, storages = dump(value)
    members = [(f"{prefix}/data.pkl", text), (f"{prefix}/byteorder", order)]
    if not drop:
        members += [(f"{prefix}/data/{k}", v.tobytes()) for k, v in storages.items()]
    write_zip(name, members + [(f"{prefix}/version", b"3\n")], method)


def torch_old(name, value, little=True, cut=0):
    text, storages = dump(value, legacy=True)
    sizes = {"short": 2, "int": 4, "long": 4}
    machine = {"protocol_version": 1001, "little_endian": little, "type_sizes": sizes}
    parts = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps(machine, 2)]
    parts += [text, pickle.dumps(sorted(storages), 2)]
    for key in sorted(storages):
        parts.append(struct.pack("<q", storages[key].size) + storages[key].tobytes())
    data = b"".join(parts)
    with open(path(name), "wb") as f:
        f.write(data[: len(data) - cut])


def state_dict():
    shared = Storage("shared", ramp(12))
    return OrderedDict(
        [
            ("module.conv1.weight", whole(0, ramp(2, 3, 1, 1))),
            ("module._orig_mod.bn1.num_batches_tracked", whole(1, np.array(77, "<i8"))),
            ("rows", tensor(shared, 0, (3, 4), (4, 1))),
            ("columns", tensor(shared, 0, (4, 3), (1, 4))),
            ("expanded", tensor(shared, 5, (2, 2), (0, 1))),
            ("small", whole(2, np.array([-3, 4], "<i2"))),
            ("bytes", whole(3, np.array([200, 1], "|u1"))),
            ("half", whole(4, ramp(2, dtype="<f2"))),
            ("double", Call(PARAMETER, whole(5, ramp(2, dtype="<f8")), True, OrderedDict())),
            ("empty", whole(6, np.zeros((0, 2), "<f4"))),
            ("old", Call(REBUILD_OLD, Storage("7", ramp(2)), 0, (2,), (1,))),
        ]
    )


def pytorch():
    plain = state_dict()
    torch_zip("plain.pth", plain)
    torch_old("legacy.pth", plain)
    checkpoint = {"epoch": 3, "lr": 0.1, "done": True, "none": None, "big": 1 << 40, "model": {"state_dict": plain}}
    torch_zip("wrapped.pth", checkpoint, prefix="some/stem")
    torch_zip("bad_system.pth", {"x": Call(SYSTEM, "id > /tmp/pwned")})
    torch_old("bad_system_old.pth", {"x": Call(SYSTEM, "id > /tmp/pwned")})
    torch_zip("bad_deflated.pth", plain, method=zipfile.ZIP_DEFLATED)
    torch_zip("bad_order.pth", plain, order=b"big")
    torch_zip("bad_missing.pth", plain, drop=True)
    torch_zip("bad_nothing.pth", {"epoch": 1})
    torch_zip("bad_list.pth", [1, 2])
    torch_zip("bad_twice.pth", {"module.a": whole(0, ramp(2)), "a": whole(1, ramp(2))})
    torch_zip("bad_expanded.pth", {"a": tensor(Storage("0", ramp(1)), 0, (1 << 30, 1 << 20), (0, 0))})
    torch_old("bad_little.pth", plain, little=False)
    torch_old("bad_cut.pth", plain, cut=1)
    write_zip("bad_climb.pth", [("archive/data.pkl", dump({})[0]), ("../x", b"x")])


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    for make in (keras_1, keras_2, keras_split, keras_3, keras_2_13, packed, hostile_hdf5, keras_zip, pytorch):
        make()
