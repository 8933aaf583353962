"""Writes the contract as OpenAPI, from which the page's types are made.

``python -m policyscope.panel.openapi web/openapi.json``
"""

import json
import sys
import tempfile
from pathlib import Path

from policyscope.core.files import write_text
from policyscope.panel.application import application
from policyscope.panel.contract.messages import Problem


def contract() -> str:
    """The contract as JSON text."""
    with tempfile.TemporaryDirectory() as empty:
        values = application(Path(empty)).openapi()
    values["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    values["info"].pop("version")  # the page's types do not change with it
    values["info"]["version"] = "1"
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), contract())
