"""A headless Chromium over its debugging pipe (https://chromedevtools.github.io/devtools-protocol), as far as tests need it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe",
            "--disable-background-networking", "--disable-component-update", "--hide-scrollbars")  # fmt: skip

START = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""


class Browser:
    """One page of one browser; `errors` gathers what the console of the page tells."""

    def __init__(self, folder: Path) -> None:
        from_us, self._out = os.pipe()
        self._in, from_it = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (from_us, from_it)]  # out of the way of 3 and 4
        command = [sys.executable, "-c", START, *map(str, ends), str(PROGRAM), *SWITCHES, f"--user-data-dir={folder}"]
        self._process = subprocess.Popen(command, pass_fds=ends, stderr=subprocess.DEVNULL)
        for end in (from_us, from_it, *ends):
            os.close(end)
        self._rest, self._number, self._session = b"", 0, None
        self.errors: list[str] = []
        self._events: list[str] = []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **arguments: Any) -> dict[str, Any]:
        self._number += 1
        call = {"id": self._number, "method": method, "params": arguments}
        os.write(self._out, json.dumps(call | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, page: Path, width: int, scheme: str) -> None:
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False)
        self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._events.clear()
        self.do("Page.navigate", url=page.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._read()

    def ask(self, expression: str) -> Any:
        answer = self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        text = {"Enter": "\r", "Space": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            code = {"Tab": 9, "Enter": 13, "Space": 32}[key]
            name = " " if key == "Space" else key
            self.do("Input.dispatchKeyEvent", type=kind, key=name, code=key, windowsVirtualKeyCode=code, **more)

    def picture(self, path: Path) -> None:
        found = self.do("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        self._session = None
        self.do("Browser.close")
        self._process.wait(30)
        os.close(self._in)
        os.close(self._out)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._in, 1 << 20)
            assert part, "the browser has gone"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        told, what = message.get("method", ""), message.get("params", {})
        self._events.append(told)
        if told == "Runtime.exceptionThrown" or (told == "Log.entryAdded" and what["entry"]["level"] == "error"):
            self.errors.append(json.dumps(what))
        if told == "Runtime.consoleAPICalled" and what["type"] in ("error", "assert"):
            self.errors.append(json.dumps(what))
        if told == "Network.requestWillBeSent" and not what["request"]["url"].startswith(("file:", "data:")):
            self.errors.append(f"asked for {what['request']['url']}")
        return message
