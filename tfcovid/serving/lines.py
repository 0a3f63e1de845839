"""The lines of JSON that predictions are given as."""

import json
from collections.abc import Mapping
from typing import Any

from tfcovid.serving.client import Prediction


def prediction_line(prediction: Prediction, rule: str | None, **more: Any) -> str:
    """Returns the line of one image; of one that could not be classified the error alone.

    Args:
      prediction: of the image.
      rule: that decided, in words, or None where the model does not say.
      **more: fields to add where there is no error.
    """
    fields = prediction.as_json()
    return json_line(fields if prediction.error is not None else {**fields, "rule": rule, **more})


def json_line(fields: Mapping[str, Any]) -> str:
    """Returns fields as JSON; what is no visible character of a file's name is an escape in it.

    That is half a character, where the name is no UTF-8, and what a terminal would obey.
    """
    line = json.dumps(fields, ensure_ascii=False)
    return line if line.isprintable() else json.dumps(fields, ensure_ascii=True)
