"""Feeds are found before a training begins, and missed when they are gone."""

import queue
import socket

import pytest
import rich.console

from flags.config import Config
from flags.distribution_flags import Sharing
from tfcovid.data.feed_server import feeding
from tfcovid.experiment.feeding import open_feeds, watched, workers_of

NOTICED_S = 60
QUIET = rich.console.Console(quiet=True)


def opened(*feeds):
    return open_feeds(Config(), Sharing(data_service=feeds), QUIET)


def test_feeds_that_answer_are_taken_in_their_order():
    with feeding("127.0.0.1", 0) as one, feeding("localhost", 0) as other:
        assert opened(other, one) == (other, one)
    assert opened() == ()


def test_where_nothing_listens_is_told():
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ValueError, match=rf"{address}: expected a running.*found none"):
            opened(address)


def test_a_feed_that_batches_cannot_be_had_from_is_told():
    with feeding("elsewhere", 0) as address:
        port = address.rpartition(":")[2]
        with pytest.raises(ValueError, match=r"found elsewhere; .*--advertised_host=127.0.0.1"):
            opened(f"127.0.0.1:{port}")


def test_a_feed_that_is_gone_is_missed_and_one_that_is_there_is_not():
    lines = queue.Queue()
    with feeding("127.0.0.1", 0) as stays:
        with feeding("127.0.0.1", 0) as goes:
            watching = watched((stays, goes), end=lines.put)
            watching.__enter__()
        line = lines.get(timeout=NOTICED_S)
        assert f"--data_service={goes}: the feed there is gone" in line and "--resume" in line
        watching.__exit__(None, None, None)
        assert lines.empty()


@pytest.mark.parametrize("letters", [5, 45, 50, 97, 130, 300])
def test_the_workers_of_an_answer_are_read_whatever_their_length(letters):
    def field(content):
        size, number = len(content), b""
        while size > 0x7F:
            number, size = number + bytes([size & 0x7F | 0x80]), size >> 7
        return b"\x0a" + number + bytes([size]) + content

    address = "h" * (letters - 5) + ":5051"
    uid = b"\x10\x07"  # a further field, as the answer has them
    answer = field(field(address.encode()) + uid) + field(field(b"other:1"))
    assert workers_of(answer) == [address, "other:1"]


def test_a_feed_whose_second_port_is_closed_is_told(monkeypatch):
    def refused(address, timeout):
        raise ConnectionRefusedError(111, "Connection refused")

    with feeding("127.0.0.1", 0) as address:
        monkeypatch.setattr(socket, "create_connection", refused)
        with pytest.raises(ValueError, match=r"it cannot be reached there .*open that port too"):
            opened(address)


def test_a_feed_can_be_started_again_at_once():
    with feeding("127.0.0.1", 0) as address:
        opened(address)
        port = int(address.rpartition(":")[2])
    with feeding("127.0.0.1", port) as again:
        assert again == address
