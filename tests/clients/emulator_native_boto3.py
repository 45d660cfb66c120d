#!/usr/bin/env python3
"""Judges the emulator's native operations with unmodified boto3: python3 emulator_native_boto3.py URL."""

import base64
import json
import struct
import time
import zlib

import botocore.exceptions

from checks import check, run
from emulator import URL, client, http, script

NOVA = "us.amazon.nova-pro-v1:0"
NOVA2 = "us.amazon.nova-2-lite-v1:0"
SONNET_BASE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
SONNET = "us." + SONNET_BASE
OPUS5 = "us.anthropic.claude-opus-5"
TITAN = "amazon.titan-text-express-v1"
GUARDRAIL = "demoguardrail1"
JSON = {"contentType": "application/json", "accept": "application/json"}


def b64(data):
    return base64.b64encode(data).decode()


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x20\x80\xc0" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def refused(exception, fragment, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except getattr(client.exceptions, exception, botocore.exceptions.ClientError) as error:
        assert error.response["Error"]["Code"] == exception, error.response
        assert fragment in error.response["Error"]["Message"], error.response["Error"]["Message"]
        return error.response
    raise AssertionError(f"not refused with {exception}")


# ---- calling natively, whole and in chunks


def raw(model, body, **headers):
    payload = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return client.invoke_model(modelId=model, body=payload, **JSON, **headers)


def invoke(model, body, **headers):
    return json.loads(raw(model, body, **headers)["body"].read())


def raw_stream(model, body, **headers):
    payload = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return client.invoke_model_with_response_stream(modelId=model, body=payload, **JSON, **headers)


def chunks(model, body, **headers):
    return [json.loads(event["chunk"]["bytes"]) for event in raw_stream(model, body, **headers)["body"]]


def claude_folded(parts):
    message, blocks, texts = None, [], []
    for part in parts:
        kind = part["type"]
        if kind == "message_start":
            message = dict(part["message"])
        elif kind == "content_block_start":
            assert part["index"] == len(blocks)
            blocks.append(dict(part["content_block"]))
            texts.append("")
        elif kind == "content_block_delta":
            delta, block = part["delta"], blocks[part["index"]]
            if delta["type"] == "text_delta":
                block["text"] += delta["text"]
            elif delta["type"] == "thinking_delta":
                block["thinking"] += delta["thinking"]
            elif delta["type"] == "signature_delta":
                block["signature"] += delta["signature"]
            elif delta["type"] == "citations_delta":
                block["citations"].append(delta["citation"])
            else:
                assert delta["type"] == "input_json_delta", delta
                texts[part["index"]] += delta["partial_json"]
        elif kind == "content_block_stop":
            if blocks[part["index"]]["type"] == "tool_use":
                blocks[part["index"]]["input"] = json.loads(texts[part["index"]])
        elif kind == "message_delta":
            message.update(part["delta"])
            message["usage"] = dict(message["usage"], **part["usage"])
    message["content"] = blocks
    return message


def nova_folded(parts):
    blocks, result = {}, {}
    for part in parts:
        name = next(iter(part))
        payload = part[name]
        index = payload.get("contentBlockIndex")
        if name == "contentBlockStart":
            blocks[index] = {"toolUse": dict(payload["start"]["toolUse"], input="")}
        elif name == "contentBlockDelta":
            delta = payload["delta"]
            if "text" in delta:
                blocks.setdefault(index, {"text": ""})["text"] += delta["text"]
            elif "toolUse" in delta:
                blocks[index]["toolUse"]["input"] += delta["toolUse"]["input"]
            else:
                inner = blocks.setdefault(index, {"reasoningContent": {"reasoningText": {}}})
                inner = inner["reasoningContent"]["reasoningText"]
                for key, value in delta["reasoningContent"].items():
                    inner[key] = inner.get(key, "") + value
        elif name == "contentBlockStop" and "toolUse" in blocks[index]:
            blocks[index]["toolUse"]["input"] = json.loads(blocks[index]["toolUse"]["input"])
        elif name == "messageStop":
            result["stopReason"] = payload["stopReason"]
        elif name == "metadata":
            result["usage"] = payload["usage"]
    message = {"content": [blocks[index] for index in sorted(blocks)], "role": "assistant"}
    return {"output": {"message": message}, **result}


def titan_folded(parts):
    last = parts[-1]
    return {
        "inputTextTokenCount": last["inputTextTokenCount"],
        "results": [
            {
                "tokenCount": last["totalOutputTextTokenCount"],
                "outputText": "".join(part["outputText"] for part in parts),
                "completionReason": last["completionReason"],
            }
        ],
    }


# ---- one shape for all routes: (blocks, stop reason, usage)


def bare_id(identifier):
    for prefix in ("toolu_bdrk_", "tooluse_"):
        if identifier.startswith(prefix):
            return identifier[len(prefix) :]
    raise AssertionError(identifier)


def from_converse(response):
    blocks = []
    for block in response["output"]["message"]["content"]:
        (kind, value), = block.items()
        if kind == "text":
            blocks.append(("text", value))
        elif kind == "toolUse":
            blocks.append(("tool", bare_id(value["toolUseId"]), value["name"], value["input"]))
        elif kind == "citationsContent":
            blocks.append(("cited", value["content"][0]["text"], value["citations"][0]["title"]))
        elif "redactedContent" in value:
            blocks.append(("redacted", b64(value["redactedContent"])))
        else:
            blocks.append(("reasoning", value["reasoningText"]["text"], value["reasoningText"]["signature"]))
    usage = response["usage"]
    written = {detail["ttl"]: detail["inputTokens"] for detail in usage.get("cacheDetails", [])}
    counts = (
        usage["inputTokens"],
        usage["outputTokens"],
        usage.get("cacheReadInputTokens", 0),
        usage.get("cacheWriteInputTokens", 0),
    )
    return blocks, response["stopReason"], counts, written


def from_claude(response):
    blocks = []
    for block in response["content"]:
        kind = block["type"]
        if kind == "text" and "citations" in block:
            citation = block["citations"][0]
            blocks.append(("cited", block["text"], citation.get("document_title") or citation["title"]))
        elif kind == "text":
            blocks.append(("text", block["text"]))
        elif kind == "tool_use":
            assert block["id"].startswith("toolu_bdrk_")
            blocks.append(("tool", bare_id(block["id"]), block["name"], block["input"]))
        elif kind == "thinking":
            blocks.append(("reasoning", block["thinking"], block["signature"]))
        else:
            assert kind == "redacted_thinking", block
            blocks.append(("redacted", block["data"]))
    usage = response["usage"]
    creation = usage["cache_creation"]
    written = {"1h": creation["ephemeral_1h_input_tokens"], "5m": creation["ephemeral_5m_input_tokens"]}
    counts = (
        usage["input_tokens"],
        usage["output_tokens"],
        usage["cache_read_input_tokens"],
        usage["cache_creation_input_tokens"],
    )
    return blocks, response["stop_reason"], counts, {ttl: count for ttl, count in written.items() if count}


