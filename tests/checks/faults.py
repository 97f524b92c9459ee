#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Can each checker fail? faults.py SCRIPTS CC: plants one fault at a time in a small clean tree and
looks for it in what the checker says. A checker that stays silent, or that complains about the
clean tree, fails this test.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
SKIPPED = 77


def lines(count):
    return "".join(f"    x += {i};\n" for i in range(count))


def function(count, name="f"):
    """A function of that many lines."""
    return f"int {name}(int x)\n{{\n{lines(count - 4)}    return x;\n}}\n"


CLEAN = {
    "include/xception.h": '#include "xception/part.h"\n',
    "include/xception/part.h": "",
    "src/base/status.h": "",
    "src/image/png.c": "#include <png.h>\n",
    "src/graph/graph.c": '#include "base/status.h"\n#include "xception.h"\n' + function(100),
    "src/kernel/x86/conv.c": "#include <immintrin.h>\n" + function(150),
    "src/model/labels.c": "const int labels[] = {\n" + "    1, //\n" * 1100 + "};\n",
    "tools/import/main.c": '#include "weight/foreign.h"\n#include "xception.h"\n',
    "examples/a.c": '#include "xception.h"\n#include "xception/part.h"\n',
}

# checker, file, text to add, what the checker must say
FAULTS = [
    ("layers", "src/base/up.c", '#include "graph/graph.h"\n', "points up"),
    ("layers", "src/tensor/a.c", '#include "thread/pool.h"\n', "points sideways"),
    ("layers", "src/image/a.c", '  #  include "weight/weight.h"\n', "points sideways"),
    ("layers", "src/graph/b.c", '#include "../base/status.h"\n', "climbs"),
    ("layers", "src/graph/b.c", '#include "nowhere/a.h"\n', "is no folder"),
    ("layers", "src/news/a.c", '#include "base/status.h"\n', "has no level"),
    ("layers", "tools/xception/a.c", '#include "base/status.h"\n', "a program sees"),
    ("layers", "tools/import/a.c", '#include "model/model.h"\n', "a program sees"),
    ("layers", "examples/b.c", '#include "tensor/tensor.h"\n', "a program sees"),
    ("layers", "src/image/apng.c", "#include <png.h>\n", "more than one file"),
    ("layers", "src/kernel/ref/a.c", "#include <immintrin.h>\n", "belongs in"),
    ("sizes", "src/model/long.c", function(101), "f has 101 lines"),
    ("sizes", "tests/long.c", function(101), "f has 101 lines"),
    ("sizes", "src/kernel/file.c", function(1000), "1001 lines, the limit is 1000"),
    ("sizes", "include/xception/long.h", "int x; //\n" * 1000, "1001 lines, the limit is 1000"),
    ("style", "src/base/a.c", "#if 0\n#endif\n", "left over"),
    ("style", "src/base/a.c", "/* TO" "DO: later */\n", "left over"),
    ("style", "src/base/a.c", "int a; \n", "left over"),
    ("style", "src/base/a.c", "int  a;\n", "clang-format"),
]

LIBRARY = "#define API __attribute__((visibility(\"default\")))\nAPI int xc_one(void);\n" \
          "API int xc_one(void) { return 1; }\n"
LIBRARY_FAULTS = [
    ("API int other(void); API int other(void) { return 2; }\n", "exports other"),
    ('#include <stdlib.h>\nAPI void xc_end(void); API void xc_end(void) { exit(1); }\n',
     "calls exit"),
    ('#include <stdio.h>\nAPI void xc_say(int i); API void xc_say(int i) { printf("%d", i); }\n',
     "calls printf"),
    ('#include <stdlib.h>\nAPI char *xc_env(void); API char *xc_env(void) { return getenv("A"); }\n',
     "calls getenv"),
]


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SPDX + text)


def run(command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def check_tree(scripts, checker, fault, want):
    """fault: files on top of the clean tree; want: None for silence; gives None where it is skipped"""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        shutil.copy(scripts.parent / ".clang-format", root)
        plant(root, {**CLEAN, **fault})
        code, said = run([scripts / f"check-{checker}", root])
    if code == SKIPPED:
        return None
    return code == 0 if want is None else code == 1 and want in said


def check_library(scripts, cc, fault, want):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        plant(root, {"a.c": LIBRARY + fault})
        command = [cc, "-O0", "-U_FORTIFY_SOURCE", "-fPIC", "-fvisibility=hidden", root / "a.c"]
        subprocess.run([*command, "-shared", "-o", root / "a.so"], check=True)
        subprocess.run([*command, "-c", "-o", root / "a.o"], check=True)
        code, said = run([scripts / "check-symbols", root / "a.so", root / "a.o"])
    return code == 0 if want is None else code == 1 and want in said


def main():
    scripts, cc = pathlib.Path(sys.argv[1]), sys.argv[2]
    results = [(f"{checker}: clean tree", check_tree(scripts, checker, {}, None))
               for checker in ("layers", "sizes", "style")]
    results += [(f"{checker}: {name}: {want}", check_tree(scripts, checker, {name: text}, want))
                for checker, name, text, want in FAULTS]
    results.append(("symbols: clean library", check_library(scripts, cc, "", None)))
    results += [(f"symbols: {want}", check_library(scripts, cc, text, want))
                for text, want in LIBRARY_FAULTS]
    for name, passed in results:
        print("skip" if passed is None else "ok  " if passed else "FAIL", name)
    skipped = sum(passed is None for _, passed in results)
    if skipped:
        print(f"skipped: {skipped} of {len(results)} lines: the checker lacks a program")
    return 1 if any(passed is False for _, passed in results) else 0


sys.exit(main())
