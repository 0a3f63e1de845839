"""Flags of the processes that make batches, and of those that take them."""

import pytest

from flags import choices, distribution_flags, feed_flags, parse


def values_of(*arguments):
    return parse.flag_values_from_argv(["train", *arguments])


def test_a_feed_is_reached_at_5050_of_this_machine():
    assert feed_flags.asked(values_of()) == feed_flags.Asked("127.0.0.1", 5050)
    asked = feed_flags.asked(values_of("--port=0", "--advertised_host=node-1.lan"))
    assert asked == feed_flags.Asked("node-1.lan", 0)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--port=65535", "the port above is taken too"),
        ("--advertised_host=a:1", "expected a host name or an IPv4 address"),
        ("--epochs=3", "--epochs: feed does not read it"),
    ],
)
def test_what_a_feed_cannot_take_is_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        feed_flags.asked(values_of(argument))


@pytest.mark.parametrize("cache", ["records", "none"])
def test_images_that_others_read_too_may_come_from_feeds(cache):
    values = values_of("--data_service=a:1,10.0.0.2:5050", f"--cache={cache}")
    assert distribution_flags.sharing(values).data_service == ("a:1", "10.0.0.2:5050")
    assert parse.config_from_flags(values).data.cache is choices.Cache(cache)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data_service=a", "--cache=none"], "expected HOST:PORT, found 'a'"),
        (["--data_service=grpc://a:1", "--cache=none"], "expected HOST:PORT"),
        (["--data_service=a:1,a:1", "--cache=none"], "expected each address once"),
        (["--data_service=a:1"], "--data_service with --cache=auto"),
        (["--data_service=a:1", "--cache=disk"], "--data_service with --cache=disk"),
    ],
)
def test_what_cannot_be_fed_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        distribution_flags.sharing(values_of(*arguments))
