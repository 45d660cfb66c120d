"""Judges the emulator with unmodified boto3: python3 emulator_boto3.py URL."""

import json
import struct
import time
import zlib

import boto3
import botocore.exceptions
from botocore.config import Config

from checks import check, run
from emulator import URL, client, http, script

NOVA = "us.amazon.nova-pro-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA2 = "us.amazon.nova-2-lite-v1:0"
TITAN = "amazon.titan-text-express-v1"


def user(*parts):
    return {"role": "user", "content": [{"text": p} if isinstance(p, str) else p for p in parts]}


def assistant(*parts):
    return {"role": "assistant", "content": [{"text": p} if isinstance(p, str) else p for p in parts]}


def converse(text=None, model=NOVA, **more):
    more.setdefault("messages", [user(text)] if text else None)
    return client.converse(modelId=model, **{k: v for k, v in more.items() if v is not None})


def stream(text=None, model=NOVA, **more):
    more.setdefault("messages", [user(text)] if text else None)
    response = client.converse_stream(modelId=model, **{k: v for k, v in more.items() if v is not None})
    return list(response["stream"])


def names(events):
    return [next(iter(event)) for event in events]


def folded(events):
    """The unary response that a stream stands for."""
    blocks, result = {}, {}
    for event in events:
        (name, payload), = event.items()
        if name == "contentBlockStart":
            blocks[payload["contentBlockIndex"]] = {"toolUse": dict(payload["start"]["toolUse"], input="")}
        elif name == "contentBlockDelta":
            delta, index = payload["delta"], payload["contentBlockIndex"]
            if "text" in delta:
                block = blocks.setdefault(index, {"text": ""})
                block["text"] += delta["text"]
            elif "toolUse" in delta:
                blocks[index]["toolUse"]["input"] += delta["toolUse"]["input"]
            else:
                block = blocks.setdefault(index, {"reasoningContent": {"reasoningText": {"text": ""}}})
                inner = block["reasoningContent"]["reasoningText"]
                for key, value in delta["reasoningContent"].items():
                    inner[key] = inner.get(key, "") + value
        elif name == "contentBlockStop":
            block = blocks[payload["contentBlockIndex"]]
            if "toolUse" in block:
                block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
        elif name == "messageStop":
            result.update(payload)
        elif name == "metadata":
            result.update(payload)
    result["output"] = {"message": {"role": "assistant", "content": [blocks[i] for i in sorted(blocks)]}}
    return result


def same(unary, events):
    streamed = folded(events)
    unary = {k: v for k, v in unary.items() if k != "ResponseMetadata"}
    assert unary == streamed, f"{unary}\n!= {streamed}"


def text_of(response):
    return "".join(block.get("text", "") for block in response["output"]["message"]["content"])


def tool_uses(response):
    return [b["toolUse"] for b in response["output"]["message"]["content"] if "toolUse" in b]


