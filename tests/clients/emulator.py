"""The emulator that is judged, its URL the first argument: unmodified boto3 on it, and its own controls."""

import json
import sys
import urllib.request

import boto3
from botocore.config import Config

URL = sys.argv[1].rstrip("/")

client = boto3.client(
    "bedrock-runtime",
    region_name="us-east-1",
    endpoint_url=URL,
    aws_access_key_id="AKIDEXAMPLE",
    aws_secret_access_key="secret",
    config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
)


def http(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(URL + path, data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def script(*faults):
    http("POST", "/_emulator/script", {"faults": list(faults)})
