"""Which names of hosts are answered."""

import pytest
from starlette.testclient import TestClient

from tests.serving.conftest import png, service_of
from tfcovid.serving.app import build_app
from tfcovid.serving.hosts import expected_hosts


def hosts(bound="127.0.0.1", named="127.0.0.1", allowed=()):
    return expected_hosts(bound, named, allowed)


def test_at_a_loopback_address_names_are_expected_and_at_another_one_any_is():
    assert hosts() == {"localhost", "127.0.0.1"}
    assert hosts("::1", "::1") == {"localhost", "::1"}
    assert hosts("127.0.1.1", "Films", ["X-Ray.example.org"]) == {
        "localhost",
        "films",
        "x-ray.example.org",
    }
    assert hosts("0.0.0.0", "0.0.0.0") is None
    assert hosts("192.0.2.7", "films", ["x.example.org"]) == {"localhost", "films", "x.example.org"}
    assert hosts(allowed=["x", "*"]) is None


@pytest.fixture(scope="module")
def asked(servable):
    """Gives what a request with a Host header is answered."""
    app = build_app(service_of(servable), "tfcovid", hosts(allowed=["xray.example.org"]))
    with TestClient(app) as client:

        def ask(host):
            headers = {} if host is None else {"Host": host}
            return client.post("/api/classify", content=png(), headers=headers)

        yield ask


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8501",
        "LocalHost.:80",
        "127.0.0.1:8501",
        "127.9.9.9",
        "[::1]:8501",
        "xray.example.org",
        "XRAY.example.org:443",
    ],
)
def test_requests_for_this_machine_and_for_names_that_are_allowed_are_answered(asked, host):
    assert asked(host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8501",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.0.2.7",
        "evil.example#localhost",
        "evil.example@localhost.evil.example",
        "[::",
        "[evil]",
        ":80",
        "",
    ],
)
def test_a_request_for_another_name_is_400_and_says_what_to_do(asked, host):
    answer = asked(host)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": " ".join(
            f"Host {host}: expected 127.0.0.1, localhost, xray.example.org or a loopback address; "
            "serve with --allowed_hosts to answer under another name".split()
        )
    }