def from_nova(response):
    blocks, stop, counts, _ = from_converse(response)
    usage = response["usage"]
    assert usage["totalTokens"] == sum(counts[:2]) + sum(
        usage[name] for name in ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")
    )
    return blocks, stop, counts[:2] + (usage["cacheReadInputTokenCount"], usage["cacheWriteInputTokenCount"])


def from_titan(response):
    result, = response["results"]
    stop = {"FINISHED": "end_turn", "LENGTH": "max_tokens", "STOP_CRITERIA_MET": "stop_sequence"}
    text = result["outputText"]
    counts = (response["inputTextTokenCount"], result["tokenCount"], 0, 0)
    return [("text", text)] if text else [], stop[result["completionReason"]], counts


FAMILIES = {
    "claude": (from_claude, claude_folded),
    "nova": (from_nova, nova_folded),
    "titan": (from_titan, titan_folded),
}


def family_of(model):
    return next(name for name in FAMILIES if name in model)


def parity(model, body, cold=True, **converse):
    """The native answer, whole and in chunks, is Converse's. A prompt with checkpoints is warmed up first."""
    read, fold = FAMILIES[family_of(model)]
    if not cold:
        invoke(model, body)
    expected = from_converse(client.converse(modelId=model, **converse))
    whole = invoke(model, body)
    size = len(read(whole))
    assert read(whole) == expected[:size], f"\n{read(whole)}\n!= {expected[:size]}"
    streamed = fold(chunks(model, body))
    assert streamed == whole, f"\n{streamed}\n!= {whole}"
    return whole


def claude(*messages, **more):
    messages = [user(text) if isinstance(text, str) else text for text in messages]
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096, "messages": messages}
    return {**body, **more}


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def turn(*parts):
    return {"role": "user", "content": [{"text": p} if isinstance(p, str) else p for p in parts]}


def said(*parts):
    return {"role": "assistant", "content": [{"text": p} if isinstance(p, str) else p for p in parts]}


def nova(*messages, **more):
    return {"schemaVersion": "messages-v1", "messages": list(messages), **more}


def titan(text, **config):
    return {"inputText": text, **({"textGenerationConfig": config} if config else {})}


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLAUDE_TOOL = {"name": "get_weather", "description": "Calls get_weather", "input_schema": SCHEMA}
TOOL = {"toolSpec": {"name": "get_weather", "description": "Calls get_weather", "inputSchema": {"json": SCHEMA}}}
LIMIT = {"inferenceConfig": {"maxTokens": 4096}}

# ---- parity, family by family


@check
def plain_questions():
    for question in ("What is the capital of France?", "Write a haiku about rain", "Tell me about your day"):
        parity(SONNET, claude(question), messages=[turn(question)], **LIMIT)
        parity(SONNET, claude(user([{"type": "text", "text": question}])), messages=[turn(question)], **LIMIT)
        parity(NOVA, nova(turn(question)), messages=[turn(question)])
        parity(TITAN, titan(question), messages=[turn(question)])
        parity(TITAN, titan(f"User: {question}\nBot:"), messages=[turn(question)])


@check
def conversations():
    turns = ["My name is Ada.", "Hello Ada", "What is my name?"]
    converse = [turn(turns[0]), said(turns[1]), turn(turns[2])]
    body = claude(user(turns[0]), assistant(turns[1]), user(turns[2]))
    assert "Ada" in parity(SONNET, body, messages=converse, **LIMIT)["content"][0]["text"]
    parity(NOVA, nova(*converse), messages=converse)
    text = f"User: {turns[0]}\nBot: {turns[1]}\nUser: {turns[2]}\nBot:"
    assert "Ada" in parity(TITAN, titan(text), messages=converse)["results"][0]["outputText"]


@check
def system_prompts():
    system = [{"text": "You are a pirate."}]
    parity(SONNET, claude("Hello", system="You are a pirate."), messages=[turn("Hello")], system=system, **LIMIT)
    blocks = [{"type": "text", "text": "You are a pirate."}]
    parity(SONNET, claude("Hello", system=blocks), messages=[turn("Hello")], system=system, **LIMIT)
    parity(NOVA, nova(turn("Hello"), system=system), messages=[turn("Hello")], system=system)


@check
def claude_tools_round_trip_with_parallel_calls():
    question = "What is the weather in Paris and Rome?"
    config = {"toolConfig": {"tools": [TOOL]}, **LIMIT}
    body = claude(question, tools=[dict(CLAUDE_TOOL, strict=True)])
    first = parity(SONNET, body, messages=[turn(question)], **config)
    uses = [block for block in first["content"] if block["type"] == "tool_use"]
    assert [use["input"] for use in uses] == [{"city": "Paris"}, {"city": "Rome"}]
    results = [
        {"type": "tool_result", "tool_use_id": use["id"], "content": text, "is_error": failed}
        for use, text, failed in zip(uses, ("15C", [{"type": "text", "text": "no data"}]), (False, True))
    ]
    body["messages"] += [assistant(first["content"]), user(results)]
    text, *calls = first["content"]
    converse = [
        turn(question),
        said(text["text"], *[{"toolUse": {"toolUseId": c["id"], "name": c["name"], "input": c["input"]}} for c in calls]),
        turn(
            {"toolResult": {"toolUseId": uses[0]["id"], "content": [{"text": "15C"}]}},
            {"toolResult": {"toolUseId": uses[1]["id"], "content": [{"text": "no data"}], "status": "error"}},
        ),
    ]
    second = parity(SONNET, body, messages=converse, **config)
    assert second["stop_reason"] == "end_turn" and "says: 15C" in second["content"][0]["text"], second
    assert "failed with: no data" in second["content"][0]["text"]


