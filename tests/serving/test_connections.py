"""Clients that hang: slow headers, slow bodies, answers that nobody reads, too many at once."""

import contextlib
import json
import socket

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.serving.conftest import listening, png, said_to, service_of
from tfcovid.serving import error_answers
from tfcovid.serving.app import build_app
from tfcovid.serving.connections import ConnectionLimits
from tfcovid.serving.server import listening_socket

GET = b"GET /small HTTP/1.1\r\nHost: x\r\n"
LARGE = 64 * 2**20


def answering(*, connections=50):
    """Gives the address of an application of one small and one large answer."""

    async def small(_):
        return PlainTextResponse("small")

    async def large(_):
        return Response(bytes(LARGE))

    app = Starlette(routes=[Route("/small", small), Route("/large", large)])
    return listening(app, ConnectionLimits(headers_s=0.5, unread_s=0.5, connections=connections))


@pytest.fixture(scope="module")
def address():
    with answering() as address:
        yield address


def status_and_error(received):
    """Returns the status and the line of an answer, and that it ends the connection."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)["error"]


def ask_small(connection):
    """Asks over an open connection and reads the answer."""
    connection.sendall(GET + b"\r\n")
    received = b""
    while not received.endswith(b"small"):
        received += connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 200")


def test_headers_that_never_end_are_408(address):
    expected = (408, "the headers of the request did not arrive within 0.5 s")
    assert status_and_error(said_to(address, b"GET /small HT")) == expected
    assert status_and_error(said_to(address)) == expected


def test_headers_that_trickle_are_408_though_something_always_comes(address):
    with socket.create_connection(address, timeout=60) as connection:
        connection.settimeout(0.1)
        received = b""
        connection.sendall(GET)
        for _ in range(100):
            try:
                connection.sendall(b"X-More: 1\r\n")
                received += connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if received:
                break
    assert status_and_error(received)[0] == 408


def test_headers_of_a_second_request_have_their_time_too(address):
    received = said_to(address, GET + b"\r\n", GET)
    first, _, second = received.partition(b"small")
    assert first.startswith(b"HTTP/1.1 200")
    assert status_and_error(second)[0] == 408


def test_what_is_no_http_is_400(address):
    assert status_and_error(said_to(address, b"\x16\x03\x01 no HTTP\r\n\r\n"))[0] == 400


def test_headers_without_end_are_400(address):
    received = said_to(address, GET + b"X: " + b"a" * 100_000)
    assert status_and_error(received)[0] == 400


def test_an_answer_that_nobody_reads_is_given_up():
    with (
        answering(connections=1) as address,
        socket.create_connection(address, timeout=60) as hanging,
    ):
        hanging.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert hanging.recv(10) == b"HTTP/1.1 2"
        # It has the only place, until the server drops it.
        answers = (said_to(address, GET + b"Connection: close\r\n\r\n") for _ in range(10_000))
        assert next(answer for answer in answers if answer.startswith(b"HTTP/1.1 200"))
        # Nothing was read meanwhile: what was on its way is still there, and no more.
        read = 0
        while chunk := hanging.recv(2**20):
            read += len(chunk)
        assert read < LARGE


def test_more_connections_than_the_limit_get_503_and_those_before_stay():
    with (
        answering(connections=2) as address,
        socket.create_connection(address, timeout=60) as one,
        socket.create_connection(address, timeout=60) as two,
    ):
        for connection in (one, two):
            ask_small(connection)
        received = said_to(address)
        assert b"retry-after: 1" in received.lower()
        assert status_and_error(received) == (503, "busy: too many connections; try again")
        ask_small(one)


def test_a_body_that_hangs_is_408_and_others_are_answered_meanwhile(servable):
    app = build_app(service_of(servable, request_timeout_s=1.0), "tfcovid")
    limits = ConnectionLimits(headers_s=60, unread_s=60, connections=50)
    head = b"POST /api/classify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    with listening(app, limits) as address:
        with socket.create_connection(address, timeout=60) as hanging:
            hanging.sendall(head + b"Content-Length: 1000\r\n\r\nabc")
            ready = said_to(
                address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            assert ready.startswith(b"HTTP/1.1 200")
            received = b""
            while chunk := hanging.recv(65536):
                received += chunk
        status, error = status_and_error(received)
    assert (status, error) == (408, "the request did not arrive whole in time; 3 bytes came")


def test_a_client_that_asks_before_it_sends_too_much_is_told_at_once(servable):
    app = build_app(service_of(servable, max_body_bytes=2**20), "tfcovid")
    limits = ConnectionLimits(headers_s=60, unread_s=60, connections=50)
    head = b"POST /api/classify HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    with listening(app, limits) as address:
        received = said_to(address, head + b"Content-Length: 2000000\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 413")
        # One that does not ask has its 6 MB read and thrown away, and reads its answer.
        plain = head.replace(b"Expect: 100-continue", b"Connection: close")
        content = bytes(50_000_000 // 8)
        received = said_to(
            address, plain + f"Content-Length: {len(content)}\r\n\r\n".encode(), content
        )
        assert status_and_error(received)[0] == 413
        body = png()
        received = said_to(address, plain + f"Content-Length: {len(body)}\r\n\r\n".encode(), body)
        assert received.startswith(b"HTTP/1.1 200")


def test_a_body_that_is_declared_too_long_is_refused_before_it_is_sent(servable):
    app = build_app(service_of(servable, max_body_bytes=2**20), "tfcovid")
    limits = ConnectionLimits(headers_s=60, unread_s=60, connections=50)
    head = b"POST /api/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000000\r\n\r\n"
    with listening(app, limits) as address:
        # Nothing of it comes, and the connection ends all the same.
        received = said_to(address, head)
        assert status_and_error(received) == (
            413,
            "the request is longer than 1 MiB; send a smaller one",
        )


def test_a_client_that_sends_on_for_ever_has_its_answer_and_is_cut_off(servable, monkeypatch):
    monkeypatch.setattr(error_answers, "PARTING_S", 0.2)
    app = build_app(service_of(servable, max_body_bytes=2**20), "tfcovid")
    limits = ConnectionLimits(headers_s=60, unread_s=60, connections=50)
    head = b"POST /api/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000000\r\n\r\n"
    with listening(app, limits) as address, socket.create_connection(address, 60) as connection:
        connection.sendall(head)
        assert connection.recv(12) == b"HTTP/1.1 413"
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 90_000_000_000:
                sent += connection.send(bytes(2**16))
        assert sent < 90_000_000_000


def test_a_port_that_is_taken_and_a_host_that_is_none_are_one_line():
    with listening_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"^--port={port}: nothing can listen"):
            listening_socket("127.0.0.1", port)
    with pytest.raises(ValueError, match=r"^--host=no\.such\.address\.invalid: no such address"):
        listening_socket("no.such.address.invalid", 0)
