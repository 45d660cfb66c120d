"""Judges the service with unmodified boto3, member by member: python3 model_boto3.py EMULATOR SERVICE.

What boto3 sends to the emulator and what the service sends for the same JSON must be equal by value, and so
must what the two make of the same reply. The members come from botocore's own service model.
"""

import base64
import json
import sys

from checks import check, run
from conversations import conversations
from emulator import client, http, script
from reflected import Reflected
from sampler import Sampler, members_of

SERVICE = sys.argv[2]
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
# A model of which the service knows nothing, so that it refuses nothing for its sake.
ANY = "acme.everything-v1:0"
HELLO = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
USAGE = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
SHORT_REPLY = {
    "output": {"message": {"role": "assistant", "content": [{"text": "yes"}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 1},
}
SHORT_EVENTS = [
    ["messageStart", {"role": "assistant"}],
    ["messageStop", {"stopReason": "end_turn"}],
    ["metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}],
]

service = Reflected(SERVICE)
sampler = Sampler()
UNARY = client.meta.service_model.operation_model("Converse")
STREAM = client.meta.service_model.operation_model("ConverseStream")
EVENTS = STREAM.output_shape.members["stream"]
EVENT_NAMES = [name for name in EVENTS.members if not name.endswith("Exception")]


def last_call():
    call = http("GET", "/_emulator/calls")["calls"][-1]
    return {"operation": call["operation"], "modelId": call["modelId"], "body": json.loads(call["body"])}


def warned(report):
    """What the report warns of, but for prices: samples are served in ways that have none."""
    return [w for w in report.get("warnings", []) if w["kind"] != "WARNING_KIND_UNPRICED"]


def to_json(value):
    """boto3's values as JSON: bytes become base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: to_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [to_json(entry) for entry in value]
    return value


def aws_json(shape, value):
    """The service's proto3 JSON as AWS's: 64-bit integers are numbers, maps hold lists without a wrapper.

    Members that botocore does not know stay, so that they are found."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return value
    if kind == "structure":
        known = shape.members
        return {name: aws_json(known[name], member) if name in known else member for name, member in value.items()}
    if kind == "map":
        return {key: aws_json(shape.value, entry) for key, entry in value.items()}
    if kind == "list":
        if isinstance(value, dict):
            assert set(value) <= {"assessments"}, value
            value = value.get("assessments", [])
        return [aws_json(shape.member, entry) for entry in value]
    return int(value) if kind == "long" else value


def same(one, other):
    if one != other:
        raise AssertionError(difference(one, other))


def difference(one, other, path="$"):
    """The first place where two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *other]:
            if one.get(name) != other.get(name) or (name in one) != (name in other):
                return difference(one.get(name, "(absent)"), other.get(name, "(absent)"), f"{path}.{name}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (a, b) in enumerate(zip(one, other)):
            if a != b:
                return difference(a, b, f"{path}[{index}]")
    return f"{path}: {json.dumps(one)[:300]} is not {json.dumps(other)[:300]}"


@check
def what_converse_sends():
    samples = [one for sample in sampler.samples(UNARY.input_shape) for one in conversations(sample)]
    for sample in samples:
        sample = dict(sample, modelId=ANY)
        script({"reply": SHORT_REPLY}, {"reply": SHORT_REPLY})
        client.converse(**sample)
        sent = last_call()
        service.converse(to_json(sample))
        same(sent, last_call())
    return f"{len(samples)} requests"


@check
def what_converse_stream_sends():
    samples = [one for sample in sampler.samples(STREAM.input_shape) for one in conversations(sample)]
    for sample in samples:
        sample = dict(sample, modelId=ANY)
        script({"events": SHORT_EVENTS}, {"events": SHORT_EVENTS})
        list(client.converse_stream(**sample)["stream"])
        sent = last_call()
        service.converse_stream(to_json(sample))
        same(sent, last_call())
    return f"{len(samples)} requests"


@check
def what_converse_answers():
    samples = sampler.samples(UNARY.output_shape)
    for sample in samples:
        reply = {"reply": to_json(sample)}
        script(reply, reply)
        read = client.converse(**HELLO)
        del read["ResponseMetadata"]
        given = service.converse(HELLO)
        same(warned(given.pop("call")), [])
        same(to_json(read), to_json(sample))
        same(to_json(read), aws_json(UNARY.output_shape, given))
    return f"{len(samples)} replies"


def streams():
    """Streams that hold every event sample between them, each in the order that Bedrock keeps."""
    sampler.cover(STREAM.output_shape, "stream")
    for name in EVENT_NAMES:
        sampler.cover(EVENTS, name)
    samples = {name: to_json(sampler.samples(EVENTS.members[name])) for name in EVENT_NAMES}

    def of(name, number, **more):
        found = samples[name]
        return [name, dict(found[min(number, len(found) - 1)], **more)]

    for number in range(max(len(samples[name]) for name in ("messageStart", "messageStop", "metadata"))):
        events, index = [of("messageStart", number)], 0
        for name in ("contentBlockStart", "contentBlockDelta"):
            for piece in range(len(samples[name])):
                events.append(of(name, piece, contentBlockIndex=index))
                events.append(of("contentBlockStop", 0, contentBlockIndex=index))
                index += 1
        yield [*events, of("messageStop", number), of("metadata", number)]


@check
def what_converse_stream_answers():
    count = 0
    for events in streams():
        script({"events": events}, {"events": events})
        read = list(client.converse_stream(**HELLO)["stream"])
        given = service.converse_stream(HELLO)
        same(warned(given.pop()["call"]), [])
        same(to_json(read), [dict([event]) for event in events])
        same(to_json(read), [aws_json(EVENTS, message) for message in given])
        count += len(events)
    return f"{count} events"


@check
def every_member_of_botocores_model_is_covered():
    roots = (UNARY.input_shape, UNARY.output_shape, STREAM.input_shape, STREAM.output_shape)
    wanted = members_of(*roots)
    missing = sorted(wanted - sampler.covered)
    assert len(wanted) > 300 and not missing, missing
    return f"{len(wanted & sampler.covered)} of {len(wanted)} members"


run()
