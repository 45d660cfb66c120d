"""Judges the service with grpcio and nothing but reflection: python3 json_over_reflection.py SERVICE."""

import http.client
import json
import pathlib
import struct
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from checks import check, run
from reflected import SERVICE, Reflected, to_json

ADDRESS = sys.argv[1]
FILES = sorted((pathlib.Path(__file__).parent.parent / "e2e" / "aws_json").glob("*.json"))
STOPS = {"tools": "tool_use", "guardrail": "guardrail_intervened", "stop_sequence": "stop_sequence"}

service = Reflected(ADDRESS)


def body_of(path):
    return json.loads(path.read_text(encoding="utf-8"))


def aws_json_through_converse(path):
    reply = service.converse(body_of(path))
    assert reply["stopReason"] == STOPS.get(path.stem, "end_turn"), reply
    assert reply["output"]["message"]["content"], reply
    assert reply["call"]["attempts"][0]["outcome"] == "OK", reply


def aws_json_through_converse_stream(path):
    events = service.converse_stream(body_of(path))
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart" and names[-3:] == ["messageStop", "metadata", "call"], names
    assert events[-3]["messageStop"]["stopReason"] == STOPS.get(path.stem, "end_turn"), events[-3]
    assert "contentBlockDelta" in names and names.count("call") == 1, names


for mode in (aws_json_through_converse, aws_json_through_converse_stream):
    for file in FILES:
        named = lambda mode=mode, file=file: mode(file)  # noqa: E731: the name is set below
        named.__name__ = f"{mode.__name__}: {file.name}"
        check(named)


@check
def there_are_ten_files():
    assert len(FILES) == 10, FILES


@check
def reflection_lists_the_services():
    names = set(service.database.get_services())
    wanted = {SERVICE, "bedrock.inference.v1.Models", "grpc.health.v1.Health"}
    assert wanted <= names, names


def refusal(body):
    try:
        service.converse(body)
    except grpc.RpcError as error:
        return error
    raise AssertionError("not refused")


def details(error):
    """The status details by type, ours and google.rpc's."""
    return {detail.TypeName(): detail for detail in rpc_status.from_call(error).details}


@check
def an_error_tells_reason_and_domain():
    error = refusal({"modelId": "no.such-model", "messages": []})
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    info = error_details_pb2.ErrorInfo()
    assert details(error)["google.rpc.ErrorInfo"].Unpack(info)
    assert (info.reason, info.domain) == ("MODEL_NOT_FOUND", "bedrock.inference.v1"), info
    assert "bedrock.inference.v1.CallReport" in details(error)


@check
def a_bad_member_is_named():
    error = refusal({"modelId": "us.amazon.nova-pro-v1:0", "messages": [{"role": "user", "content": [{}]}]})
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    bad = error_details_pb2.BadRequest()
    assert details(error)["google.rpc.BadRequest"].Unpack(bad)
    assert [violation.field for violation in bad.field_violations] == ["messages[0].content[0]"], bad


@check
def an_error_of_bedrock_is_passed_on():
    # Words of AWS's enumerations are AWS's to judge.
    image = {"image": {"format": "bmp", "source": {"bytes": "AAAA"}}}
    body = {"modelId": "us.amazon.nova-pro-v1:0", "messages": [{"role": "user", "content": [image]}]}
    error = refusal(body)
    info = error_details_pb2.ErrorInfo()
    assert details(error)["google.rpc.ErrorInfo"].Unpack(info)
    assert (error.code(), info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UPSTREAM_VALIDATION"), info
    assert info.metadata["upstream_code"] == "ValidationException", info


@check
def a_member_that_nobody_knows_is_refused_by_the_client():
    try:
        service.request("Converse", {"modelId": "m", "topK": 5})
    except Exception as error:  # noqa: BLE001: json_format's own class
        assert "topK" in str(error), error
    else:
        raise AssertionError("accepted")


@check
def the_model_id_may_stand_in_the_metadata():
    body = body_of(FILES[0])
    metadata = [("x-bedrock-model-id", body.pop("modelId"))]
    assert service.converse(body, metadata=metadata)["call"]["modelAsked"] == metadata[0][1]


@check
def compressed_requests_are_read():
    for compression in (grpc.Compression.Gzip, grpc.Compression.NoCompression):
        assert service.converse(body_of(FILES[0]), compression=compression)["stopReason"] == "end_turn"


@check
def every_service_is_healthy():
    stub = health_pb2_grpc.HealthStub(service.channel)
    for name in ("", SERVICE, "bedrock.inference.v1.Models"):
        status = stub.Check(health_pb2.HealthCheckRequest(service=name)).status
        assert status == health_pb2.HealthCheckResponse.SERVING, (name, status)


def grpc_web(message):
    """One unary call as a browser makes it; the reply's messages, and its trailers."""
    connection = http.client.HTTPConnection(ADDRESS, timeout=10)
    data = message.SerializeToString()
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    connection.request("POST", f"/{SERVICE}/Converse", b"\0" + struct.pack(">I", len(data)) + data, headers)
    response = connection.getresponse()
    assert response.status == 200, response.status
    assert response.headers["content-type"].startswith("application/grpc-web"), response.headers
    rest, messages = response.read(), []
    trailers = {name.lower(): value for name, value in response.getheaders()}
    while rest:
        flag, length = rest[0], struct.unpack(">I", rest[1:5])[0]
        frame, rest = rest[5 : 5 + length], rest[5 + length :]
        if flag & 0x80:
            lines = frame.decode().strip().split("\r\n")
            trailers.update((name.strip().lower(), value.strip()) for name, value in (x.split(":", 1) for x in lines))
        else:
            messages.append(service.reply_class("Converse").FromString(frame))
    return [to_json(found) for found in messages], trailers


@check
def grpc_web_answers_over_plain_http():
    for file in FILES:
        messages, trailers = grpc_web(service.request("Converse", body_of(file)))
        assert trailers["grpc-status"] == "0" and len(messages) == 1, (file.name, trailers)
        assert messages[0]["stopReason"] == STOPS.get(file.stem, "end_turn"), messages


@check
def grpc_web_tells_errors():
    messages, trailers = grpc_web(service.request("Converse", {"modelId": "no.such-model"}))
    assert messages == [] and trailers["grpc-status"] == str(grpc.StatusCode.NOT_FOUND.value[0]), trailers
    assert trailers["grpc-status-details-bin"], trailers


run()
