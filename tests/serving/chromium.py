"""A headless Chromium driven by its DevTools protocol, as far as the tests of the page need it."""

import base64
import contextlib
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import time

import websocket

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_ADDRESS = re.compile(r"DevTools listening on (ws://\S+)")


class Browser:
    """One tab.

    Args:
      connection: to the browser's own address.
    """

    def __init__(self, connection):
        self._connection, self._numbers = connection, itertools.count(1)
        self._session = None
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        # A warning or an error of the page is a fault: of a policy that forbids, of a script.
        self.complaints = []
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.command(f"{domain}.enable")

    def command(self, method, **arguments):
        """Returns what the browser answers to a command of the protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        self._connection.send(json.dumps(message))
        while True:
            answer = json.loads(self._connection.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _note(self, event):
        if event.get("method") == "Log.entryAdded":
            self.complaints.append(event["params"]["entry"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(event["params"]["exceptionDetails"])

    def see(self, *, width, height=900, dark=False, phone=False):
        """Sets the size of the window in pixels, and what its person prefers."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address):
        """Loads a page."""
        self.command("Page.navigate", url=address)
        self.wait(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")

    def evaluate(self, expression):
        """Returns the value of a JavaScript expression."""
        answer = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, condition, timeout_s=120):
        """Waits until a JavaScript condition holds."""
        until = time.monotonic() + timeout_s
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > until:
                seen = self.evaluate("document.body.innerText")
                raise AssertionError(f"never true: {condition}\n{seen}\n{self.complaints}")
            time.sleep(0.05)

    def choose_files(self, selector, *paths):
        """Chooses files in an input, as a person does in the dialogue."""
        root = self.command("DOM.getDocument")["root"]["nodeId"]
        node = self.command("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.command("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def press(self, key, code):
        """Presses and releases a key."""
        for kind in ("keyDown", "keyUp"):
            self.command(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
            )

    def screenshot(self, path, *, whole=False):
        """Writes a PNG file of what is to be seen, or of the whole page."""
        picture = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))


@contextlib.contextmanager
def browser(profile):
    """Gives a tab of a new browser.

    Args:
      profile: a folder for what it keeps.
    """
    process = subprocess.Popen(
        [
            PROGRAM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "about:blank",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        found = next(filter(None, map(_ADDRESS.search, process.stderr)))
        connection = websocket.create_connection(found[1], timeout=180, suppress_origin=True)
        with contextlib.closing(connection):
            yield Browser(connection)
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()
