"""A served model, small and random, and what the tests say to it."""

import base64
import contextlib
import socket
import threading

import pytest
from starlette.testclient import TestClient

from tests.data.images import encode, noise
from tests.serving.test_exported import exported, of_rule, random_model, rule_of
from tfcovid.serving.app import build_app
from tfcovid.serving.exported import save_exported
from tfcovid.serving.limits import Limits
from tfcovid.serving.servable import Servable
from tfcovid.serving.server import http_server, listening_socket
from tfcovid.serving.service import Service

PREDICT = "/v1/models/tfcovid:predict"
CARD = {
    "task": "multiclass",
    "card": {"Purpose": "Research.", "Decision": "the 7th rule."},
    "share": 0.5,
    "notes": [],
}


def png(seed=0, *, height=40, width=50):
    """Returns a PNG file of noise."""
    return encode(noise(height, width, seed=seed), "PNG")


def b64(content):
    """Returns bytes as the protocol writes them."""
    return {"b64": base64.b64encode(content).decode()}


def service_of(servable, *, max_batch_size=8, batch_timeout_s=0.0, **limits):
    """Returns a service with small limits."""
    settings = {
        "max_body_bytes": 2**24,
        "max_pixels": 1_000_000,
        "request_timeout_s": 60.0,
        "max_waiting": 256,
    }
    return Service(
        servable,
        Limits(**(settings | limits)),
        max_batch_size=max_batch_size,
        batch_timeout_s=batch_timeout_s,
    )


@contextlib.contextmanager
def client_of(servable, **settings):
    """Gives a client of an application in this process."""
    with TestClient(build_app(service_of(servable, **settings), "tfcovid")) as client:
        yield client


@contextlib.contextmanager
def listening(app, limits, *, grace_s=5):
    """Gives (host, port) of an application that is served by a thread of this process."""
    listener = listening_socket("127.0.0.1", 0)
    ready = threading.Event()
    server = http_server(app, limits, grace_s=grace_s, started=ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert ready.wait(60)
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def said_to(address, *parts, timeout_s=60):
    """Sends bytes over a new connection and returns all that comes back until it is closed."""
    with socket.create_connection(address, timeout=timeout_s) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


@pytest.fixture(scope="package")
def model_folder(tmp_path_factory):
    """The SavedModel of a small network with random weights, and a card."""
    folder = tmp_path_factory.mktemp("served") / "saved_model"
    module = of_rule(rule_of(3), random_model(3), heat_map="layer_cam")
    save_exported(module, folder, {"model_card": CARD})
    return folder


@pytest.fixture(scope="package")
def plain_folder(tmp_path_factory):
    """The SavedModel of the same network, without heat maps and without a card."""
    folder = tmp_path_factory.mktemp("plain") / "saved_model"
    save_exported(exported(3), folder)
    return folder


@pytest.fixture(scope="package")
def servable(model_folder):
    return Servable(model_folder)


@pytest.fixture(scope="package")
def client(servable):
    with client_of(servable) as client:
        yield client