def refused(exception, fragment, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except getattr(client.exceptions, exception, botocore.exceptions.ClientError) as error:
        assert error.response["Error"]["Code"] == exception, error.response
        assert fragment in error.response["Error"]["Message"], error.response["Error"]["Message"]
        return error.response
    raise AssertionError(f"not refused with {exception}")


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x20\x80\xc0" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tool(name, properties, required=None):
    schema = {"type": "object", "properties": properties, "required": required or list(properties)}
    return {"toolSpec": {"name": name, "description": f"Calls {name}", "inputSchema": {"json": schema}}}


WEATHER = tool("get_weather", {"city": {"type": "string"}})
CLOCK = tool("get_time", {"zone": {"type": "string"}})


# ---- plain answers


@check
def plain_converse():
    response = converse("What is the capital of France?")
    assert "Paris" in text_of(response)
    assert response["stopReason"] == "end_turn"
    usage = response["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert usage["cacheReadInputTokens"] == usage["cacheWriteInputTokens"] == 0
    assert response["metrics"]["latencyMs"] >= 0
    assert len(response["ResponseMetadata"]["RequestId"]) == 36


@check
def plain_stream_has_the_documented_order():
    events = stream("What is the capital of France?")
    found = names(events)
    deltas = found.count("contentBlockDelta")
    assert deltas > 3
    assert found == ["messageStart"] + ["contentBlockDelta"] * deltas + ["contentBlockStop", "messageStop", "metadata"]
    assert events[0]["messageStart"] == {"role": "assistant"}


@check
def both_modes_give_the_same_answer():
    same(converse("Write a haiku about rain"), stream("Write a haiku about rain"))


@check
def the_same_request_gets_the_same_answer():
    assert text_of(converse("Tell me a story")) == text_of(converse("Tell me a story"))


@check
def arithmetic():
    assert "84" in text_of(converse("What is 12*7?"))


@check
def multi_turn():
    turns = [user("My name is Ada."), assistant("Hello Ada"), user("What is my name?")]
    text = text_of(converse(messages=turns))
    assert "Ada" in text and "turn 2" in text, text


@check
def system_prompt_is_obeyed_by_mention():
    assert "pirate" in text_of(converse("Hello", system=[{"text": "You are a pirate."}]))


@check
def every_family_answers():
    for model in (NOVA, SONNET, NOVA2, TITAN, "us.anthropic.claude-opus-5"):
        assert text_of(converse("Hello", model=model)).startswith("Hello!"), model
        assert text_of(folded(stream("Hello", model=model))).startswith("Hello!"), model


@check
def titan_has_no_cache_members():
    assert set(converse("Hello", model=TITAN)["usage"]) == {"inputTokens", "outputTokens", "totalTokens"}


@check
def performance_and_tier_are_echoed():
    more = {"performanceConfig": {"latency": "optimized"}, "serviceTier": {"type": "flex"}}
    response = converse("Hello", **more)
    assert response["performanceConfig"] == {"latency": "optimized"} and response["serviceTier"] == {"type": "flex"}
    same(response, stream("Hello", **more))


# ---- tools


def round_trip(call):
    turns = [user("What is the weather in Paris and Rome?")]
    first = call(messages=turns, toolConfig={"tools": [WEATHER]})
    assert first["stopReason"] == "tool_use"
    uses = tool_uses(first)
    assert [use["input"] for use in uses] == [{"city": "Paris"}, {"city": "Rome"}], uses
    assert len({use["toolUseId"] for use in uses}) == 2
    turns.append(first["output"]["message"])
    results = [
        {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"json": {"degrees": 15 + i}}]}}
        for i, use in enumerate(uses)
    ]
    turns.append({"role": "user", "content": results})
    second = call(messages=turns, toolConfig={"tools": [WEATHER]})
    assert second["stopReason"] == "end_turn"
    assert "get_weather says: degrees: 15" in text_of(second) and "degrees: 16" in text_of(second), second


@check
def tool_round_trip_unary_with_parallel_calls():
    round_trip(converse)


@check
def tool_round_trip_streamed_with_parallel_calls():
    round_trip(lambda **more: folded(stream(**more)))


@check
def tool_stream_has_the_documented_order():
    events = stream("What is the weather in Paris?", toolConfig={"tools": [WEATHER]})
    found = names(events)
    start = found.index("contentBlockStart")
    assert found[start - 1] == "contentBlockStop" and found[start + 1 : start + 3] == ["contentBlockDelta"] * 2
    same(converse("What is the weather in Paris?", toolConfig={"tools": [WEATHER]}), events)


@check
def the_tool_that_the_prompt_names_is_called():
    uses = tool_uses(converse("What time is it in Oslo?", toolConfig={"tools": [WEATHER, CLOCK]}))
    assert [use["name"] for use in uses] == ["get_time"]


@check
def tool_choice_any_and_tool():
    tools = [WEATHER, CLOCK]
    forced = converse("Hello", toolConfig={"tools": tools, "toolChoice": {"any": {}}})
    assert forced["stopReason"] == "tool_use" and text_of(forced) == ""
    named = converse("Hello", toolConfig={"tools": tools, "toolChoice": {"tool": {"name": "get_time"}}})
    assert [use["name"] for use in tool_uses(named)] == ["get_time"]
    auto = converse("Weather in Oslo", toolConfig={"tools": tools, "toolChoice": {"auto": {}}})
    assert text_of(auto) and tool_uses(auto)


