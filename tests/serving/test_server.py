"""The command as a user starts it: a process that answers, refuses and stops."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.conftest import ROOT, WARNINGS, run_entry
from tests.serving.conftest import PREDICT, b64, png

CLIENTS = 200


@contextlib.contextmanager
def server(model, *flags):
    """Gives (process, address) of a server that has started."""
    process = subprocess.Popen(
        [
            sys.executable,
            *WARNINGS,
            *("-m", "tfcovid.serve", f"--model={model}", "--port=0", "--request_timeout_s=300"),
            *flags,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line, warning = process.stdout.readline(), process.stdout.readline()
        found = re.search(r"at (http://127\.0\.0\.1:\d+)/", line)
        assert found, f"{line}{process.communicate()}"
        assert warning == "Not a medical device.\n"
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def answered(address, content=None):
    """Returns (status, body) of a request."""
    try:
        with urllib.request.urlopen(address, content, timeout=300) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def row(content):
    return json.dumps({"instances": [b64(content)]}).encode()


def test_200_clients_at_once_each_get_their_own_answer_and_none_is_lost(finished_run):
    files = [png(i) for i in range(4)]
    with server(finished_run / "saved_model") as (_, address):
        alone = [answered(address + PREDICT, row(file)) for file in files]
        expected = [json.loads(body)["predictions"][0]["probabilities"] for _, body in alone]
        asks = [row(files[i % 4]) if i % 10 else row(b"no image") for i in range(CLIENTS)]
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            found = list(pool.map(lambda ask: answered(address + PREDICT, ask), asks))
        shown = answered(address + "/metrics")[1].decode()
        for i, (status, body) in enumerate(found):
            if i % 10 == 0:
                assert status == 400 and b"not an image" in body
            else:
                (prediction,) = json.loads(body)["predictions"]
                assert prediction["probabilities"] == pytest.approx(expected[i % 4], abs=1e-5)
        assert f"tfcovid_images_total {len(files) + CLIENTS * 9 // 10}.0" in shown
        calls = re.search(r"tfcovid_batch_size_count (\S+)", shown)
        assert float(calls[1]) < CLIENTS / 2, "they shared calls"
        assert answered(address + "/readyz") == (200, b"ok\n")
        rebound = urllib.request.Request(address + "/healthz", headers={"Host": "evil.example"})
        status, body = answered(rebound)
        assert status == 400 and b"Host evil.example: expected 127.0.0.1, localhost" in body


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_before_a_stop_is_answered(finished_run, stop):
    # Two that wait for a third, which does not come.
    flags = ("--batch_timeout_ms=3000", "--max_batch_size=3")
    with (
        server(finished_run / "saved_model", *flags) as (process, address),
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        waiting = [pool.submit(answered, address + PREDICT, row(png(i))) for i in range(2)]
        shown = iter(lambda: answered(address + "/metrics")[1], None)
        assert next(text for text in shown if b"tfcovid_waiting_images 2.0" in text)
        process.send_signal(stop)
        for accepted in waiting:
            status, body = accepted.result(300)
            assert status == 200 and json.loads(body)["predictions"][0]["decision"]
        out, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, "")
        assert out == "Stopped: what was accepted is answered.\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "--model: expected RUN/saved_model"),
        (["--model=here", "--epochs=3"], "--epochs: serve does not read it"),
        (["--model=here", "--model_name=a/b"], "--model_name=a/b: expected letters"),
        (["--model=here", "--max_pixels=0"], "--max_pixels=0: expected a number from 1"),
        (["--model=here", "stray"], "unexpected argument 'stray'"),
        (["--model=here", "--port=0"], "--model=here: expected a SavedModel folder"),
    ],
)
def test_a_mistake_is_one_line(flags, expected, tmp_path):
    done = run_entry("serve", *flags, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert expected in done.stderr and done.stderr.count("\n") == 1


def test_a_missing_package_is_one_line(tmp_path):
    code = (
        "import importlib.util, runpy, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'uvicorn' else found(name)\n"
        "sys.argv = ['serve', '--model=here']\n"
        "runpy.run_module('tfcovid.serve', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == ("error: serve needs uvicorn: pip install -r requirements-serve.txt\n")
