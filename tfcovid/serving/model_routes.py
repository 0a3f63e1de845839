"""The addresses of TensorFlow Serving: /v1/models/NAME, its metadata, and :predict."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tfcovid.serving.protocol import answer, parse_predict
from tfcovid.serving.refused import RefusedError
from tfcovid.serving.service import Service

# As in tensorflow_serving/model_servers/http_rest_api_handler.cc.
_ADDRESS = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+))?(?P<verb>:\w+|/metadata)?",
    re.IGNORECASE | re.ASCII,
)
_METHODS = {None: "GET", "/metadata": "GET", ":predict": "POST"}
_SIGNATURE_MAP = "type.googleapis.com/tensorflow.serving.SignatureDefMap"


def model_routes(service: Service, model_name: str) -> list[Route]:
    """Returns the routes of the model.

    Args:
      service: the model behind its limits.
      model_name: NAME of the addresses.

    Source: https://www.tensorflow.org/tfx/serving/api_rest.
    """
    servable = service.servable
    metadata = _metadata(model_name, servable.version, servable.signature_defs())

    async def answer_address(request: Request) -> Response:
        found = _ADDRESS.fullmatch(request.url.path)
        verb = found and found["verb"]
        if not found or _METHODS.get(verb) != request.method:
            raise RefusedError(400, f"Malformed request: {request.method} {request.url.path}")
        _check_servable(found["name"], found["version"], model_name, servable.version)
        if verb is None:
            return JSONResponse(_status(servable.version))
        if verb == "/metadata":
            return JSONResponse(metadata)
        return await _predict(service, request)

    return [Route("/v1/{rest:path}", answer_address, methods=["GET", "POST"])]


def _check_servable(name: str, version: str | None, model_name: str, served: str) -> None:
    if name != model_name or (version is not None and int(version) != int(served)):
        asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise RefusedError(
            404,
            f"Servable not found for request: {asked}; this server has version {served} of "
            f"{model_name}",
        )


async def _predict(service: Service, request: Request) -> Response:
    with service.request(request) as exchange:
        body = await exchange.body()
        async with exchange.in_time():
            asked = await service.in_thread(parse_predict, body, service.servable.signatures)
            outputs, _ = await service.outputs(
                asked.signature.name,
                asked.rows,
                held=exchange.held,
                where="instances" if asked.by_rows else "inputs",
            )
            written = await service.in_thread(answer, asked, outputs)
    return Response(written, media_type="application/json")


def _status(version: str) -> dict[str, Any]:
    """Returns GetModelStatusResponse in protobuf's JSON."""
    status = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": version, "state": "AVAILABLE", "status": status}]}


def _metadata(name: str, version: str, signatures: dict[str, Any]) -> dict[str, Any]:
    """Returns GetModelMetadataResponse in protobuf's JSON."""
    return {
        "model_spec": {"name": name, "signature_name": "", "version": version},
        "metadata": {
            "signature_def": {"@type": _SIGNATURE_MAP, "signature_def": signatures},
        },
    }
