#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs transcripts of the command and compares every byte.

A case file holds blocks:   $ COMMAND            run by sh in an empty folder; `xception` is the command
                            expected output      stdout and stderr in the order written
                            => EXIT CODE
"..." inside an expected line stands for anything, a line "..." alone for any number of lines.
$DATA is the folder tests/tools/data, $SHARED the optional data; a block whose command names a
missing $SHARED/... path is skipped.
"""
import os, re, subprocess, sys, tempfile


def blocks(path):
    command, expected = None, []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("$ "):
            command, expected, start = line[2:], [], number
        elif line.startswith("=> ") and command is not None:
            yield start, command, expected, int(line[3:])
            command = None
        elif command is not None:
            expected.append(line)


def matches(expected, got):
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in expected)
    return re.fullmatch(pattern, got) is not None


def main():
    binary, data, shared, *paths = sys.argv[1:]
    failed = ran = skipped = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "work"))
            environment = {"PATH": os.path.dirname(os.path.abspath(binary)) + ":/usr/bin:/bin",
                           "DATA": os.path.abspath(data), "SHARED": os.path.abspath(shared),
                           "LC_ALL": "C.UTF-8", "HOME": folder}
            for line, command, expected, code in blocks(path):
                needed = re.findall(r"\$SHARED(/[^\s\"']+)", command)
                if any(not os.path.exists(os.path.abspath(shared) + n) for n in needed):
                    skipped += 1
                    continue
                done = subprocess.run(["sh", "-c", command], cwd=os.path.join(folder, "work"),
                                      env=environment, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
                got = done.stdout.decode("utf-8", "replace")
                ran += 1
                if done.returncode == code and matches(expected, got):
                    continue
                failed += 1
                print(f"{path}:{line}: $ {command}\n--- expected (=> {code})\n" +
                      "\n".join(expected) + f"\n--- got (=> {done.returncode})\n{got}")
    print(f"{ran - failed} passed, {failed} failed, {skipped} skipped: ../shared is absent"
          if skipped else f"{ran - failed} passed, {failed} failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
