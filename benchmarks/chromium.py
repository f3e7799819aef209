"""The Chromium of this machine, driven by its own protocol over two pipes: what a person does with a page, done in a real browser.

Source: https://chromedevtools.github.io/devtools-protocol/ (Page, Input, Emulation, Runtime); `--remote-debugging-pipe` takes JSON on
descriptor 3 and answers on 4, each message ended by a zero byte.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from select import select
from types import TracebackType
from typing import Any, Self

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Without a network, an account or a processor for graphics.
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_TIMEOUT_S = 60.0
_KEYS = {"Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "Tab": 9}


def program() -> str | None:
    """Where it is; None where there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


# Puts the two descriptors where Chromium looks for them; either may stand in the other's place.
_START = """
import fcntl, os, sys
ours = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for place, descriptor in zip((3, 4), ours):
    os.dup2(descriptor, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page in one browser; a context manager. Errors and refusals that the page logs are kept in `complaints`."""

    def __init__(self, width: int = 1200, height: int = 900, *, is_dark: bool = False) -> None:
        self._size = width, height
        self._is_dark = is_dark
        self._number = 0
        self._buffer = b""
        self._session = ""
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        path = program()
        assert path, "there is no Chromium"
        self._folder = tempfile.TemporaryDirectory(prefix="bump-chromium-", ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        command = [sys.executable, "-c", _START, str(theirs_in), str(theirs_out), path, *OPTIONS]
        command += ["--remote-debugging-pipe", f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            self._attach()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _attach(self) -> None:
        targets = self._ask("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self._ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self._ask("Performance.enable", timeDomain="threadTicks")
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        self.resize(*self._size)
        self.emulate(is_dark=self._is_dark)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def open(self, page: Path, fragment: str = "") -> None:
        """Opens a file, and waits until it says that it is ready (`data-ready` of its root)."""
        self._ask("Page.navigate", url=f"{page.as_uri()}{fragment}")
        self.wait("document.documentElement && document.documentElement.hasAttribute('data-ready')")

    def resize(self, width: int, height: int) -> None:
        """The size of the window, in pixels; below 700 as a phone has it."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def emulate(self, *, is_dark: bool = False, medium: str = "") -> None:
        """Light or dark, and `print` in place of a screen."""
        scheme = "dark" if is_dark else "light"
        self._ask(
            "Emulation.setEmulatedMedia",
            media=medium,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def evaluate(self, expression: str) -> Any:
        """What an expression is in the page; a promise is waited for. AssertionError for one that throws."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until the expression holds."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"waited {_TIMEOUT_S:.0f} s for {condition}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """A key, as a hand presses it: one letter, or a name such as Enter."""
        code = _KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
        typed = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            text = typed if kind == "keyDown" else {}
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def write(self, text: str) -> None:
        """The text, letter by letter."""
        for letter in text:
            self.press(letter)

    def click(self, selector: str) -> None:
        """A click in the middle of the first element of that kind, which is scrolled into sight."""
        x, y = self.evaluate(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)}); node.scrollIntoView({{block: 'center'}});"
            " const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def processor_s(self) -> float:
        """Seconds of processor time that the page's own thread has used: the same however busy the machine is."""
        metrics = self._ask("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Writes what is seen, or with `whole` all of the page, as PNG."""
        answer = self._ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self._ask("Page.printToPDF", printBackground=True)["data"])

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Any other question of the protocol."""
        return self._ask(method, **parameters)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": parameters, **session}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._hear(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select([self._in], [], [], _TIMEOUT_S)[0], "the browser does not answer"
            read = os.read(self._in, 1 << 20)
            assert read, "the browser is gone"
            self._buffer += read
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _hear(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Log.entryAdded":
                self.complaints.append(parameters["entry"]["text"])
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