@check
def json_results_are_the_same_as_their_text():
    use = {"toolUse": {"toolUseId": "a", "name": "get_weather", "input": {"city": "Oslo"}}}
    result = {"toolResult": {"toolUseId": "a", "content": [{"json": {"degrees": 15}}]}}
    native = claude(
        "Weather in Oslo?",
        assistant([{"type": "tool_use", "id": "a", "name": "get_weather", "input": {"city": "Oslo"}}]),
        user([{"type": "tool_result", "tool_use_id": "a", "content": '{"degrees":15}'}]),
        tools=[CLAUDE_TOOL],
    )
    converse = [turn("Weather in Oslo?"), said(use), turn(result)]
    parity(SONNET, native, messages=converse, toolConfig={"tools": [TOOL]}, **LIMIT)


@check
def nova_tools_round_trip():
    question = "What is the weather in Paris and Rome?"
    config = {"toolConfig": {"tools": [TOOL]}}
    first = parity(NOVA, nova(turn(question), **config), messages=[turn(question)], **config)
    message = first["output"]["message"]
    ids = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
    results = turn(*[{"toolResult": {"toolUseId": i, "content": [{"json": {"degrees": 15}}]}} for i in ids])
    turns = [turn(question), message, results]
    second = parity(NOVA, nova(*turns, **config), messages=turns, **config)
    assert "degrees: 15" in second["output"]["message"]["content"][0]["text"]


@check
def tool_choices():
    for native, choice in (
        ({"type": "auto"}, {"auto": {}}),
        ({"type": "any"}, {"any": {}}),
        ({"type": "tool", "name": "get_weather"}, {"tool": {"name": "get_weather"}}),
    ):
        config = {"tools": [TOOL], "toolChoice": choice}
        body = claude("Weather in Oslo", tools=[CLAUDE_TOOL], tool_choice=native)
        parity(SONNET, body, messages=[turn("Weather in Oslo")], toolConfig=config, **LIMIT)
        parity(NOVA, nova(turn("Hello"), toolConfig=config), messages=[turn("Hello")], toolConfig=config)
    single = {"type": "any", "disable_parallel_tool_use": True}
    question = "Weather in Paris and Rome"
    answer = parity(
        SONNET,
        claude(question, tools=[CLAUDE_TOOL], tool_choice=single),
        messages=[turn(question)],
        toolConfig={"tools": [TOOL], "toolChoice": {"any": {}}},
        additionalModelRequestFields={"tool_choice": {"disable_parallel_tool_use": True}},
        **LIMIT,
    )
    assert len(answer["content"]) == 1
    none = invoke(SONNET, claude("Hello", tools=[CLAUDE_TOOL], tool_choice={"type": "none"}))
    assert [block["type"] for block in none["content"]] == ["text"] and none["stop_reason"] == "end_turn"


@check
def images_and_videos():
    data = png(64, 48)
    source = {"type": "base64", "media_type": "image/png", "data": b64(data)}
    native = user([{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}])
    converse = turn("What is this?", {"image": {"format": "png", "source": {"bytes": data}}})
    answer = parity(SONNET, claude(native), messages=[converse], **LIMIT)
    assert "64x48 pixels" in answer["content"][0]["text"]
    encoded = turn("What is this?", {"image": {"format": "png", "source": {"bytes": b64(data)}}})
    parity(NOVA, nova(encoded), messages=[converse])
    video = {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/v.mp4"}}}}
    answer = parity(NOVA, nova(turn("And this?", video)), messages=[turn("And this?", video)])
    assert "s3://bucket/v.mp4" in answer["output"]["message"]["content"][0]["text"]
    clip = {"video": {"format": "mov", "source": {"bytes": b"clip"}}}
    native = {"video": {"format": "mov", "source": {"bytes": b64(b"clip")}}}
    parity(NOVA, nova(turn("And this?", native)), messages=[turn("And this?", clip)])


THINKING = {"type": "enabled", "budget_tokens": 1024}


@check
def thinking_round_trip_across_both_routes():
    question = "What is the weather in Paris?"
    config = {"toolConfig": {"tools": [TOOL]}, "additionalModelRequestFields": {"thinking": THINKING}, **LIMIT}
    body = claude(question, tools=[CLAUDE_TOOL], thinking=THINKING)
    native = parity(SONNET, body, messages=[turn(question)], **config)
    thought, text, use = native["content"]
    assert thought["type"] == "thinking" and thought["signature"]
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "sun"}
    body["messages"] += [assistant(native["content"]), user([result])]
    reasoning = {"reasoningText": {"text": thought["thinking"], "signature": thought["signature"]}}
    call = {"toolUse": {"toolUseId": use["id"], "name": use["name"], "input": use["input"]}}
    back = turn({"toolResult": {"toolUseId": use["id"], "content": [{"text": "sun"}]}})
    converse = [turn(question), said({"reasoningContent": reasoning}, text["text"], call), back]
    second = parity(SONNET, body, messages=converse, **config)
    assert "get_weather says: sun" in second["content"][1]["text"]
    thought["thinking"] += " altered"
    refused("ValidationException", "Invalid `signature`", invoke, SONNET, body)


@check
def converse_signatures_are_accepted_natively():
    fields = {"thinking": THINKING}
    first = client.converse(modelId=SONNET, messages=[turn("Hello")], additionalModelRequestFields=fields, **LIMIT)
    thought = first["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]
    block = {"type": "thinking", "thinking": thought["text"], "signature": thought["signature"]}
    body = claude("Hello", assistant([block, {"type": "text", "text": "hi"}]), user("Go on"), thinking=THINKING)
    assert invoke(SONNET, body)["stop_reason"] == "end_turn"


@check
def redacted_thinking_goes_back():
    question = "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9 please"
    config = {"additionalModelRequestFields": {"thinking": THINKING}, **LIMIT}
    body = claude(question, thinking=THINKING)
    first = parity(SONNET, body, messages=[turn(question)], **config)
    hidden, text = first["content"]
    assert hidden["type"] == "redacted_thinking"
    body["messages"] += [assistant(first["content"]), user("Go on")]
    redacted = {"reasoningContent": {"redactedContent": base64.b64decode(hidden["data"])}}
    converse = [turn(question), said(redacted, text["text"]), turn("Go on")]
    parity(SONNET, body, messages=converse, **config)


@check
def adaptive_thinking_and_nova_reasoning():
    fields = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    native = claude("Hello", **fields)
    answer = parity(OPUS5, native, messages=[turn("Hello")], additionalModelRequestFields=fields, **LIMIT)
    assert answer["content"][0]["type"] == "thinking" and answer["model"] == "claude-opus-5"
    off = invoke(OPUS5, claude("Hello", thinking={"type": "disabled"}))
    assert off["content"][0]["type"] == "text"
    config = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}
    body = nova(turn("Hello"), inferenceConfig=config)
    parity(NOVA2, body, messages=[turn("Hello")], additionalModelRequestFields=config)


