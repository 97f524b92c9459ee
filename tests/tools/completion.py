#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the completions work in real shells? Usage: completion.py XCEPTION. Each installed shell of bash,
zsh and fish runs on a terminal of its own, is given the beginning of a word and the tabulator, and
must show the end of it. A shell that is not installed is named and left out.
"""
import os, pty, select, shutil, subprocess, sys, tempfile, time

# What is typed, and what must then stand on the line (or in the list of choices).
CASES = [("xception class", "classify"), ("xception classify --raw-l", "--raw-logits"),
         ("xception classify --fit s", "stretch"), ("xception help summ", "summary"), ("xception help augm", "augment"),
         ("xception convert picture-", "picture-of-a-cat.jpg")]
# What a terminal echoes of this has quotes inside the prompt, so that it is no prompt.
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(xception completion bash); PS1='READY'' > '\n"),
    "zsh": (["zsh", "-f", "-i"], "PS1='READY'' > '; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; "
            "source <(xception completion zsh); compdef _xception xception\n"),
    "fish": (["fish", "--no-config", "-i"], "function fish_prompt; echo 'READY'' > '; end; xception completion fish | source\n"),
}


class Terminal:
    def __init__(self, command, folder, path):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ.update(PATH=path + ":" + os.environ["PATH"], HOME=folder, TERM="xterm", LC_ALL="C.UTF-8",
                              XDG_CONFIG_HOME=folder, XDG_DATA_HOME=folder)
            os.execvp(command[0], command)
        self.seen = ""

    def write(self, text):
        os.write(self.fd, text.encode())

    def wait(self, word, seconds=20):
        end = time.monotonic() + seconds
        while word not in self.seen and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        return word in self.seen

    def close(self):
        os.close(self.fd)
        try:
            os.kill(self.pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


def completes(shell, folder, path, typed, wanted, installed=True):
    command, setup = START[shell]
    if not installed:
        setup = setup.replace(f"xception completion {shell}", "true")
    terminal = Terminal(command, folder, path)
    try:
        terminal.write(setup)
        if not terminal.wait("READY > "):
            return "no prompt: " + repr(terminal.seen[-300:])
        terminal.seen = ""
        terminal.write(typed)
        terminal.wait(typed.split()[-1], 5)
        terminal.seen = ""
        terminal.write("\t\t")
        rest = wanted[len(typed.split()[-1]):] # what the shell adds to the line
        if not installed: # nothing will come: the line is wiped, and the next one answered
            terminal.write("\x15echo EN''D\n")
            if not terminal.wait("END"):
                return "no answer: " + repr(terminal.seen[-300:])
        return None if terminal.wait(rest, 20 if installed else 0) else "got " + repr(terminal.seen[-300:])
    finally:
        terminal.close()


def main():
    path = os.path.dirname(os.path.abspath(sys.argv[1]))
    failed = ran = 0
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "picture-of-a-cat.jpg"), "w").close()
        for shell in START:
            if not shutil.which(shell):
                print(f"skipped: {shell} is not installed")
                continue
            script = subprocess.run([sys.argv[1], "completion", shell], stdout=subprocess.PIPE, check=True).stdout
            check = subprocess.run([shell, "-n" if shell != "fish" else "--no-execute"], input=script,
                                   stderr=subprocess.PIPE)
            if check.returncode or check.stderr:
                failed += 1
                print(f"{shell}: syntax: {check.stderr.decode()}")
            for typed, wanted in CASES:
                ran += 1
                why = completes(shell, folder, path, typed, wanted)
                if why:
                    failed += 1
                    print(f"{shell}: {typed!r}<Tab> gives no {wanted!r}: {why}")
            # the planted fault: without our completions none of their words comes
            for typed, wanted in CASES[:2]:
                why = completes(shell, folder, path, typed, wanted, installed=False)
                if not why or not why.startswith("got "):
                    failed += 1
                    print(f"{shell}: {typed!r}<Tab> without the completions: {why or wanted}")
    print(f"{ran - failed} passed, {failed} failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
