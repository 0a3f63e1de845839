"""Serves a model over HTTP: `python -m tfcovid.serve --model=RUN/saved_model`.

TensorFlow Serving's REST protocol at /v1/models/NAME, a page for people at /, and /healthz,
/readyz and /metrics for machines. SIGTERM or Ctrl-C stops it; what it has accepted by then is
answered.
"""

import importlib.util
import os
import pathlib
from collections.abc import Sequence

from flags import parse, serve_flags
from tfcovid.entry import run_command
from tfcovid.startup import import_tensorflow

EXTRA = ("starlette", "uvicorn", "prometheus_client")

serve_flags.adopt_key_flags()


def serve(argv: Sequence[str]) -> None:
    """Serves the model that the flags name until it is stopped."""
    parse.refuse_stray_arguments(argv)
    asked = serve_flags.asked()
    if missing := [name for name in EXTRA if importlib.util.find_spec(name) is None]:
        raise ValueError(f"serve needs {', '.join(missing)}: pip install -r requirements-serve.txt")
    from tfcovid.serving.server import listening_socket
    from tfcovid.serving.server import serve as serve_app

    # A port that is taken is said at once, not after the model is loaded.
    with listening_socket(asked.host, asked.port) as listener:
        # What does not decode is answered; TensorFlow's own lines about it would fill the log.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # TensorFlow takes seconds to import: not before the flags are known to be right.
        import_tensorflow()
        app = _app(asked, bound=listener.getsockname()[0])
        host = f"[{asked.host}]" if ":" in asked.host else asked.host
        address = f"http://{host}:{listener.getsockname()[1]}/"

        def say_started() -> None:
            print(f"Serving {asked.model} at {address} until Ctrl-C", flush=True)
            print("Not a medical device.", flush=True)

        serve_app(app, listener, request_timeout_s=asked.request_timeout_s, started=say_started)
    print("Stopped: what was accepted is answered.")


def _app(asked: serve_flags.Asked, *, bound: str):
    """Returns the application that serves the model; raises ValueError if it cannot be loaded."""
    from tfcovid.serving.app import build_app
    from tfcovid.serving.hosts import expected_hosts
    from tfcovid.serving.limits import Limits
    from tfcovid.serving.servable import Servable
    from tfcovid.serving.service import Service

    limits = Limits(
        max_body_bytes=asked.max_body_bytes,
        max_pixels=asked.max_pixels,
        request_timeout_s=asked.request_timeout_s,
        max_waiting=asked.max_waiting,
    )
    service = Service(
        Servable(pathlib.Path(asked.model).expanduser()),
        limits,
        max_batch_size=asked.max_batch_size,
        batch_timeout_s=asked.batch_timeout_s,
    )
    hosts = expected_hosts(bound, asked.host, asked.allowed_hosts)
    return build_app(service, asked.model_name, hosts)


if __name__ == "__main__":
    run_command(serve)
