#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the accumulators of the matrix product stay in registers? check_spills.py LIBRARY CC
disassembles the functions that STRIP(), SERIES() and STRIP_MIXED() in src/kernel/x86 make and looks at their innermost
loops: each must have the multiply-adds of its tile and no operand on the stack. Then a loop that does
spill is compiled, which must be caught.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPILLS = """
#include <immintrin.h>
void wide_2(const float *a, float *c, int k);
void wide_2(const float *a, float *c, int k)
{
    volatile __m512 acc0 = _mm512_setzero_ps();
    __m512 acc1 = acc0;
    for (; k > 0; k--, a += 16) {
        const __m512 v = _mm512_loadu_ps(a);
        acc0 = _mm512_fmadd_ps(v, v, acc0);
        acc1 = _mm512_fmadd_ps(v, acc1, v);
    }
    _mm512_storeu_ps(c, _mm512_add_ps(acc0, acc1));
}
"""


def functions(path):
    """(name, [(address, instruction)]) of each function of an archive or object."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], check=True,
                          capture_output=True, text=True).stdout
    name, body = None, []
    for line in text.splitlines():
        if start := re.match(r"[0-9a-f]+ <(.+)>:", line):
            if name:
                yield name, body
            name, body = start[1], []
        elif instruction := re.match(r"\s*([0-9a-f]+):\s+(.*)", line):
            body.append((int(instruction[1], 16), instruction[2]))
    if name:
        yield name, body


def innermost_loops(body):
    index = {address: i for i, (address, _) in enumerate(body)}
    jumps = []
    for i, (_, text) in enumerate(body):
        jump = re.match(r"j\w+\s+([0-9a-f]+)", text)
        if jump and index.get(int(jump[1], 16), i + 1) <= i:
            jumps.append((index[int(jump[1], 16)], i))
    for first, last in jumps:
        if not any((a, b) != (first, last) and first <= a and b <= last for a, b in jumps):
            yield [text for _, text in body[first:last + 1]]


def is_sum(text):
    return "vfmadd" in text or "vdpbf16ps" in text


def is_on_stack(text, body):
    """rbp is one more register, unless it holds the frame."""
    framed = any(re.match(r"mov\s+%rsp,%rbp", instruction) for _, instruction in body)
    return "(%rsp" in text or (framed and "(%rbp" in text)


def faults(path, tiles):
    """tiles: multiply-adds of a step by function name. A sentence for each thing that is wrong."""
    seen = set()
    for name, body in functions(path):
        if name not in tiles:
            continue
        loops = [x for x in innermost_loops(body) if any(is_sum(text) for text in x)]
        if not loops:
            yield f"{name}: no loop multiplies and adds"
        for loop in loops:
            seen.add(name)
            count = sum(is_sum(text) for text in loop)
            if count % tiles[name][0] and count % tiles[name][-1]:
                yield f"{name}: {count} multiply-adds in a loop, expected {tiles[name]}"
            for text in loop:
                if is_on_stack(text, body):
                    yield f"{name}: on the stack: {text}"
    for name in set(tiles) - seen:
        yield f"{name}: not found"


def strips():
    """Multiply-adds of a step for each of those macros' uses; a name may be in several files."""
    tiles = {}
    for path in sorted((ROOT / "src/kernel/x86").glob("*.c")):
        vectors = None
        for line in path.read_text().splitlines():
            if defined := re.match(r"#define VECTORS (\d)", line):
                vectors = int(defined[1])
            elif strip := re.match(r"(?:STRIP|SERIES)\((\w+), (\d+)\)", line):
                tiles.setdefault(strip[1], []).append(vectors * int(strip[2]))
            elif strip := re.match(r"STRIP_MIXED\((\w+), (\d+)\)", line):
                rows = int(strip[2])
                tiles.setdefault(strip[1], []).append(rows + (rows + 1) // 2)
    return tiles


def main():
    library, compiler = sys.argv[1:]
    wrong = list(faults(library, strips()))
    with tempfile.TemporaryDirectory() as folder:
        source, planted = pathlib.Path(folder, "a.c"), pathlib.Path(folder, "a.o")
        source.write_text(SPILLS)
        subprocess.run([compiler, "-O2", "-mavx512f", "-c", source, "-o", planted], check=True)
        if not any("on the stack" in text for text in faults(planted, {"wide_2": [2]})):
            wrong.append("the planted spill was not seen")
    print("\n".join(wrong) if wrong else f"{len(strips())} strips, none spills")
    return 1 if wrong else 0


sys.exit(main())