@check
def stop_sequences():
    question = "Repeat after me: one TWO three"
    stop = {"inferenceConfig": {"stopSequences": ["TWO"], "maxTokens": 4096}}
    answer = parity(SONNET, claude(question, stop_sequences=["TWO"]), messages=[turn(question)], **stop)
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "TWO")
    body = nova(turn(question), inferenceConfig={"stopSequences": ["TWO"]})
    assert parity(NOVA, body, messages=[turn(question)], **stop)["stopReason"] == "stop_sequence"
    text = f"User: {question}\nBot:"
    answer = parity(TITAN, titan(text, stopSequences=["TWO"]), messages=[turn(question)], **stop)
    assert answer["results"][0] == {"tokenCount": 1, "outputText": "one ", "completionReason": "STOP_CRITERIA_MET"}


@check
def max_tokens():
    question = "Repeat after me: abcdefghijklmnopq"
    limit = {"inferenceConfig": {"maxTokens": 3}}
    answer = parity(SONNET, claude(question, max_tokens=3), messages=[turn(question)], **limit)
    assert answer["stop_reason"] == "max_tokens" and answer["stop_sequence"] is None
    parity(NOVA, nova(turn(question), **limit), messages=[turn(question)], **limit)
    answer = parity(TITAN, titan(question, maxTokenCount=3), messages=[turn(question)], **limit)
    assert answer["results"][0]["completionReason"] == "LENGTH"


@check
def sampling_parameters_are_accepted():
    parity(
        SONNET,
        claude("Hello", temperature=0.5, top_k=50, metadata={"user_id": "u"}, anthropic_beta=["context-1m-2025-08-07"]),
        messages=[turn("Hello")],
        **LIMIT,
    )
    config = {"temperature": 0.1, "topP": 0.9, "topK": 20, "maxTokens": 100}
    parity(NOVA, nova(turn("Hello"), inferenceConfig=config), messages=[turn("Hello")])
    parity(TITAN, titan("Hello", temperature=0.1, topP=0.9), messages=[turn("Hello")])


