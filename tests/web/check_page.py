#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens self-contained pages in headless Chromium, at desktop and phone width, and looks for faults:
a message of error in the console, a request to anywhere, a picture that is empty, a page that is
wider than its window. NAME.js beside this file, when there is one, is a function body that runs in
NAME.html and returns (a promise of) a list of further complaints.

check_page.py [--faults] [--shots FOLDER] PAGE.html...
    --faults: every page must have one, named in its <meta name="fault"> by a part of the complaint
"""
import argparse, json, os, re, select, shutil, subprocess, sys, tempfile, time

WIDTHS = {"desktop": (1280, 900, False), "phone": (390, 844, True)}
HERE = os.path.dirname(os.path.abspath(__file__))

PICTURES = r"""
(async () => {
  const bad = [];
  const say = (e, why) => bad.push(why + ': ' + e.outerHTML.slice(0, 90).replace(/\s+/g, ' '));
  for (const d of document.querySelectorAll('details')) d.open = true;
  for (const i of document.images) {
    i.loading = 'eager';
    try { await i.decode(); } catch { say(i, 'a picture that cannot be read'); continue; }
    const c = document.createElement('canvas');
    c.width = Math.min(i.naturalWidth, 64); c.height = Math.min(i.naturalHeight, 64);
    if (!c.width || !c.height) { say(i, 'a picture of no size'); continue; }
    const x = c.getContext('2d');
    x.drawImage(i, 0, 0, c.width, c.height);
    if (!x.getImageData(0, 0, c.width, c.height).data.some(v => v)) say(i, 'an empty picture');
    if (!i.alt && i.getAttribute('alt') === null) say(i, 'a picture without alt text');
  }
  for (const s of document.querySelectorAll('svg')) {
    if (s.closest('svg') !== s || s.querySelector(':scope > symbol, :scope > defs:only-child')) continue;
    const box = s.getBoundingClientRect();
    if (!s.checkVisibility()) continue;
    const marks = [...s.querySelectorAll('path,line,rect,circle,polyline,polygon,text,image,use')];
    if (box.width < 1 || box.height < 1) say(s, 'a drawing of no size');
    else if (!marks.some(m => { const b = m.getBoundingClientRect(); return b.width + b.height > 0; }))
      say(s, 'an empty drawing');
    if (/NaN|Infinity|undefined/.test(s.outerHTML)) say(s, 'a drawing with numbers that are none');
  }
  for (const c of document.querySelectorAll('canvas')) {
    const d = c.width && c.height && c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    if (!d || !d.some(v => v)) say(c, 'an empty canvas');
  }
  const root = document.documentElement;
  if (root.scrollWidth > window.innerWidth + 1)
    bad.push(`the page is ${root.scrollWidth} wide in a window of ${window.innerWidth}`);
  if (!document.title) bad.push('no title');
  if (!root.lang) bad.push('no language');
  return bad;
})()
"""


class Browser:
    """Chromium on a pipe: JSON messages that end with a zero byte."""

    def __init__(self, program):
        self.home = tempfile.mkdtemp(prefix="test-web-")
        down, self.down = os.pipe()
        self.up, up = os.pipe()

        def numbers():  # the browser reads 3 and writes 4
            a, b = os.dup2(down, 100), os.dup2(up, 101)
            os.dup2(a, 3), os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-extensions", "--disable-background-networking",
             "--disable-component-update", "--hide-scrollbars", "--mute-audio",
             "--remote-debugging-pipe", f"--user-data-dir={self.home}", "about:blank"],
            preexec_fn=numbers, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.home})
        os.close(down), os.close(up)
        self.rest, self.number, self.events = b"", 0, []

    def message(self, seconds):
        end = time.monotonic() + seconds
        while b"\0" not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.up], [], [], left)[0]:
                return None
            more = os.read(self.up, 1 << 16)
            if not more:
                raise RuntimeError("the browser went away")
            self.rest += more
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **params):
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        os.write(self.down, json.dumps(command).encode() + b"\0")
        while True:
            m = self.message(60)
            if m is None:
                raise RuntimeError(f"{method}: no answer")
            if m.get("id") == self.number:
                if "error" in m:
                    raise RuntimeError(f"{method}: {m['error']['message']}")
                return m["result"]
            self.events.append(m)

    def wait(self, name, session, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(e.get("method") == name and e.get("sessionId") == session for e in self.events):
                return
            m = self.message(1)
            if m:
                self.events.append(m)
        raise RuntimeError(f"{name}: it did not come")

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def complaint(event, url):
    p = event.get("params", {})
    method = event.get("method")
    if method == "Runtime.exceptionThrown":
        d = p["exceptionDetails"]
        return "exception: " + d.get("exception", {}).get("description", d["text"])
    if method == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
        return "console: " + " ".join(str(a.get("value", a.get("description"))) for a in p["args"])
    if method == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
        return "console: " + p["entry"]["text"]
    if method == "Network.requestWillBeSent":
        to = p["request"]["url"].split("#")[0]
        if to != url and not to.startswith(("data:", "blob:")):
            return "a request to " + to[:200]
    return None


def evaluate(browser, session, script):
    r = browser.call("Runtime.evaluate", session, expression=script, awaitPromise=True,
                     returnByValue=True)
    if "exceptionDetails" in r:
        return ["exception: " + r["exceptionDetails"].get("exception", {}).get("description", "?")]
    return r["result"].get("value") or []


def look(browser, path, width, shots):
    w, h, phone = WIDTHS[width]
    url = "file://" + os.path.abspath(path)
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    browser.events.clear()
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(domain + ".enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=w, height=h,
                 deviceScaleFactor=1, mobile=phone)
    browser.call("Page.navigate", session, url=url)
    browser.wait("Page.loadEventFired", session)
    bad = evaluate(browser, session, PICTURES)
    own = os.path.join(HERE, os.path.splitext(os.path.basename(path))[0] + ".js")
    if os.path.exists(own):
        bad += evaluate(browser, session, "(async () => {" + open(own, encoding="utf-8").read() + "})()")
    while (m := browser.message(0.3)):  # what comes late
        browser.events.append(m)
    bad += [c for e in browser.events if (c := complaint(e, url))]
    if shots:
        shot(browser, session, os.path.join(shots, os.path.basename(path)[:-5] + f"-{width}.png"), w)
    browser.call("Target.closeTarget", targetId=target)
    return bad


def shot(browser, session, path, width):
    import base64
    size = browser.call("Page.getLayoutMetrics", session)["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], 12000), "scale": 1}
    data = browser.call("Page.captureScreenshot", session, clip=clip, captureBeyondViewport=True)
    with open(path, "wb") as f:
        f.write(base64.b64decode(data["data"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--shots")
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    parser.add_argument("page", nargs="+")
    o = parser.parse_args()
    if not o.browser:
        sys.exit("check_page.py: no chromium here")
    if o.shots:
        os.makedirs(o.shots, exist_ok=True)
    failed = 0
    browser = Browser(o.browser)
    try:
        for page in o.page:
            for width in WIDTHS:
                bad = look(browser, page, width, o.shots)
                if o.faults:
                    want = re.search(r'<meta name="fault" content="([^"]*)"',
                                     open(page, encoding="utf-8").read())[1]
                    found = any(want in b for b in bad)
                    bad = [] if found else [f"the planted fault was not found: {want}; got {bad}"]
                for b in bad:
                    print(f"{page}: {width}: {b}")
                failed += bool(bad)
                if not bad:
                    print(f"{page}: {width}: good")
    finally:
        browser.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
