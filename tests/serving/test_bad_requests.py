"""Bad input gets its status and one clear line, and the next request is answered as ever."""

import asyncio
import concurrent.futures
import json
import struct
import threading
import zlib

import pytest
import tensorflow as tf

from tests.data.dicoms import dicom
from tests.data.images import encode, noise, smooth
from tests.serving.conftest import PREDICT, b64, client_of, png, service_of
from tfcovid.serving.limits import HELD_BODIES, Admission, Limits
from tfcovid.serving.refused import RefusedError

CLASSIFY = "/api/classify"
FILM = dicom(noise(40, 50))
PICTURE = png()


def bomb(width, height):
    """Returns a PNG file of a few bytes that claims many pixels."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def many_scans():
    jpeg = encode(smooth(64, 64), "JPEG", progressive=True)
    return jpeg[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x01\x05\x00" * 200 + jpeg[-2:]


BAD_FILES = {
    "nothing": (b"", 400, "empty file"),
    "no image": (b"<html>", 400, "not an image"),
    "cut PNG": (png()[:200], 400, "does not decode"),
    "cut JPEG": (encode(noise(64, 64), "JPEG")[:-1000], 400, "does not decode"),
    "cut header": (png()[:20], 400, "the header of the image is not whole"),
    "cut DICOM": (FILM[: len(FILM) // 2], 400, "damaged or cut off"),
    "DICOM of nothing": (FILM[:140], 400, "DICOM"),
    "bomb": (bomb(30_000, 30_000), 413, "too large"),
    "just too large": (bomb(1001, 1000), 413, "too large: 1001 by 1000"),
    "icon": (png(height=16, width=16), 400, "too small: 16 by 16"),
    "endless scans": (many_scans(), 400, "more than 100 scans"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_with_its_reason(client, name):
    content, status, message = BAD_FILES[name]
    answer = client.post(CLASSIFY, content=content)
    assert (answer.status_code, answer.json().keys()) == (status, {"error"})
    assert message in answer.json()["error"] and "\n" not in answer.json()["error"]
    # Beside a good one, in the protocol, it is named by its place.
    instances = [b64(PICTURE), b64(content)]
    answer = client.post(PREDICT, content=json.dumps({"instances": instances}))
    assert answer.status_code == status
    assert answer.json()["error"].startswith("instances[1]: ")
    assert message in answer.json()["error"]
    assert client.post(CLASSIFY, content=PICTURE).status_code == 200


def test_half_a_character_that_is_told_again_is_400_and_no_fault(client):
    answer = client.post(PREDICT, content=b'{"signature_name": "\\ud800", "instances": [1]}')
    assert answer.status_code == 400 and 'signature name: "?" not found' in answer.json()["error"]


def test_a_bad_file_does_not_spoil_those_that_share_its_call(servable):
    cut = png()[:200]
    with client_of(servable, max_batch_size=4, batch_timeout_s=5.0) as client:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            files = [png(1), cut, png(2), png(3)]
            answers = list(pool.map(lambda file: client.post(CLASSIFY, content=file), files))
        sizes = client.get("/metrics").text
    assert [answer.status_code for answer in answers] == [200, 400, 200, 200]
    assert 'tfcovid_batch_size_bucket{le="2.0"} 0.0' in sizes, "they were one call"


def test_a_dicom_file_is_classified_as_its_picture_is(client):
    film, picture = (
        client.post(CLASSIFY, content=content).json()
        for content in (FILM, encode(noise(40, 50), "PNG"))
    )
    assert film == picture
    answer = client.post(PREDICT, content=json.dumps({"instances": [b64(FILM)]}))
    assert answer.json()["predictions"][0]["decision"] == picture["decision"]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_long_is_413(servable, declared):
    with client_of(servable, max_body_bytes=2**20) as client:
        content = bytes(50 * 2**20) if declared else iter([bytes(2**18)] * 9)
        answer = client.post(CLASSIFY, content=content)
        assert answer.status_code == 413
        assert answer.json() == {"error": "the request is longer than 1 MiB; send a smaller one"}
        assert client.post(CLASSIFY, content=PICTURE).status_code == 200


def test_more_images_in_one_request_than_may_wait_are_413(servable):
    with client_of(servable, max_waiting=2) as client:
        body = json.dumps({"instances": [b64(PICTURE)] * 3})
        answer = client.post(PREDICT, content=body)
    assert answer.status_code == 413
    assert "3 images in one request, at most 2" in answer.json()["error"]


class Gated:
    """A servable whose calls wait until they may go on."""

    def __init__(self, servable):
        self._servable = servable
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __getattr__(self, name):
        return getattr(self._servable, name)

    def call(self, name, rows):
        self.begun.set()
        assert self.go_on.wait(60)
        return self._servable.call(name, rows)


def test_beyond_max_waiting_it_is_503_with_retry_after_and_those_that_wait_are_answered(servable):
    gated = Gated(servable)
    with (
        client_of(gated, max_waiting=1) as client,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(client.post, CLASSIFY, content=PICTURE)
        assert gated.begun.wait(60)
        try:
            second = client.post(CLASSIFY, content=PICTURE)
            ready = client.get("/readyz")
            shown = client.get("/metrics").text
        finally:
            gated.go_on.set()
        assert first.result(60).status_code == 200
        assert client.get("/readyz").status_code == 200
    assert second.status_code == 503 and second.headers["retry-after"] == "1"
    assert "1 images are waiting" in second.json()["error"]
    assert ready.status_code == 503 and "busy" in ready.text
    assert "tfcovid_waiting_images 1.0" in shown


def test_what_is_not_answered_in_time_is_504_and_the_next_one_is(servable):
    gated = Gated(servable)
    with client_of(gated, request_timeout_s=0.3) as client:
        answer = client.post(CLASSIFY, content=PICTURE)
        gated.go_on.set()
        assert answer.status_code == 504
        assert answer.json() == {"error": "not answered within 0.3 s; try again"}
        assert answer.headers["retry-after"] == "1"
    with client_of(gated) as client:
        assert client.post(CLASSIFY, content=PICTURE).status_code == 200


class Failing(Gated):
    def call(self, name, rows):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), 503, "out of memory"),
        (tf.errors.InternalError(None, None, "secret path"), 500, "a fault of the server"),
        (RuntimeError("secret path"), 500, "a fault of the server"),
    ],
)
def test_a_failure_of_the_model_is_no_fault_of_the_image(servable, error, status, message):
    failing = Failing(servable)
    failing.error = error
    client_settings = client_of(failing)
    with client_settings as client:
        client._transport.raise_server_exceptions = False
        answer = client.post(CLASSIFY, content=PICTURE)
    assert answer.status_code == status
    assert message in answer.json()["error"] and "secret" not in answer.text


def limits(**changes):
    settings = {
        "max_body_bytes": 100,
        "max_pixels": 1,
        "request_timeout_s": 1.0,
        "max_waiting": 3,
    }
    return Limits(**(settings | changes))


def test_the_bytes_that_all_requests_hold_are_limited_and_given_back():
    admission = Admission(limits())
    with admission.held() as one, admission.held() as other:
        one.add(HELD_BODIES * 100 - 1)
        other.add(1)
        with pytest.raises(RefusedError, match=r"^busy: the requests") as caught:
            other.add(1)
        assert (caught.value.status, caught.value.headers()) == (503, {"Retry-After": "1"})
        one.release()
        other.add(HELD_BODIES * 100 - 1)
    with admission.held() as held:
        held.add(HELD_BODIES * 100)


def test_the_images_that_wait_are_given_back_even_after_an_error():
    admission = Admission(limits())
    with pytest.raises(KeyError), admission.images(3):
        assert admission.is_full
        raise KeyError
    assert admission.waiting == 0 and not admission.is_full


def test_a_service_that_does_not_run_is_not_ready(servable):
    service = service_of(servable)
    assert service.not_ready == "no model is running"

    async def while_running():
        async with service.running():
            return service.not_ready

    assert asyncio.run(while_running()) is None
    assert service.not_ready == "no model is running"


def test_requests_images_and_memory_are_counted(servable):
    with client_of(servable) as client:
        client.post(CLASSIFY, content=PICTURE)
        client.post(CLASSIFY, content=b"no image")
        client.post(PREDICT, content=json.dumps({"instances": [b64(PICTURE)] * 2}))
        answer = client.get("/metrics")
        assert client.get("/healthz").text == "ok\n"
    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        'tfcovid_requests_total{asked="classify",status="200"} 1.0',
        'tfcovid_requests_total{asked="classify",status="400"} 1.0',
        'tfcovid_requests_total{asked="predict",status="200"} 1.0',
        "tfcovid_images_total 3.0",
        "tfcovid_waiting_images 0.0",
        "tfcovid_batch_size_sum 3.0",
        'tfcovid_request_seconds_count{asked="predict",status="200"} 1.0',
    ):
        assert line in answer.text
    (memory,) = [
        line.split()[1]
        for line in answer.text.splitlines()
        if line.startswith("process_resident_memory_bytes ")
    ]
    assert float(memory) > 50e6
