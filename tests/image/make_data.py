#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the small pictures that the tests and the fuzz targets start from, and what Pillow makes of
them. Run once; what it wrote is committed:

    tests/fuzz/corpus/{jpeg,png,webp,bmp,pnm}/*   the pictures
    tests/image/pictures.tsv    file, width, height, channels, orientation, SHA-256 of the pixels
    tests/image/resize.tsv      width, height, channels, filter, new width, new height, SHA-256
    tests/image/recipes.tsv     file, recipe, height, width, SHA-256 of the float32 tensor

    make_data.py        (Pillow 13.0.0, numpy 2.4.6)

Pixels of PNG, BMP and PNM are known before they are written, so their hashes owe nothing to a
reader; those of JPEG and WebP are Pillow's.
"""
import hashlib
import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parent / "fuzz" / "corpus"
sys.path.insert(0, str(HERE.parent / "oracle"))
from resize_pillow import FILTERS, RECIPES, pillow_resize, stored, tf_resize  # noqa: E402

rng = np.random.default_rng(20)
rows = []


def smooth(w, h, channels):
    """A picture with edges and ramps, so that chroma upsampling and filters show."""
    y, x = np.mgrid[0:h, 0:w]
    planes = [(x * (7 + 2 * c) + y * (3 + c) + 60 * ((x // 5 + y // 4 + c) % 2)) % 256
              for c in range(channels)]
    return np.dstack(planes).astype(np.uint8)


def save(path, data, pixels=None, orientation=1):
    """pixels: (h, w, channels), what must come out; None: Pillow decides; False: refused."""
    place = CORPUS / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    if pixels is False:
        return
    if pixels is None:
        pixels = stored(Image.open(io.BytesIO(data)))
    h, w, channels = pixels.shape
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    rows.append((path, w, h, channels, orientation, digest))


def pillow_bytes(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


# ---- JPEG ---------------------------------------------------------------------------------------


def jpeg():
    rgb = Image.fromarray(smooth(33, 21, 3))
    cmyk = Image.fromarray(smooth(19, 14, 4), "CMYK")
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        save(f"jpeg/rgb{name}.jpg", pillow_bytes(rgb, "JPEG", quality=90, subsampling=subsampling))
    save("jpeg/progressive.jpg", pillow_bytes(rgb, "JPEG", quality=80, progressive=True))
    save("jpeg/restart.jpg", pillow_bytes(rgb, "JPEG", quality=80, restart_marker_rows=1))
    save("jpeg/keep-rgb.jpg", pillow_bytes(rgb, "JPEG", quality=80, keep_rgb=True))
    save("jpeg/grey.jpg", pillow_bytes(rgb.convert("L"), "JPEG", quality=80))
    data = pillow_bytes(cmyk, "JPEG", quality=90)
    save("jpeg/cmyk.jpg", data)
    at = data.index(b"Adobe") + 11  # the colour transform: 0 none, 2 YCCK
    save("jpeg/ycck.jpg", data[:at] + b"\2" + data[at + 1:])
    data = pillow_bytes(rgb, "JPEG", quality=80)
    save("jpeg/idle-bytes.jpg", data[:-2] + bytes(64) + data[-2:])
    for w, h in ((1, 1), (1, 300), (300, 1)):
        save(f"jpeg/{w}x{h}.jpg", pillow_bytes(Image.fromarray(smooth(w, h, 3)), "JPEG"))
    for orientation in range(1, 9):
        turned = turn_back(smooth(24, 16, 3), orientation)
        save(f"jpeg/exif{orientation}.jpg",
             pillow_bytes(Image.fromarray(turned), "JPEG", exif=exif(orientation)),
             orientation=orientation)


def turn_back(upright, orientation):
    """The stored pixels whose EXIF turn gives `upright`."""
    return {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1],
            4: lambda a: a[::-1], 5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a),
            7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
            8: lambda a: np.rot90(a, -1)}[orientation](upright).copy()


# ---- PNG: every colour type and depth, by hand, because Pillow writes few of them ---------------


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def packed(samples, depth):
    """Rows of (h, w, samples a pixel), each with filter byte 0."""
    h = samples.shape[0]
    flat = samples.reshape(h, -1)
    if depth == 16:
        lines = [line.astype(">u2").tobytes() for line in flat]
    elif depth == 8:
        lines = [line.astype(np.uint8).tobytes() for line in flat]
    else:
        bits = (flat[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
        lines = [np.packbits(line.reshape(-1).astype(np.uint8)).tobytes() for line in bits]
    return b"".join(b"\0" + line for line in lines)


def png_bytes(samples, colour_type, depth, before=(), adam7=False, after=()):
    h, w = samples.shape[:2]
    header = struct.pack(">IIBBBBB", w, h, depth, colour_type, 0, 0, int(adam7))
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
              (0, 1, 1, 2)) if adam7 else ((0, 0, 1, 1),)
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in passes]
    data = b"".join(packed(part, depth) for part in parts if part.size)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*c) for c in before) +
            chunk(b"IDAT", zlib.compress(data, 9)) + b"".join(chunk(*c) for c in after) +
            chunk(b"IEND", b""))


def to_byte(samples, depth):
    if depth == 16:
        return (samples >> 8).astype(np.uint8)
    return (samples * (255 // ((1 << depth) - 1))).astype(np.uint8)


def png():
    def draw(channels, depth, w=13, h=9):
        return rng.integers(0, 1 << depth, (h, w, channels))

    def opaque(colours, visible):
        return np.dstack([colours, np.where(visible, 255, 0)]).astype(np.uint8)

    for depth in (1, 2, 4, 8, 16):
        s = draw(1, depth)
        save(f"png/grey{depth}.png", png_bytes(s, 0, depth), to_byte(s, depth))
        key = int(s[0, 0, 0])
        grey = to_byte(s, depth)
        save(f"png/grey{depth}-key.png",
             png_bytes(s, 0, depth, [(b"tRNS", struct.pack(">H", key))]),
             opaque(np.dstack([grey] * 3), s[:, :, 0] != key))
    for depth in (8, 16):
        s = draw(3, depth)
        save(f"png/rgb{depth}.png", png_bytes(s, 2, depth), to_byte(s, depth))
        save(f"png/rgb{depth}-adam7.png", png_bytes(s, 2, depth, adam7=True), to_byte(s, depth))
        key = s[2, 3]
        save(f"png/rgb{depth}-key.png",
             png_bytes(s, 2, depth, [(b"tRNS", struct.pack(">HHH", *map(int, key)))]),
             opaque(to_byte(s, depth), (s != key).any(axis=2)))
        s = draw(2, depth)
        save(f"png/grey-alpha{depth}.png", png_bytes(s, 4, depth),
             to_byte(s, depth)[:, :, [0, 0, 0, 1]])
        s = draw(4, depth)
        save(f"png/rgba{depth}.png", png_bytes(s, 6, depth), to_byte(s, depth))
    for depth in (1, 2, 4, 8):
        s = draw(1, depth)
        palette = rng.integers(0, 256, (1 << depth, 3)).astype(np.uint8)
        alpha = rng.integers(0, 256, 1 << depth).astype(np.uint8)
        parts = [(b"PLTE", palette.tobytes()), (b"tRNS", alpha.tobytes())]
        colours = palette[s[:, :, 0]]
        save(f"png/palette{depth}.png", png_bytes(s, 3, depth, parts[:1]), colours)
        save(f"png/palette{depth}-adam7.png", png_bytes(s, 3, depth, parts[:1], True), colours)
        save(f"png/palette{depth}-alpha.png", png_bytes(s, 3, depth, parts),
             np.dstack([colours, alpha[s[:, :, 0]]]))
    for w, h in ((1, 1), (1, 300), (300, 1)):
        s = draw(3, 8, w, h)
        save(f"png/{w}x{h}.png", png_bytes(s, 2, 8), to_byte(s, 8))
    s = draw(3, 8)
    turn = (b"eXIf", exif(6)[6:])
    save("png/exif6.png", png_bytes(s, 2, 8, [turn]), to_byte(s, 8), 6)
    save("png/exif6-behind.png", png_bytes(s, 2, 8, after=[turn]), to_byte(s, 8), 6)
    first, second = (Image.fromarray(to_byte(draw(3, 8), 8)) for _ in range(2))
    save("png/animated.png",
         pillow_bytes(first, "PNG", save_all=True, append_images=[second]), np.asarray(first))


# ---- WebP ---------------------------------------------------------------------------------------


def webp():
    rgb = Image.fromarray(smooth(33, 21, 3))
    rgba = Image.fromarray(smooth(33, 21, 4))
    save("webp/lossy.webp", pillow_bytes(rgb, "WEBP", quality=80))
    save("webp/lossless.webp", pillow_bytes(rgb, "WEBP", lossless=True))
    save("webp/lossy-alpha.webp", pillow_bytes(rgba, "WEBP", quality=80))
    save("webp/lossless-alpha.webp", pillow_bytes(rgba, "WEBP", lossless=True, exact=True))
    save("webp/exif8.webp", pillow_bytes(rgb, "WEBP", quality=50, exif=exif(8)), orientation=8)
    save("webp/1x1.webp", pillow_bytes(rgb.crop((0, 0, 1, 1)), "WEBP", lossless=True))
    save("webp/animated.webp",
         pillow_bytes(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)]), False)


# ---- BMP ----------------------------------------------------------------------------------------


def bmp_bytes(lines, w, h, bits, header=40, compression=0, masks=b"", palette=b"", colours=0):
    """lines: bytes of each row, from the top; h below 0: stored from the top."""
    stored_lines = lines if h < 0 else lines[::-1]
    body = b"".join(line + bytes(-len(line) % 4) for line in stored_lines)
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, w, h, 1, bits, compression, len(body), 0, 0,
                           colours, 0)
        extra = masks if header > 40 else b""
        info += extra + bytes(header - 40 - len(extra))
        info += masks if header == 40 else b""
    at = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + info + palette + body


def bit_lines(index, bits):
    return [np.packbits(((line[:, None] >> np.arange(bits - 1, -1, -1)) & 1)
                        .reshape(-1).astype(np.uint8)).tobytes() for line in index]


def field_picture(w, h, widths):
    """Samples with the given numbers of bits, and what they are stretched to."""
    samples = [rng.integers(0, 1 << n, (h, w)) for n in widths]
    return samples, np.dstack([s * 255 // ((1 << n) - 1) for s, n in zip(samples, widths)]
                              ).astype(np.uint8)


def field_lines(samples, shifts, size):
    pixel = sum(s.astype(np.uint32) << shift for s, shift in zip(samples, shifts))
    return [line.astype(f"<u{size}").tobytes() for line in pixel]


def bmp():
    w, h = 13, 7
    for bits in (1, 4, 8):
        index = rng.integers(0, 1 << bits, (h, w))
        palette = rng.integers(0, 256, (1 << bits, 3)).astype(np.uint8)
        grey = np.repeat(palette[:, :1], 3, axis=1)
        for name, colours in ((f"palette{bits}", palette), (f"grey{bits}", grey)):
            quads = np.hstack([colours[:, ::-1], np.zeros((1 << bits, 1), np.uint8)])
            pixels = colours[index]
            save(f"bmp/{name}.bmp", bmp_bytes(bit_lines(index, bits), w, h, bits,
                                              palette=quads.tobytes()),
                 pixels[:, :, :1] if name.startswith("grey") else pixels)
        save(f"bmp/core{bits}.bmp", bmp_bytes(bit_lines(index, bits), w, h, bits, 12,
                                              palette=palette[:, ::-1].tobytes()), palette[index])
    pixels = rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
    lines = [line[:, ::-1].tobytes() for line in pixels]
    save("bmp/rgb24.bmp", bmp_bytes(lines, w, h, 24), pixels)
    save("bmp/top-down.bmp", bmp_bytes(lines, w, -h, 24), pixels)
    save("bmp/core24.bmp", bmp_bytes(lines, w, h, 24, 12), pixels)
    filler = rng.integers(0, 256, (h, w, 1)).astype(np.uint8)
    lines = [line.tobytes() for line in np.dstack([pixels[:, :, ::-1], filler])]
    save("bmp/rgb32.bmp", bmp_bytes(lines, w, h, 32), pixels)
    masks = struct.pack("<IIII", 0xff0000, 0xff00, 0xff, 0xff000000)
    save("bmp/rgba32.bmp", bmp_bytes(lines, w, h, 32, 108, 3, masks), np.dstack([pixels, filler]))
    save("bmp/fields32.bmp", bmp_bytes(lines, w, h, 32, 40, 3, masks[:12]), pixels)
    samples, pixels = field_picture(w, h, (5, 5, 5))
    save("bmp/rgb555.bmp", bmp_bytes(field_lines(samples, (10, 5, 0), 2), w, h, 16), pixels)
    samples, pixels = field_picture(w, h, (5, 6, 5))
    lines = field_lines(samples, (11, 5, 0), 2)
    masks = struct.pack("<III", 0xf800, 0x07e0, 0x001f)
    save("bmp/rgb565.bmp", bmp_bytes(lines, w, h, 16, 40, 3, masks), pixels)
    save("bmp/rgb565-v5.bmp", bmp_bytes(lines, w, h, 16, 124, 3, masks), pixels)
    samples, pixels = field_picture(w, h, (10, 10, 10))
    masks = struct.pack("<III", 0x3ff00000, 0x000ffc00, 0x000003ff)
    save("bmp/fields30.bmp", bmp_bytes(field_lines(samples, (20, 10, 0), 4), w, h, 32, 52, 3, masks),
         pixels)
    save("bmp/rle8.bmp", bmp_bytes([b"\x04\1\0\1"], 4, 1, 8, compression=1,
                                   palette=bytes(1024)), False)


# ---- PNM ----------------------------------------------------------------------------------------


def text(samples):
    return "\n".join(" ".join(map(str, line)) for line in samples.reshape(len(samples), -1)) + "\n"


def pnm():
    w, h = 11, 6
    bits = rng.integers(0, 2, (h, w, 1))
    black = np.where(bits, 0, 255).astype(np.uint8)
    save("pnm/p1.pbm", f"P1 # bits\n{w} {h}\n{text(bits)}".encode(), black)
    save("pnm/p1-tight.pbm", f"P1\n{w} {h}\n{text(bits).replace(' ', '')}".encode(), black)
    save("pnm/p4.pbm", f"P4\n{w} {h}\n".encode() +
         b"".join(np.packbits(line.astype(np.uint8)).tobytes() for line in bits[:, :, 0]), black)
    for name, channels in (("pgm", 1), ("ppm", 3)):
        plain, raw = (2, 5) if channels == 1 else (3, 6)
        for largest in (255, 100, 1023, 65535):
            s = rng.integers(0, largest + 1, (h, w, channels))
            if largest == 255:
                pixels = s.astype(np.uint8)
            elif largest == 65535:
                pixels = (s >> 8).astype(np.uint8)
            else:
                pixels = np.array([round(v / largest * 255) for v in s.reshape(-1).tolist()],
                                  np.uint8).reshape(s.shape)
            head = f"{w} {h}\n# the largest value\n{largest}\n"
            save(f"pnm/p{plain}-{largest}.{name}", f"P{plain}\n{head}{text(s)}".encode(), pixels)
            body = s.astype(">u2" if largest > 255 else np.uint8).tobytes()
            save(f"pnm/p{raw}-{largest}.{name}", f"P{raw}\n{head}".encode() + body, pixels)


# ---- tables -------------------------------------------------------------------------------------


def pattern(w, h, channels):
    """The test's picture: byte i is the top byte of i * 2654435761 mod 2^32."""
    i = np.arange(w * h * channels, dtype=np.uint64)
    return ((i * 2654435761 >> 24) & 255).astype(np.uint8).reshape(h, w, channels)


def write_table(name, columns, lines):
    body = "".join("\t".join(map(str, line)) + "\n" for line in [columns] + lines)
    (HERE / name).write_text(body)


def resize_rows():
    sizes = ((1, 1, 7, 5), (7, 5, 1, 1), (33, 21, 12, 9), (12, 9, 33, 21), (40, 9, 9, 40),
             (9, 40, 40, 9), (64, 48, 71, 17), (1, 300, 20, 20), (300, 1, 20, 20),
             (20, 30, 15, 18), (20, 30, 15, 20),  # either side of Pillow's order of passes
             (45, 37, 22, 22))  # the float constants of hamming show
    for w, h, out_w, out_h in sizes:
        for channels in (1, 3, 4):
            picture = pattern(w, h, channels)
            for name in FILTERS:
                out = pillow_resize(picture, (out_w, out_h), name)
                yield w, h, channels, name, out_w, out_h, hashlib.sha256(out.tobytes()).hexdigest()
            out = tf_resize(picture, (out_w, out_h)).astype("<f4")
            yield (w, h, channels, "tf-bilinear", out_w, out_h,
                   hashlib.sha256(out.tobytes()).hexdigest())


def recipe_rows():
    files = ("png/rgb8.png", "png/grey8.png", "png/rgba8.png", "png/palette4-alpha.png",
             "png/1x300.png", "png/300x1.png", "png/exif6.png", "bmp/palette8.bmp", "pnm/p6-255.ppm")
    for path in files:
        image = Image.open(CORPUS / path)
        image.load()
        for name, recipe in RECIPES.items():
            for h, w in ((16, 16), (16, 23), (299, 299)):
                if h == 299 and path != files[0]:
                    continue
                if name == "age-gender" and h != w:
                    continue
                x = np.atleast_3d(recipe(image, h, w)).astype("<f4")
                yield path, name, h, w, hashlib.sha256(x.tobytes()).hexdigest()


def main():
    for make in (jpeg, png, webp, bmp, pnm):
        make()
    write_table("pictures.tsv", ("file", "width", "height", "channels", "orientation", "sha256"),
                rows)
    write_table("resize.tsv", ("width", "height", "channels", "filter", "to_width", "to_height",
                               "sha256"), list(resize_rows()))
    write_table("recipes.tsv", ("file", "recipe", "height", "width", "sha256"),
                list(recipe_rows()))


if __name__ == "__main__":
    main()
