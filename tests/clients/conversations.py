"""Sample requests taken apart into requests that Bedrock accepts, as tests/e2e/every_member_survives.rs does."""


def user(block):
    return {"role": "user", "content": [block]}


HELLO = user({"text": "hello"})
TOOLS = {"tools": [{"systemTool": {"name": "t"}}]}


def conversations(sample):
    """Every tool by itself, then every content block in a conversation where it may stand."""
    for tool in sample["toolConfig"]["tools"]:
        choice = sample["toolConfig"]["toolChoice"]
        wanted = choice.get("tool", {}).get("name")
        named = {tool[kind].get("name") for kind in ("toolSpec", "systemTool") if kind in tool}
        added = [] if wanted is None or wanted in named else [{"systemTool": {"name": wanted}}]
        config = {"tools": [tool, *added], "toolChoice": choice}
        yield dict(sample, messages=[HELLO], toolConfig=config)
    for message in sample["messages"]:
        for block in message["content"]:
            if block != {"text": ""}:
                yield from (conversation(one) for one in one_by_one(block))


def one_by_one(block):
    """A tool result as one for each part of its content; any other block as it is."""
    if "toolResult" not in block:
        return [block]
    return [{"toolResult": dict(block["toolResult"], content=[part])} for part in block["toolResult"]["content"]]


def conversation(block):
    kind, value = next(iter(block.items()))
    if kind == "toolUse":
        result = {"toolResult": {"toolUseId": value["toolUseId"], "content": [{"text": "a"}]}}
        return {"messages": [HELLO, {"role": "assistant", "content": [block]}, user(result)], "toolConfig": TOOLS}
    if kind == "toolResult":
        tool_use = {"toolUse": {"toolUseId": value["toolUseId"], "name": "t", "input": {}}}
        return {"messages": [HELLO, {"role": "assistant", "content": [tool_use]}, user(block)], "toolConfig": TOOLS}
    if kind in ("toolAddition", "toolRemoval"):
        return {"messages": [HELLO, {"role": "system", "content": [block]}]}
    return {"messages": [{"role": "user", "content": [{"text": "a"}, block]}]}