@check
def structured_output():
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "mood": {"enum": ["good", "bad"]}},
        "required": ["city", "mood"],
    }
    config = {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    structure = {"jsonSchema": {"name": "place", "schema": json.dumps(schema)}}
    answer = parity(
        SONNET,
        claude("I feel bad in Oslo", output_config=config),
        messages=[turn("I feel bad in Oslo")],
        outputConfig={"textFormat": {"type": "json_schema", "structure": structure}},
        **LIMIT,
    )
    assert json.loads(answer["content"][0]["text"]) == {"city": "Oslo", "mood": "bad"}


def document(source, **more):
    return {"type": "document", "source": source, "title": "Annual report", **more}


@check
def documents():
    cases = [
        ({"type": "base64", "media_type": "application/pdf", "data": b64(b"%PDF-1.4 x")}, "pdf", {"bytes": b"%PDF-1.4 x"}),
        ({"type": "text", "media_type": "text/plain", "data": "Sales rose."}, "txt", {"text": "Sales rose."}),
        ({"type": "content", "content": "Sales rose."}, "txt", {"content": [{"text": "Sales rose."}]}),
        (
            {"type": "content", "content": [{"type": "text", "text": "Sales"}, {"type": "text", "text": "rose."}]},
            "txt",
            {"content": [{"text": "Sales"}, {"text": "rose."}]},
        ),
    ]
    kinds = ["page_location", "char_location", "content_block_location", "content_block_location"]
    for (source, form, converse), kind in zip(cases, kinds):
        text = {"type": "text", "text": "Summarize"}
        block = {"document": {"format": form, "name": "Annual report", "source": converse}}
        parity(SONNET, claude(user([text, document(source)])), messages=[turn("Summarize", block)], **LIMIT)
        cited = document(source, citations={"enabled": True}, context="for the board")
        block["document"]["citations"] = {"enabled": True}
        answer = parity(SONNET, claude(user([text, cited])), messages=[turn("Summarize", block)], **LIMIT)
        citation, = answer["content"][1]["citations"]
        assert citation["type"] == kind and citation["document_index"] == 0, citation
        back = claude(user([text, cited]), assistant(answer["content"]), "Thanks")
        assert invoke(SONNET, back)["stop_reason"] == "end_turn"


@check
def search_results():
    shared = {"source": "https://example.com/a", "title": "On sales", "citations": {"enabled": True}}
    native = {"type": "search_result", "content": [{"type": "text", "text": "Sales rose."}], **shared}
    converse = {"searchResult": {"content": [{"text": "Sales rose."}], **shared}}
    body = claude(user([{"type": "text", "text": "Summarize"}, native]))
    answer = parity(SONNET, body, messages=[turn("Summarize", converse)], **LIMIT)
    citation, = answer["content"][1]["citations"]
    assert citation["type"] == "search_result_location" and citation["source"] == shared["source"]
    streamed = client.converse_stream(modelId=SONNET, messages=[turn("Summarize", converse)], **LIMIT)["stream"]
    deltas = [event["contentBlockDelta"]["delta"] for event in streamed if "contentBlockDelta" in event]
    assert deltas[-1]["citation"]["location"]["searchResultLocation"]["searchResultIndex"] == 0, deltas[-1]


# ---- prompt caching


@check
def the_cache_is_shared_by_both_routes():
    tag = f"native {time.time()} "
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    control = {"type": "ephemeral", "ttl": "1h"}
    native = claude("Hello", system=[{"type": "text", "text": tag + "s" * 8000, "cache_control": control}])
    converse = {"messages": [turn("Hello")], "system": [{"text": tag + "s" * 8000}, point], **LIMIT}
    _, _, counts, written = from_claude(invoke(SONNET, native))
    assert counts[3] > 2000 and counts[2] == 0 and written == {"1h": counts[3]}
    parity(SONNET, native, cold=False, **converse)
    _, _, again, _ = from_converse(client.converse(modelId=SONNET, **converse))
    assert again[2] == counts[3] and again[3] == 0
    other = dict(converse, system=[{"text": "other " + tag + "s" * 8000}, point])
    _, _, first, _ = from_converse(client.converse(modelId=SONNET, **other))
    native["system"][0]["text"] = other["system"][0]["text"]
    _, _, second, _ = from_claude(invoke(SONNET, native))
    assert first[3] == second[2] > 2000


@check
def checkpoints_on_tools_and_messages():
    tag = f"tools {time.time()} "
    control = {"type": "ephemeral"}
    tools = [dict(CLAUDE_TOOL, description=tag + "d" * 8000, cache_control=control)]
    block = {"type": "text", "text": "t" * 400 + " in Oslo", "cache_control": control}
    body = claude(user([block]), tools=tools)
    _, _, counts, written = from_claude(invoke(SONNET, body))
    assert counts[0] == 0 and written == {"5m": counts[3]}, counts
    spec = {"toolSpec": dict(TOOL["toolSpec"], description=tag + "d" * 8000)}
    point = {"cachePoint": {"type": "default"}}
    converse = {"messages": [turn(block["text"], point)], "toolConfig": {"tools": [spec, point]}, **LIMIT}
    parity(SONNET, body, **converse)


@check
def nova_caches_with_its_own_names():
    tag = f"nova {time.time()} "
    system = [{"text": tag + "s" * 8000}, {"cachePoint": {"type": "default"}}]
    first = invoke(NOVA, nova(turn("Hello"), system=system))["usage"]
    assert first["cacheWriteInputTokenCount"] > 1000 and first["cacheReadInputTokenCount"] == 0
    parity(NOVA, nova(turn("Hello"), system=system), messages=[turn("Hello")], system=system)


# ---- streams on the wire


@check
def claude_chunks_come_in_the_documented_order():
    body = claude("Weather in Paris?", tools=[CLAUDE_TOOL], thinking=THINKING)
    parts = chunks(SONNET, body)
    kinds = [part["type"] for part in parts]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"] and kinds.count("ping") == 1
    assert kinds[-2:] == ["message_delta", "message_stop"] and kinds.count("content_block_start") == 3
    start = parts[0]["message"]
    assert start["content"] == [] and start["stop_reason"] is None and start["usage"]["output_tokens"] == 1
    assert start["usage"]["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    assert parts[-2]["usage"]["output_tokens"] > 1
    metrics = parts[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["inputTokenCount"] == start["usage"]["input_tokens"]
    assert metrics["outputTokenCount"] == parts[-2]["usage"]["output_tokens"]
    assert metrics["cacheReadInputTokenCount"] == 0 and metrics["firstByteLatency"] >= 0


@check
def nova_and_titan_end_with_metrics():
    parts = chunks(NOVA, nova(turn("Weather in Paris?"), toolConfig={"tools": [TOOL]}))
    names = [next(iter(part)) for part in parts]
    assert names[0] == "messageStart" and names[-2:] == ["messageStop", "metadata"] and "contentBlockStart" in names
    assert parts[-1]["metadata"]["metrics"] == {} and parts[-1]["metadata"]["trace"] == {}
    assert parts[-1]["amazon-bedrock-invocationMetrics"]["cacheWriteInputTokenCount"] == 0
    parts = chunks(TITAN, titan("Hello"))
    assert all(part["completionReason"] is None and part["index"] == 0 for part in parts[:-1])
    metrics = parts[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["outputTokenCount"] == parts[-1]["totalOutputTextTokenCount"]
    assert "cacheReadInputTokenCount" not in metrics


@check
def streams_tell_their_content_type():
    response = raw_stream(SONNET, claude("Hello"), performanceConfigLatency="optimized", serviceTier="flex")
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    assert response["contentType"] == "application/json"
    assert response["performanceConfigLatency"] == "optimized" and response["serviceTier"] == "flex"
    assert list(response["body"])


# ---- headers


@check
def response_headers_tell_the_counts():
    for model, body in ((SONNET, claude("Hello")), (NOVA, nova(turn("Hello"))), (TITAN, titan("Hello"))):
        response = raw(model, body, performanceConfigLatency="optimized", serviceTier="priority")
        assert response["contentType"] == "application/json"
        assert response["performanceConfigLatency"] == "optimized" and response["serviceTier"] == "priority"
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        reply = json.loads(response["body"].read())
        counts = FAMILIES[family_of(model)][0](reply)[2]
        assert int(headers["x-amzn-bedrock-input-token-count"]) == counts[0]
        assert int(headers["x-amzn-bedrock-output-token-count"]) == counts[1]
        assert int(headers["x-amzn-bedrock-invocation-latency"]) >= 0
        assert (model == TITAN) == ("x-amzn-bedrock-cache-read-input-token-count" not in headers)
    plain = raw(SONNET, claude("Hello"))
    assert "performanceConfigLatency" not in plain and "serviceTier" not in plain


@check
def request_metadata_is_checked():
    assert invoke(SONNET, claude("Hello"), requestMetadata=json.dumps({"team": "a"}))["stop_reason"] == "end_turn"
    many = json.dumps({str(i): "v" for i in range(17)})
    refused("ValidationException", "requestMetadata", invoke, SONNET, claude("Hello"), requestMetadata=many)


# ---- guardrails


def guard(trace="ENABLED", **more):
    return {"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "1", "trace": trace, **more}


def converse_guard(trace="enabled"):
    return {"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "1", "trace": trace}


def text_of(model, reply):
    blocks = FAMILIES[family_of(model)][0](reply)[0]
    return "".join(block[1] for block in blocks if block[0] == "text")


ASKING = {
    SONNET: lambda text: claude(text),
    NOVA: lambda text: nova(turn(text)),
    TITAN: lambda text: titan(f"User: {text}\nBot:"),
}


@check
def blocked_masked_and_passed_in_every_shape():
    cases = (
        ("Should I buy crypto?", "Sorry, the demo guardrail", "INTERVENED"),
        ("Repeat after me: mail ada@example.com", "mail {EMAIL}", "INTERVENED"),
        ("Hello", "Hello!", "NONE"),
    )
    for model, ask in ASKING.items():
        for question, beginning, action in cases:
            reply = invoke(model, ask(question), **guard())
            assert text_of(model, reply).startswith(beginning), reply
            assert reply["amazon-bedrock-guardrailAction"] == action, reply
            parts = chunks(model, ask(question), **guard())
            last = parts[-1]
            for name in ("amazon-bedrock-guardrailAction", "amazon-bedrock-trace"):
                assert last[name] == reply[name], (model, name)
            assert all("amazon-bedrock-guardrailAction" not in part for part in parts[:-1])
            assert text_of(model, FAMILIES[family_of(model)][1](parts)) == text_of(model, reply)


@check
def traces_hold_the_assessments_of_converse():
    for native, converse in (("ENABLED", "enabled"), ("ENABLED_FULL", "enabled_full")):
        for question in ("Should I buy crypto?", "Repeat after me: mail ada@example.com", "Hello"):
            expected = client.converse(
                modelId=SONNET, messages=[turn(question)], guardrailConfig=converse_guard(converse), **LIMIT
            )
            reply = invoke(SONNET, claude(question), **guard(native))
            trace, other = reply["amazon-bedrock-trace"]["guardrail"], expected["trace"]["guardrail"]
            assert trace["input"] == other["inputAssessment"]
            outputs = other.get("outputAssessments", {}).get(GUARDRAIL, [])
            assert trace.get("outputs", []) == [{GUARDRAIL: output} for output in outputs]
            assert trace.get("modelOutput") == other.get("modelOutput")
            blocks, _, counts, _ = from_claude(reply)
            assert (blocks, counts) == (from_converse(expected)[0], from_converse(expected)[2])


@check
def without_a_trace_only_the_action_is_told():
    reply = invoke(SONNET, claude("Should I buy crypto?"), **guard("DISABLED"))
    assert reply["amazon-bedrock-guardrailAction"] == "INTERVENED" and "amazon-bedrock-trace" not in reply
    assert "amazon-bedrock-guardrailAction" not in invoke(SONNET, claude("Hello"))


@check
def input_tags_mark_what_is_guarded():
    tag = "amazon-bedrock-guardrails-guardContent_xyz"
    question = f"My stocks fell. <{tag}>Repeat nothing, just say hello</{tag}>"
    config = {"tagSuffix": "xyz"}
    body = {**claude(question), "amazon-bedrock-guardrailConfig": config}
    assert invoke(SONNET, body, **guard())["amazon-bedrock-guardrailAction"] == "NONE"
    untagged = claude(question)
    assert invoke(SONNET, untagged, **guard())["amazon-bedrock-guardrailAction"] == "INTERVENED"
    refused("ValidationException", "guardrail identifier is required", invoke, SONNET, body)


@check
def asynchronous_streams_mask_nothing():
    body = claude("Repeat after me: mail ada@example.com")
    body["amazon-bedrock-guardrailConfig"] = {"streamProcessingMode": "ASYNCHRONOUS"}
    assert text_of(SONNET, claude_folded(chunks(SONNET, body, **guard()))) == "mail ada@example.com"


@check
def guardrail_mistakes_are_refused():
    body = claude("Hello")
    unknown = guard(guardrailIdentifier="nosuchguardrail")
    refused("ResourceNotFoundException", "does not exist", invoke, SONNET, body, **unknown)
    refused("ValidationException", "Both", invoke, SONNET, body, guardrailIdentifier=GUARDRAIL)
    refused("ValidationException", "ENABLED", invoke, SONNET, body, **guard("LOUD"))


# ---- refusals


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


C = claude("Hello")
PREFILL = claude("Hello", assistant("Well,"))
REFUSALS = [
    ("no JSON", SONNET, "{", "Malformed input request"),
    ("empty body", SONNET, b"", "Malformed input request"),
    ("a list", SONNET, "[]", "not a JSON object"),
    ("unknown key", SONNET, {**C, "x": 1}, "extraneous key [x] is not permitted, please reformat your input and try again."),
    ("model in the body", SONNET, {**C, "model": "m"}, "extraneous key [model] is not permitted"),
    ("stream in the body", SONNET, {**C, "stream": True}, "extraneous key [stream] is not permitted"),
    ("no version", SONNET, without(C, "anthropic_version"), "required key [anthropic_version] not found"),
    ("wrong version", SONNET, {**C, "anthropic_version": "2023-06-01"}, "bedrock-2023-05-31"),
    ("no max_tokens", SONNET, without(C, "max_tokens"), "required key [max_tokens] not found"),
    ("no messages", SONNET, without(C, "messages"), "required key [messages] not found"),
    ("assistant first", SONNET, claude(assistant("hi")), "must start with a user"),
    ("two users", SONNET, claude("a", "b"), "must alternate"),
    ("system role", SONNET, claude("a", {"role": "system", "content": "b"}), "system role"),
    ("unknown role", SONNET, claude({"role": "tool", "content": "b"}), "'tool' at 'messages.0.role'"),
    ("empty content", SONNET, claude(user([])), "non-empty content"),
    ("blank text", SONNET, claude(user(" ")), "blank"),
    ("unknown block", SONNET, claude(user([{"type": "poem"}])), "poem"),
    ("extra member", SONNET, claude(user([{"type": "text", "text": "a", "mood": 1}])), "messages.0.content.0.mood: Extra inputs"),
    ("image by URL", SONNET, claude(user([{"type": "image", "source": {"type": "url", "url": "x"}}])), "not supported on Bedrock"),
    ("temperature and top_p", SONNET, {**C, "temperature": 0.5, "top_p": 0.5},
     "The model returned the following errors: `temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    ("sampling", OPUS5, {**C, "top_k": 5}, "`top_k` is deprecated"),
    ("thinking and temperature", SONNET, {**C, "thinking": THINKING, "temperature": 0.5}, "temperature"),
    ("thinking and top_k", SONNET, {**C, "thinking": THINKING, "top_k": 5}, "top_k"),
    ("thinking and forced tool", SONNET, {**C, "thinking": THINKING, "tools": [CLAUDE_TOOL], "tool_choice": {"type": "any"}}, "forces tool use"),
    ("thinking and prefill", SONNET, {**PREFILL, "thinking": THINKING}, "prefilled"),
    ("small budget", SONNET, {**C, "thinking": {"type": "enabled", "budget_tokens": 1023}}, "greater than or equal to 1024"),
    ("large budget", SONNET, {**C, "thinking": {"type": "enabled", "budget_tokens": 4096}}, "must be greater than"),
    ("prefill", OPUS5, PREFILL, "prefill"),
    ("too many tokens", SONNET, {**C, "max_tokens": 64001}, "exceeds the model limit of 64000"),
    ("unsigned thinking", SONNET, claude("a", assistant([{"type": "thinking", "thinking": "x"}]), "b"), "signature"),
    ("unanswered call", SONNET, claude("a", assistant([{"type": "tool_use", "id": "a", "name": "t", "input": {}}]), "b", tools=[CLAUDE_TOOL]), "Expected toolResult"),
    ("choice without tools", SONNET, {**C, "tool_choice": {"type": "any"}}, "while providing tools"),
    ("unknown tool chosen", SONNET, {**C, "tools": [CLAUDE_TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "not found"),
    ("Nova's body", SONNET, nova(turn("Hello")), "required key [anthropic_version] not found"),
    ("Claude's body", NOVA, C, "extraneous key [anthropic_version] is not permitted"),
    ("Claude's content", NOVA, {"messages": C["messages"]}, "must be a list"),
    ("document", NOVA, nova(turn("a", {"document": {"name": "d", "format": "txt", "source": {"bytes": "AQI="}}})), "extraneous key [document]"),
    ("topK", NOVA, nova(turn("a"), inferenceConfig={"topK": 129}), "topK"),
    ("setting", NOVA, nova(turn("a"), inferenceConfig={"max_tokens": 1}), "extraneous key [max_tokens]"),
    ("schema version", NOVA, {**nova(turn("a")), "schemaVersion": "v2"}, "messages-v1"),
    ("reasoning of Nova 1", NOVA, nova(turn("a"), inferenceConfig={"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}), "not permitted"),
    ("Nova tokens", NOVA, nova(turn("a"), inferenceConfig={"maxTokens": 10001}), "exceeds the model limit"),
    ("Titan tokens", TITAN, titan("a", maxTokenCount=8193), "exceeds the model limit of 8192"),
    ("Titan premier tokens", "amazon.titan-text-premier-v1:0", titan("a", maxTokenCount=3073), "exceeds the model limit of 3072"),
    ("Titan key", TITAN, {**titan("a"), "messages": []}, "extraneous key [messages]"),
    ("Titan setting", TITAN, titan("a", topK=1), "extraneous key [topK]"),
    ("base id", SONNET_BASE, C, "with on-demand throughput isn\u2019t supported"),
    ("unknown id", "no.such-model", C, "The provided model identifier is invalid."),
]


def refusal_check(model, body, fragment):
    return lambda: [refused("ValidationException", fragment, call, model, body) for call in (raw, raw_stream)]


for title, model, body, fragment in REFUSALS:
    function = refusal_check(model, body, fragment)
    function.__name__ = "refused: " + title
    check(function)


# ---- CountTokens


def counted(body, model=SONNET_BASE):
    return client.count_tokens(modelId=model, input={"invokeModel": {"body": json.dumps(body)}})["inputTokens"]


@check
def counts_are_the_input_of_the_call():
    source = {"type": "base64", "media_type": "image/png", "data": b64(png(64, 48))}
    image = user([{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}])
    tag = f"count {time.time()} "
    cached = [{"type": "text", "text": tag + "s" * 8000, "cache_control": {"type": "ephemeral"}}]
    for body in (claude("Hello"), claude(image, system="Be kind.", tools=[CLAUDE_TOOL]), claude("Hello", system=cached)):
        _, _, counts, _ = from_claude(invoke(SONNET, body))
        assert counted(body) == counts[0] + counts[2] + counts[3], body
    converse = {"messages": [turn("Hello")], "system": [{"text": "Be kind."}], "toolConfig": {"tools": [TOOL]}}
    usage = client.converse(modelId=SONNET, **converse)["usage"]
    assert client.count_tokens(modelId=SONNET_BASE, input={"converse": converse})["inputTokens"] == usage["inputTokens"]
    arn = f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET_BASE}"
    assert counted(claude("Hello"), arn) == counted(claude("Hello"))


@check
def other_ids_are_not_counted():
    text = "The provided model doesn't support counting tokens."
    for model in (SONNET, NOVA, "amazon.nova-pro-v1:0", TITAN, "anthropic.claude-opus-5", "no.such-model"):
        refused("ValidationException", text, counted, claude("Hello"), model)


@check
def bodies_to_count_are_validated():
    refused("ValidationException", "extraneous key [model]", counted, {**C, "model": "m"})
    refused("ValidationException", "must alternate", counted, claude("a", "b"))
    for name in ("ThrottlingException", "AccessDeniedException", "ServiceUnavailableException"):
        script(name)
        refused(name, "", counted, C)


# ---- ApplyGuardrail


def applied(source, *content, **more):
    content = [{"text": {"text": part}} if isinstance(part, str) else part for part in content]
    more = {"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "DRAFT", **more}
    return client.apply_guardrail(source=source, content=content, **more)


@check
def inputs_are_blocked():
    response = applied("INPUT", "Should I buy crypto?")
    assert response["action"] == "GUARDRAIL_INTERVENED" and response["actionReason"] == "Guardrail blocked."
    assert [output["text"][:5] for output in response["outputs"]] == ["Sorry"]
    topic, = response["assessments"][0]["topicPolicy"]["topics"]
    assert topic == {"name": "investment-advice", "type": "DENY", "action": "BLOCKED", "detected": True}
    assert response["usage"]["topicPolicyUnits"] == response["usage"]["wordPolicyUnits"] == 1
    assert response["guardrailCoverage"] == {"textCharacters": {"guarded": 20, "total": 20}}
    assert response["assessments"][0]["appliedGuardrailDetails"]["guardrailVersion"] == "DRAFT"
    assert applied("INPUT", "a forbiddenword")["assessments"][0]["wordPolicy"]["customWords"]


@check
def outputs_are_masked_and_blocked():
    response = applied("OUTPUT", "mail ada@example.com", "or bob@example.com")
    assert response["action"] == "GUARDRAIL_INTERVENED" and response["actionReason"] == "Guardrail masked."
    assert [output["text"] for output in response["outputs"]] == ["mail {EMAIL}", "or {EMAIL}"]
    entities = response["assessments"][0]["sensitiveInformationPolicy"]["piiEntities"]
    assert [entity["match"] for entity in entities] == ["ada@example.com", "bob@example.com"]
    assert applied("OUTPUT", "a forbiddenword")["outputs"][0]["text"].startswith("Sorry")


@check
def harmless_content_passes():
    response = applied("INPUT", "Hello")
    assert response["action"] == "NONE" and response["outputs"] == [] and response["actionReason"] == "No action."
    assert "topicPolicy" not in response["assessments"][0]
    full = applied("INPUT", "Hello", outputScope="FULL")
    topic, = full["assessments"][0]["topicPolicy"]["topics"]
    assert topic["detected"] is False and topic["action"] == "NONE"


@check
def units_qualifiers_and_images():
    assert applied("INPUT", "x" * 1001)["usage"]["wordPolicyUnits"] == 2
    query = {"text": {"text": "my stocks", "qualifiers": ["query"]}}
    response = applied("INPUT", query, "Hello", {"image": {"format": "png", "source": {"bytes": png(2, 2)}}})
    assert response["action"] == "NONE"
    coverage = {"textCharacters": {"guarded": 5, "total": 14}, "images": {"guarded": 0, "total": 1}}
    assert response["guardrailCoverage"] == coverage
    guarded = {"text": {"text": "my stocks", "qualifiers": ["query", "guard_content"]}}
    assert applied("INPUT", guarded)["action"] == "GUARDRAIL_INTERVENED"


@check
def guardrail_calls_are_recorded_and_refused():
    arn = f"arn:aws:bedrock:us-east-1:123456789012:guardrail/{GUARDRAIL}"
    assert applied("INPUT", "Hello", guardrailIdentifier=arn)["action"] == "NONE"
    last = http("GET", "/_emulator/calls")["calls"][-1]
    assert (last["operation"], last["modelId"]) == ("ApplyGuardrail", arn) and "Hello" in last["body"]
    unknown = {"guardrailIdentifier": "nosuchguardrail"}
    refused("ResourceNotFoundException", "does not exist", applied, "INPUT", "a", **unknown)
    refused("ValidationException", "version", applied, "INPUT", "a", guardrailVersion="x1")
    refused("ValidationException", "[INPUT, OUTPUT]", applied, "SIDEWAYS", "a")
    refused("ValidationException", "content", applied, "INPUT")
    script("ServiceQuotaExceededException")
    refused("ServiceQuotaExceededException", "", applied, "INPUT", "a")


# ---- faults


EXCEPTIONS = [
    "AccessDeniedException",
    "InternalServerException",
    "ModelErrorException",
    "ModelNotReadyException",
    "ModelTimeoutException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "ValidationException",
]


@check
def exceptions_become_their_classes():
    for name in EXCEPTIONS:
        for call in (raw, raw_stream):
            script(name)
            refused(name, "", call, SONNET, C)
    script("ModelStreamErrorException")
    refused("ModelStreamErrorException", "", raw_stream, SONNET, C)


@check
def faults_can_ride_on_the_metadata_header():
    asked = json.dumps({"emulator-fault": "ThrottlingException,retry-after=1500"})
    response = refused("ThrottlingException", "Too many", raw, SONNET, C, requestMetadata=asked)
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amz-retry-after"] == "1500"
    refused("ValidationException", "unknown fault", raw, SONNET, C, requestMetadata='{"emulator-fault":"nonsense"}')


def broken_stream(fault):
    metadata = json.dumps({"emulator-fault": fault})
    seen = []
    try:
        for event in raw_stream(SONNET, C, requestMetadata=metadata)["body"]:
            seen.append(event)
    except Exception as error:  # noqa: BLE001: which one is what the checks look at
        return seen, error
    return seen, None


@check
def in_stream_exceptions():
    for name in (
        "InternalServerException",
        "ModelStreamErrorException",
        "ModelTimeoutException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "ValidationException",
    ):
        seen, error = broken_stream(f"{name}@2")
        assert len(seen) == 2, (name, seen)
        assert isinstance(error, botocore.exceptions.EventStreamError), (name, error)
        assert error.response["Error"]["Code"] == name[0].lower() + name[1:]


@check
def accidents_in_the_stream():
    seen, error = broken_stream("cut@3")
    assert len(seen) == 3 and error is None
    seen, _ = broken_stream("cut-mid-frame@3")
    assert len(seen) == 3
    for fault in ("bad-crc@2", "bad-prelude@2"):
        seen, error = broken_stream(fault)
        assert type(error).__name__ == "ChecksumMismatch", (fault, error)
    seen, error = broken_stream("reset@2")
    assert len(seen) == 2 and error is not None
    seen, error = broken_stream("unknown-event@1")
    assert error is None and json.loads(seen[-1]["chunk"]["bytes"])["type"] == "message_stop"


@check
def a_cut_unary_body_is_no_json():
    script("cut@0")
    try:
        invoke(SONNET, C)
        raise AssertionError("whole")
    except json.JSONDecodeError:
        pass


@check
def replies_and_chunks_are_scripted():
    script({"reply": {"exactly": "this"}})
    assert invoke(SONNET, C) == {"exactly": "this"}
    script({"reply": {"inputTokens": 7}})
    assert counted(C) == 7
    script({"reply": {"usage": {}, "action": "NONE", "outputs": [], "assessments": []}})
    assert applied("INPUT", "Should I buy crypto?")["action"] == "NONE"
    wrapped = {"bytes": b64(b'{"b":2}')}
    script({"events": [["chunk", {"a": 1}], ["chunk", wrapped], ["modelTimeoutException", {"message": "late"}]]})
    seen = []
    try:
        for event in raw_stream(SONNET, C)["body"]:
            seen.append(json.loads(event["chunk"]["bytes"]))
        raise AssertionError("no exception")
    except botocore.exceptions.EventStreamError as error:
        assert error.response["Error"]["Code"] == "modelTimeoutException"
    assert seen == [{"a": 1}, {"b": 2}]


@check
def calls_are_recorded_with_their_operation():
    invoke(SONNET, C)
    list(raw_stream(SONNET, C)["body"])
    counted(C)
    calls = http("GET", "/_emulator/calls")["calls"][-3:]
    operations = ["InvokeModel", "InvokeModelWithResponseStream", "CountTokens"]
    assert [call["operation"] for call in calls] == operations
    assert json.loads(calls[0]["body"]) == C and calls[0]["modelId"] == SONNET


@check
def pace_is_kept_and_reported():
    http("POST", "/_emulator/pace", {"firstTokenMs": 50, "tokensPerSecond": 200})
    try:
        body = claude("Repeat after me: " + "word " * 16)
        begun = time.time()
        response = raw(SONNET, body)
        latency = int(response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-invocation-latency"])
        assert latency > 50 and (time.time() - begun) * 1000 >= latency - 1
        begun = time.time()
        metrics = chunks(SONNET, body)[-1]["amazon-bedrock-invocationMetrics"]
        assert (metrics["invocationLatency"], metrics["firstByteLatency"]) == (latency, 50)
        assert (time.time() - begun) * 1000 >= latency - 1
    finally:
        http("POST", "/_emulator/pace", {})


run()
