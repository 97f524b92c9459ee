# SPDX-License-Identifier: Apache-2.0
"""The few calls of libxception that a measurement needs, through ctypes."""
import ctypes as c

WEIGHTS_RANDOM, WEIGHTS_GOLDEN = 1, 2
PRECISION = {"f32": 0, "f64": 1, "bf16": 2}
ALGO = {"direct": 0, "fast": 1}


def options(name, *fields):
    return type(name, (c.Structure,), {"_fields_": [("bytes", c.c_uint32), *fields]})


Context = options("Context", ("threads", c.c_int32), ("cpu", c.c_char_p), ("log", c.c_void_p),
                  ("log_user", c.c_void_p))
Create = options("Create", ("height", c.c_uint32), ("width", c.c_uint32), ("channels", c.c_uint32),
                 ("classes", c.c_uint32), ("weights", c.c_int), ("seed", c.c_uint64))
Session = options("Session", ("max_batch", c.c_uint32), ("height", c.c_uint32),
                  ("width", c.c_uint32), ("precision", c.c_int), ("preprocess", c.c_void_p),
                  ("taps", c.c_void_p), ("tap_count", c.c_uint32), ("algo", c.c_int))


class Xception:
    def __init__(self, library, threads, cpu=None):
        self.lib = c.CDLL(library)
        self.lib.xc_error.restype = c.c_char_p
        self.lib.xc_version.restype = c.c_char_p
        self.context, self.model, self.session = c.c_void_p(), c.c_void_p(), c.c_void_p()
        given = Context(c.sizeof(Context), threads, cpu and cpu.encode(), None, None)
        self.call("xc_context_new", c.byref(given), c.byref(self.context))

    def call(self, name, *args):
        if getattr(self.lib, name)(*args) != 0:
            raise RuntimeError(self.lib.xc_error().decode())

    def version(self):
        return self.lib.xc_version().decode()

    def create(self, arch, weights):
        given = Create(c.sizeof(Create), 0, 0, 0, 0, weights, 0)
        self.call("xc_model_create", self.context, arch.encode(), c.byref(given),
                  c.byref(self.model))

    def save(self, path):
        self.call("xc_model_save", self.model, path.encode(), None)

    def load(self, path, batch, precision, algo):
        self.call("xc_model_load", self.context, path.encode(), None, c.byref(self.model))
        given = Session(c.sizeof(Session), batch, 0, 0, PRECISION[precision], None, None, 0,
                        ALGO[algo])
        self.call("xc_session_new", self.model, c.byref(given), c.byref(self.session))

    def run(self, numbers, batch):
        self.call("xc_run", self.session, numbers, c.c_uint32(batch))

    def logits(self):
        count = c.c_size_t()
        self.call("xc_session_read", self.session, b"logits", None, c.c_size_t(0), c.byref(count))
        out = (c.c_float * count.value)()
        self.call("xc_session_read", self.session, b"logits", out, count, c.byref(count))
        return bytes(out)

    def peak(self, precision, seconds):
        """Multiply-adds a second."""
        out = c.c_double()
        self.call("xc_context_peak", self.context, PRECISION[precision], c.c_double(seconds),
                  c.byref(out))
        return out.value
