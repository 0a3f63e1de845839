"""The peers' process answers requests on pipes; without PyTorch it still says what it lacks."""

import io
import json
import sys

import pytest

from benchmarks.peer_process import PeerError, PeerProcess
from benchmarks.torch_peer import answer_to, serve

ECHO = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "end":
        print("warning\\nno memory", file=sys.stderr)
        sys.exit(3)
    print(json.dumps({"answer": request} if request["do"] == "echo" else {"error": "not that"}),
          flush=True)
"""


@pytest.fixture
def echo():
    peer = PeerProcess([sys.executable, "-c", ECHO], threads=1)
    yield peer
    peer.close()


def test_a_request_gets_its_answer(echo):
    assert echo.ask("echo", count=3, name="a\nb") == {"do": "echo", "count": 3, "name": "a\nb"}
    assert echo.ask("echo")["do"] == "echo"


def test_a_refusal_is_an_error_and_the_peer_goes_on(echo):
    with pytest.raises(PeerError, match="other: not that"):
        echo.ask("other")
    assert echo.ask("echo", count=1)["count"] == 1


def test_a_peer_that_ends_is_told_with_its_exit_code_and_its_last_words(echo):
    with pytest.raises(PeerError, match="end: the peer ended with exit code 3: no memory"):
        echo.ask("end")


def test_a_python_that_lacks_a_package_or_is_none_is_told_so():
    peer = PeerProcess([sys.executable, "-c", "import no_torch"])
    with pytest.raises(PeerError, match=r"exit code 1: ModuleNotFoundError: .*'no_torch'"):
        peer.ask("versions")
    peer.close()
    with pytest.raises(PeerError, match="/lost/python: No such file"):
        PeerProcess(["/lost/python"])


class _Peer:
    def steps(self, *, count):
        return [1 / count] * count

    def secret(self):
        raise AssertionError


def test_only_requests_are_answered_and_an_error_is_one_line():
    assert answer_to(_Peer(), {"do": "steps", "count": 2}) == {"answer": [0.5, 0.5]}
    assert answer_to(_Peer(), {"do": "steps", "count": 0})["error"].startswith("ZeroDivisionError")
    assert "error" in answer_to(_Peer(), {"do": "steps", "wrong": 1})
    assert answer_to(_Peer(), {"do": "secret"}) == {"error": "no request is called 'secret'"}


def test_each_line_is_answered_by_a_line():
    answers = io.StringIO()
    requests = ['{"do": "steps", "count": 1}\n', '{"do": "no"}\n']
    serve(_Peer(), requests, answers.write)
    first, second = answers.getvalue().splitlines()
    assert json.loads(first) == {"answer": [1.0]} and "error" in json.loads(second)