@check
def tool_input_satisfies_the_schema():
    spec = tool(
        "book_flight",
        {
            "to": {"type": "string"},
            "class": {"type": "string", "enum": ["economy", "business"]},
            "seats": {"type": "integer", "minimum": 1},
            "refundable": {"type": "boolean"},
            "stops": {"type": "array", "items": {"type": "string"}},
            "payer": {"type": "object", "properties": {"email": {"type": "string"}}, "required": ["email"]},
        },
    )
    use, = tool_uses(converse("Book 3 business seats to Oslo, bill ada@example.com", toolConfig={"tools": [spec]}))
    given = use["input"]
    assert (given["to"], given["class"], given["seats"]) == ("Oslo", "business", 3), given
    assert given["refundable"] is True and isinstance(given["stops"], list), given
    assert given["payer"] == {"email": "ada@example.com"}, given


# ---- images and documents


@check
def images_are_described():
    data = png(64, 48)
    image = {"image": {"format": "png", "source": {"bytes": data}}}
    for model in (NOVA, SONNET):
        response = converse(model=model, messages=[user("What is this?", image)])
        assert f"a png image (64x48 pixels, {len(data)} bytes)" in text_of(response), text_of(response)
    same(converse(messages=[user("What is this?", image)]), stream(messages=[user("What is this?", image)]))


