"""The page at /, and the two addresses that it asks: /api/model and /api/classify."""

import pathlib
import threading
from typing import Any

import numpy as np
import tensorflow as tf
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tfcovid.data.decode import decode_gray
from tfcovid.data.image_warnings import contrast_warnings
from tfcovid.serving.batching import Outputs
from tfcovid.serving.heat_pictures import gray_picture, heat_picture, whole_picture
from tfcovid.serving.incoming import Row
from tfcovid.serving.model_folder import decision_rule
from tfcovid.serving.servable import DEFAULT_SIGNATURE, EXPLAIN
from tfcovid.serving.service import Service

FOLDER = pathlib.Path(__file__).with_name("page")
_FILES = {
    "/": ("index.html", "text/html"),
    "/page/page.js": ("page.js", "text/javascript"),
    "/page/page.css": ("page.css", "text/css"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
# Nothing from elsewhere is loaded, sent or framed. Pictures come within the answers, as data.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
# Decoding takes 40 bytes a pixel for a moment: beside the call of the model one image at a time.
_DECODING = threading.Lock()


def page_routes(service: Service, model_name: str) -> list[Route]:
    """Returns the routes of the page.

    Args:
      service: the model behind its limits.
      model_name: as the model is served.
    """
    about = _about(service, model_name)
    rule = decision_rule(service.servable.card)

    async def model(_: Request) -> Response:
        return JSONResponse(about, headers={"Cache-Control": "no-store"})

    async def classify(request: Request) -> Response:
        servable = service.servable
        with service.request(request) as exchange:
            body = await exchange.body()
            async with exchange.in_time():
                (outputs,), (row,) = await service.outputs(
                    EXPLAIN if servable.explains else DEFAULT_SIGNATURE,
                    [body],
                    held=exchange.held,
                    where="",
                )
                found = await service.in_thread(_found, outputs, row)
        return JSONResponse({**found, "rule": rule}, headers={"Cache-Control": "no-store"})

    return [
        *(_file_route(address, *file) for address, file in _FILES.items()),
        Route("/api/model", model, methods=["GET"]),
        Route("/api/classify", classify, methods=["POST"]),
    ]


def _file_route(address: str, name: str, media_type: str) -> Route:
    content = (FOLDER / name).read_bytes()

    async def file(_: Request) -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    return Route(address, file, methods=["GET"])


def _about(service: Service, model_name: str) -> dict[str, Any]:
    servable = service.servable
    return {
        "name": model_name,
        "version": servable.version,
        "labels": servable.labels,
        "explains": servable.explains,
        "card": servable.card,
        "max_body_bytes": service.limits.max_body_bytes,
    }


def _found(outputs: Outputs, row: Row) -> dict[str, Any]:
    """Returns what the page shows of one image.

    `picture` and each `heatmap` are addresses of PNG files ("data:image/png;base64,…"): the square
    that the network saw, or of a model without heat maps the whole image; and what is laid over
    it, None where nothing speaks for the class or the model has no heat maps.
    """
    labels = [label.decode() for label in outputs["labels"]]
    explained = "heatmaps" in outputs
    gray = _gray(row)
    heat_maps = outputs["heatmaps"] if explained else [None] * len(labels)
    found = {
        "decision": outputs["decision"].decode(),
        "explained": explained,
        "picture": gray_picture(outputs["square"]) if explained else whole_picture(gray),
        "warnings": [*row.warnings, *contrast_warnings(gray)],
        "classes": [
            {
                "name": label,
                "probability": float(prob),
                "heatmap": None if heat is None or not heat.any() else heat_picture(heat),
            }
            for label, prob, heat in zip(labels, outputs["probabilities"], heat_maps, strict=True)
        ],
    }
    if "lungs_found" in outputs:
        found["lungs_found"] = bool(outputs["lungs_found"])
    return found


def _gray(row: Row) -> np.ndarray:
    """Returns an image that the model has decoded, uint8 [height, width]."""
    with _DECODING:
        return decode_gray(tf.constant(row.value)).numpy()[..., 0]
