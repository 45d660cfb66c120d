#!/usr/bin/env python3
"""Writes bedrock-runtime.json: AWS's service model as botocore ships it, without the documentation.

With --check it only compares, and exits with 1 where AWS's model has moved on.
"""

import json
import pathlib
import sys

import botocore.session

HERE = pathlib.Path(__file__).parent / "bedrock-runtime.json"


def without_documentation(node):
    if isinstance(node, dict):
        return {
            key: without_documentation(value)
            for key, value in node.items()
            if not (key == "documentation" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [without_documentation(value) for value in node]
    return node


def main():
    loader = botocore.session.get_session().get_component("data_loader")
    model = without_documentation(loader.load_service_model("bedrock-runtime", "service-2"))
    kept = {key: model[key] for key in ("metadata", "operations", "shapes")}
    text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        HERE.write_text(text)
    elif json.loads(HERE.read_text()) != json.loads(text):
        sys.exit("AWS's service model has changed: run proto/model/refresh.py and cover what is new")


if __name__ == "__main__":
    main()
