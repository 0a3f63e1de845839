import pytest

from flags import parse, serve_flags


def values(*arguments):
    return parse.flag_values_from_argv(["serve", *arguments])


def test_flags_become_what_is_asked_in_bytes_and_seconds():
    asked = serve_flags.asked(
        values("--model=M", "--max_body_mib=2", "--batch_timeout_ms=5", "--max_pixels=99")
    )
    assert (asked.model, asked.model_name, asked.host, asked.port) == (
        "M",
        "tfcovid",
        "127.0.0.1",
        8501,
    )
    assert (asked.max_body_bytes, asked.batch_timeout_s, asked.max_pixels) == (2**21, 0.005, 99)


def test_further_hosts_are_a_list_of_names():
    assert serve_flags.asked(values("--model=M")).allowed_hosts == ()
    given = serve_flags.asked(values("--model=M", "--allowed_hosts=a.example,b.example"))
    assert given.allowed_hosts == ("a.example", "b.example")


def test_without_a_limit_of_pixels_the_server_takes_its_own_and_not_that_of_training():
    assert serve_flags.asked(values("--model=M")).max_pixels == serve_flags.DEFAULT_MAX_PIXELS
    given = serve_flags.asked(values("--model=M", "--max_pixels=100000000"))
    assert given.max_pixels == 100_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--model: expected RUN/saved_model"),
        (["--model="], "--model: expected RUN/saved_model"),
        (["--model=M", "--loss=focal"], "--loss: serve does not read it"),
        (["--model=M", "--model_name="], "--model_name=: expected letters"),
        (["--model=M", "--model_name=a b"], "--model_name=a b: expected letters"),
        (["--model=M", "--max_pixels=178956971"], "--max_pixels=178956971: expected a number"),
    ],
)
def test_what_cannot_be_served_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        serve_flags.asked(values(*arguments))