@check
def images_in_s3_are_described():
    image = {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/cat.jpg"}}}}
    assert "s3://bucket/cat.jpg" in text_of(converse(messages=[user("What is this?", image)]))


@check
def documents_are_described():
    document = {"document": {"format": "pdf", "name": "Annual report", "source": {"bytes": b"%PDF-1.4 x"}}}
    text = text_of(converse(messages=[user("Summarize", document)]))
    assert "the pdf document \u201cAnnual report\u201d (10 bytes)" in text, text


# ---- reasoning


def reasoning_of(response):
    return response["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]


THINKING = {
    "model": SONNET,
    "inferenceConfig": {"maxTokens": 4096},
    "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
}


@check
def reasoning_comes_first_with_a_signature():
    response = converse("Hello", **THINKING)
    assert reasoning_of(response)["text"] and reasoning_of(response)["signature"]
    events = stream("Hello", **THINKING)
    same(response, events)
    assert "contentBlockStart" not in names(events)


@check
def reasoning_is_sent_back_in_a_tool_loop():
    turns = [user("What is the weather in Paris?")]
    first = converse(messages=turns, toolConfig={"tools": [WEATHER]}, **THINKING)
    use, = tool_uses(first)
    turns += [first["output"]["message"], user({"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "sun"}]}})]
    second = converse(messages=turns, toolConfig={"tools": [WEATHER]}, **THINKING)
    assert "get_weather says: sun" in text_of(second)


@check
def an_altered_signature_is_refused():
    first = converse("Hello", **THINKING)
    message = first["output"]["message"]
    reasoning_of(first)["text"] += " altered"
    refused(
        "ValidationException", "Invalid `signature`", converse, messages=[user("Hello"), message, user("Go on")], **THINKING
    )


@check
def adaptive_thinking_and_nova_reasoning():
    adaptive = {"thinking": {"type": "adaptive"}}
    assert reasoning_of(converse("Hello", model="us.anthropic.claude-opus-5", additionalModelRequestFields=adaptive))
    nova = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}
    assert reasoning_of(converse("Hello", model=NOVA2, additionalModelRequestFields=nova))


# ---- limits and structure


@check
def structured_output():
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "mood": {"enum": ["good", "bad"]}},
        "required": ["city", "mood"],
    }
    config = {
        "textFormat": {
            "type": "json_schema",
            "structure": {"jsonSchema": {"name": "place", "schema": json.dumps(schema)}},
        }
    }
    response = converse("I feel bad in Oslo", model=SONNET, outputConfig=config)
    assert json.loads(text_of(response)) == {"city": "Oslo", "mood": "bad"}


@check
def stop_sequence():
    config = {"inferenceConfig": {"stopSequences": ["TWO"]}, "additionalModelResponseFieldPaths": ["/stop_sequence"]}
    response = converse("Repeat after me: one TWO three", model=SONNET, **config)
    assert text_of(response) == "one " and response["stopReason"] == "stop_sequence"
    assert response["additionalModelResponseFields"] == {"stop_sequence": "TWO"}
    same(response, stream("Repeat after me: one TWO three", model=SONNET, **config))


@check
def max_tokens():
    config = {"inferenceConfig": {"maxTokens": 3}}
    response = converse("Repeat after me: abcdefghijklmnopq", **config)
    assert text_of(response) == "abcdefghijkl" and response["stopReason"] == "max_tokens"
    assert response["usage"]["outputTokens"] == 3
    same(response, stream("Repeat after me: abcdefghijklmnopq", **config))


# ---- guardrails


def guard(trace="enabled", **more):
    return dict({"guardrailIdentifier": "demoguardrail1", "guardrailVersion": "1", "trace": trace}, **more)


@check
def guardrail_lets_harmless_text_pass():
    response = converse("Hello", guardrailConfig=guard("disabled"))
    assert response["stopReason"] == "end_turn" and "trace" not in response


@check
def guardrail_blocks_a_topic():
    response = converse("Which stocks should I buy?", guardrailConfig=guard())
    assert response["stopReason"] == "guardrail_intervened"
    assert response["usage"]["totalTokens"] == response["usage"]["outputTokens"] == 0
    trace = response["trace"]["guardrail"]
    assert trace["inputAssessment"]["demoguardrail1"]["topicPolicy"]["topics"] == [
        {"name": "investment-advice", "type": "DENY", "action": "BLOCKED", "detected": True}
    ]
    assert trace["inputAssessment"]["demoguardrail1"]["invocationMetrics"]["usage"]["topicPolicyUnits"] == 1
    assert trace["actionReason"] == "Guardrail blocked."
    same(response, stream("Which stocks should I buy?", guardrailConfig=guard()))


@check
def guardrail_blocks_a_word_also_by_arn():
    arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/demoguardrail1"
    config = guard(guardrailIdentifier=arn, guardrailVersion="DRAFT")
    response = converse("a forbiddenword here", guardrailConfig=config)
    words = response["trace"]["guardrail"]["inputAssessment"]["demoguardrail1"]["wordPolicy"]["customWords"]
    assert words == [{"match": "forbiddenword", "action": "BLOCKED", "detected": True}]


@check
def guardrail_masks_output():
    ask = "Repeat after me: write to ada@example.com today"
    response = converse(ask, guardrailConfig=guard())
    assert text_of(response) == "write to {EMAIL} today" and response["stopReason"] == "guardrail_intervened"
    trace = response["trace"]["guardrail"]
    assert trace["modelOutput"] == ["write to ada@example.com today"]
    entity, = trace["outputAssessments"]["demoguardrail1"][0]["sensitiveInformationPolicy"]["piiEntities"]
    assert entity == {"match": "ada@example.com", "type": "EMAIL", "action": "ANONYMIZED", "detected": True}
    assert response["usage"]["outputTokens"] > 0
    same(response, stream(ask, guardrailConfig=guard()))


@check
def guardrail_full_trace_lists_what_was_not_found():
    trace = converse("Hello", guardrailConfig=guard("enabled_full"))["trace"]["guardrail"]
    topic, = trace["inputAssessment"]["demoguardrail1"]["topicPolicy"]["topics"]
    assert topic["detected"] is False and topic["action"] == "NONE"


@check
def guard_content_alone_is_assessed():
    marked = {"guardContent": {"text": {"text": "Hello"}}}
    response = converse(messages=[user("My stocks fell.", marked)], guardrailConfig=guard())
    assert response["stopReason"] == "end_turn"


@check
def unknown_guardrails_are_refused():
    unknown = guard(guardrailIdentifier="nosuchguardrail")
    refused("ResourceNotFoundException", "does not exist", converse, "Hello", guardrailConfig=unknown)
    refused("ValidationException", "invalid", converse, "Hello", guardrailConfig=guard(guardrailVersion="x1"))


# ---- prompt caching


def cached_call(tag, ttl="5m", model=SONNET, length=8000, call=converse):
    system = [{"text": tag + "s" * length}, {"cachePoint": {"type": "default", "ttl": ttl}}]
    return call("Hello", model=model, system=system)["usage"]


@check
def prompt_cache_writes_then_reads():
    tag = f"run {time.time()} "
    first = cached_call(tag)
    assert first["cacheWriteInputTokens"] > 2000 and first["cacheReadInputTokens"] == 0
    assert first["cacheDetails"] == [{"ttl": "5m", "inputTokens": first["cacheWriteInputTokens"]}]
    second = cached_call(tag, call=lambda *a, **k: folded(stream(*a, **k)))
    assert second["cacheReadInputTokens"] == first["cacheWriteInputTokens"] and second["cacheWriteInputTokens"] == 0
    assert second["inputTokens"] == first["inputTokens"] < 20
    total = second["inputTokens"] + second["outputTokens"] + second["cacheReadInputTokens"]
    assert second["totalTokens"] == total


@check
def one_hour_entries_come_before_five_minute_entries():
    tag = f"hour {time.time()} "
    system = [{"text": tag + "s" * 8000}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    turn = user("t" * 400, {"cachePoint": {"type": "default"}})
    details = converse(model=SONNET, system=system, messages=[turn])["usage"]["cacheDetails"]
    assert [detail["ttl"] for detail in details] == ["1h", "5m"]
    system[1]["cachePoint"]["ttl"] = "5m"
    turn["content"][1]["cachePoint"]["ttl"] = "1h"
    refused("ValidationException", "ttl", converse, model=SONNET, system=system, messages=[turn])


@check
def short_prefixes_are_ignored():
    usage = cached_call("short", length=100)
    assert usage["cacheWriteInputTokens"] == usage["cacheReadInputTokens"] == 0 and "cacheDetails" not in usage


@check
def five_checkpoints_are_refused():
    points = [user(*["text", {"cachePoint": {"type": "default"}}] * 5)]
    refused("ValidationException", "maximum of 4", converse, model=SONNET, messages=points)


@check
def models_without_caching_refuse_checkpoints():
    turn = user("Hello", {"cachePoint": {"type": "default"}})
    refused("AccessDeniedException", "prompt caching", converse, model=TITAN, messages=[turn])


# ---- exceptions before the headers


EXCEPTIONS = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
    "ServiceQuotaExceededException": 400,
    "ExpiredTokenException": 403,
    "SomethingUnheardOfException": 400,
}


@check
def exceptions_become_their_classes():
    for name, status in EXCEPTIONS.items():
        for call in (converse, stream):
            script(name)
            response = refused(name, "", call, "Hello")
            assert response["ResponseMetadata"]["HTTPStatusCode"] == status, name


@check
def model_error_has_its_members():
    script("ModelErrorException")
    response = refused("ModelErrorException", "", converse, "Hello")
    assert response["originalStatusCode"] == 500 and response["resourceName"]


@check
def faults_can_ride_on_the_request():
    asked = {"emulator-fault": "ThrottlingException,retry-after=1500"}
    response = refused("ThrottlingException", "Too many", converse, "Hello", requestMetadata=asked)
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["retry-after"] == "2" and headers["x-amz-retry-after"] == "1500"


@check
def boto3_retries_a_throttled_call_by_itself():
    patient = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=URL,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
    )
    script("ThrottlingException")
    response = patient.converse(modelId=NOVA, messages=[user("Hello")])
    assert response["ResponseMetadata"]["RetryAttempts"] == 1


# ---- exceptions and accidents in the stream


def broken_stream(fault, text="Hello"):
    response = client.converse_stream(
        modelId=NOVA, messages=[user(text)], requestMetadata={"emulator-fault": fault}
    )
    events = []
    try:
        for event in response["stream"]:
            events.append(event)
    except Exception as error:  # noqa: BLE001: which one is what the checks look at
        return events, error
    return events, None


@check
def in_stream_exceptions():
    for name in (
        "InternalServerException",
        "ModelStreamErrorException",
        "ValidationException",
        "ThrottlingException",
        "ServiceUnavailableException",
    ):
        events, error = broken_stream(f"{name}@2")
        assert len(events) == 2, (name, events)
        assert isinstance(error, botocore.exceptions.EventStreamError), (name, error)
        code = error.response["Error"]["Code"]
        assert code == name[0].lower() + name[1:], code


@check
def a_bad_crc_is_noticed():
    for fault in ("bad-crc@2", "bad-prelude@2"):
        events, error = broken_stream(fault)
        assert len(events) <= 2 and type(error).__name__ == "ChecksumMismatch", (fault, error)


@check
def a_cut_between_frames_looks_like_an_end():
    events, error = broken_stream("cut@3")
    assert names(events) == ["messageStart", "contentBlockDelta", "contentBlockDelta"] and error is None


@check
def a_cut_inside_a_frame_loses_the_frame():
    events, _ = broken_stream("cut-mid-frame@3")
    assert len(events) == 3 and "metadata" not in names(events)


@check
def a_reset_is_an_error():
    events, error = broken_stream("reset@2")
    assert len(events) == 2 and error is not None, (events, error)


@check
def a_stall_times_out_and_is_seen_as_aborted():
    hasty = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=URL,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=0.3),
    )
    before = http("GET", "/_emulator/counts")["aborted"]
    script("stall")
    try:
        hasty.converse(modelId=NOVA, messages=[user("Hello")])
        raise AssertionError("not stalled")
    except botocore.exceptions.ReadTimeoutError:
        pass
    deadline = time.time() + 2
    while http("GET", "/_emulator/counts")["aborted"] == before:
        assert time.time() < deadline, "the abort was not noticed"


@check
def unknown_events_do_not_stop_the_stream():
    events, error = broken_stream("unknown-event@1")
    assert error is None and names(events)[-1] == "metadata"


@check
def garbage_has_no_output():
    # botocore takes a body that is no JSON for a message and returns it without any error.
    script("garbage")
    assert "output" not in converse("Hello")


@check
def scripted_replies_and_events():
    body = {
        "output": {"message": {"role": "assistant", "content": [{"text": "exactly this"}]}},
        "stopReason": "content_filtered",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "metrics": {"latencyMs": 4},
    }
    script({"reply": body})
    assert {k: v for k, v in converse("Hello").items() if k != "ResponseMetadata"} == body
    script({"events": [["messageStart", {"role": "assistant"}], ["messageStop", {"stopReason": "end_turn"}]]})
    assert names(stream("Hello")) == ["messageStart", "messageStop"]


# ---- ids


@check
def every_form_of_a_model_id():
    account = "arn:aws:bedrock:us-east-1:111122223333"
    for model in (
        "amazon.nova-pro-v1:0",
        "eu.amazon.nova-pro-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
        f"{account}:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ):
        assert converse("Hello", model=model)["stopReason"] == "end_turn", model
        assert http("GET", "/_emulator/calls")["calls"][-1]["modelId"] == model


@check
def ids_that_cannot_be_called():
    base = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    text = f"Invocation of model ID {base} with on-demand throughput isn\u2019t supported."
    refused("ValidationException", text, converse, "Hello", model=base)
    refused("ValidationException", "The provided model identifier is invalid.", converse, "Hello", model="no.such-model")


# ---- validation


USE = {"toolUse": {"toolUseId": "a", "name": "get_weather", "input": {"city": "Oslo"}}}
RESULT = {"toolResult": {"toolUseId": "a", "content": [{"text": "rain"}]}}
IMAGE = {"image": {"format": "png", "source": {"bytes": png(2, 2)}}}
DOCUMENT = {"document": {"format": "txt", "name": "notes", "source": {"bytes": b"x"}}}
TOOLS = {"tools": [WEATHER]}
THINK = {"thinking": {"type": "enabled", "budget_tokens": 4096}}
REFUSALS = [
    ("missing messages", "messages", {}),
    ("empty messages", "messages", {"messages": []}),
    ("first is assistant", "must start with a user", {"messages": [assistant("hi")]}),
    ("two users", "must alternate", {"messages": [user("a"), user("b")]}),
    ("system role", "system role", {"messages": [user("a"), {"role": "system", "content": [{"text": "b"}]}]}),
    ("blank text", "blank", {"messages": [user(" ")]}),
    ("empty content", "is empty", {"messages": [{"role": "user", "content": []}]}),
    ("call without result", "Expected toolResult", {"messages": [user("a"), assistant(USE), user("b")], "toolConfig": TOOLS}),
    ("result without call", "exceeds", {"messages": [user(RESULT)], "toolConfig": TOOLS}),
    ("no tool config", "toolConfig", {"messages": [user("a"), assistant(USE), user(RESULT)]}),
    ("image of the assistant", "assistant role", {"messages": [user("a"), assistant(IMAGE), user("b")]}),
    ("blind model", "image", {"model": "us.amazon.nova-micro-v1:0", "messages": [user("a", IMAGE)]}),
    ("lonely document", "text block", {"messages": [user(DOCUMENT)]}),
    ("document name", "file name", {"messages": [user("a", {"document": dict(DOCUMENT["document"], name="a_b")})]}),
    ("many images", "images", {"messages": [user("a", *[IMAGE] * 21)]}),
    ("many documents", "documents", {"messages": [user("a", *[DOCUMENT] * 6)]}),
    ("too many tokens", "exceeds the model limit", {"text": "a", "inferenceConfig": {"maxTokens": 10001}}),
    ("temperature and topP", "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
     {"text": "a", "model": SONNET, "inferenceConfig": {"temperature": 0.5, "topP": 0.5}}),
    ("sampling", "deprecated", {"text": "a", "model": "us.anthropic.claude-opus-5", "inferenceConfig": {"topP": 0.5}}),
    ("stop sequences", "2500", {"text": "a", "inferenceConfig": {"stopSequences": ["x"] * 2501}}),
    ("metadata", "requestMetadata", {"text": "a", "requestMetadata": {str(i): "v" for i in range(17)}}),
    ("titan system", "system messages", {"text": "a", "model": TITAN, "system": [{"text": "b"}]}),
    ("titan tools", "tool use", {"text": "a", "model": TITAN, "toolConfig": TOOLS}),
    ("budget", "max_tokens", {"text": "a", "model": SONNET, "inferenceConfig": {"maxTokens": 4096},
                              "additionalModelRequestFields": THINK}),
    ("prefill", "prefill", {"model": "us.anthropic.claude-opus-5", "messages": [user("a"), assistant("b")]}),
    ("unknown tool chosen", "not defined", {"text": "a", "toolConfig": dict(TOOLS, toolChoice={"tool": {"name": "x"}})}),
    ("unknown fault", "unknown fault", {"text": "a", "requestMetadata": {"emulator-fault": "nonsense"}}),
]


def refusal_check(fragment, call):
    return lambda: [refused("ValidationException", fragment, mode, **call) for mode in (converse, stream)]


for title, fragment, call in REFUSALS:
    function = refusal_check(fragment, call)
    function.__name__ = "refused: " + title
    check(function)


@check
def pace_is_kept_and_reported():
    http("POST", "/_emulator/pace", {"firstTokenMs": 50, "tokensPerSecond": 200})
    try:
        begun = time.time()
        response = converse("Repeat after me: " + "word " * 16)
        took = time.time() - begun
        latency = response["metrics"]["latencyMs"]
        assert latency == 50 + response["usage"]["outputTokens"] * 5 and took * 1000 >= latency - 1, (took, latency)
        begun = time.time()
        stream("Repeat after me: " + "word " * 16)
        assert (time.time() - begun) * 1000 >= latency - 1
    finally:
        http("POST", "/_emulator/pace", {})


run()
