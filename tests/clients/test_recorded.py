"""Streams that other suites have written down, read by the official clients' own parsers.

The bytes come out of a transport in this process, so that everything above it is the client as it ships. The format of
the files is described in README.md.
"""

import json
import pathlib

import anthropic
import httpx2 as httpx
import openai
import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "target" / "recorded-streams"
# Written by `cargo xtask test`; without them this suite would say nothing.
REQUIRED = ["sockets", "diverged"]
# Every one of these was continued.
WHOLE = ["completed", "inside"]
MOST_SHOWN = 20


class Tape(httpx.BaseTransport):
    """Answers every request with the stream that is on."""

    wire = ""

    def handle_request(self, request):
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(self.wire.encode()))


TAPE = Tape()
HTTP = {"http_client": httpx.Client(transport=TAPE), "api_key": "unused", "max_retries": 0}
CHAT = openai.OpenAI(base_url="http://recorded/v1", **HTTP)
MESSAGES = anthropic.Anthropic(base_url="http://recorded", **HTTP)
ASK = [{"role": "user", "content": "go"}]


def read_chat(said):
    """The word of the error that the client raises, or how the answer finished."""
    finish = None
    try:
        for chunk in CHAT.chat.completions.create(model="m", messages=ASK, stream=True):
            for choice in chunk.choices:
                said.append(choice.delta.content or "")
                finish = choice.finish_reason or finish
    except openai.APIError as error:
        return ("error", error.code)
    return ("finish", finish)


def read_messages(said):
    try:
        with MESSAGES.messages.stream(model="m", max_tokens=100, messages=ASK) as stream:
            for text in stream.text_stream:
                said.append(text)
            final = stream.get_final_message()
    except anthropic.APIError as error:
        body = error.body if isinstance(error.body, dict) else {}
        return ("error", body.get("error", body).get("type"))
    if "".join(block.text for block in final.content if block.type == "text") != "".join(said):
        return ("finish", "another final message")
    return ("finish", final.stop_reason)


READERS = {"chat": (read_chat, "stop"), "messages": (read_messages, "end_turn")}


def complaint(line):
    """What is wrong with one stream, or nothing."""
    reader, good = READERS[line["protocol"]]
    expect = line["expect"]
    TAPE.wire = line["wire"]
    said = []
    try:
        outcome = reader(said)
    except Exception as error:  # Whatever else a client raises, users would see it.
        return f"{type(error).__name__}: {error}"
    wanted = ("error", expect["error"]) if "error" in expect else ("finish", good)
    if outcome != wanted:
        return f"{outcome} instead of {wanted}"
    if "text" in expect and "".join(said) != expect["text"]:
        return f"{''.join(said)!r} instead of {expect['text']!r}"
    return None


def lines(path):
    with path.open() as file:
        return [json.loads(line) for line in file if line.strip()]


@pytest.mark.parametrize("name", REQUIRED + WHOLE)
def test_it_was_written(name):
    found = lines(FOLDER / f"{name}.ndjson")
    kinds = {(line["protocol"], "error" in line["expect"]) for line in found}
    endings = (False,) if name in WHOLE else (False, True)
    wanted = {(protocol, error) for protocol in READERS for error in endings}
    assert wanted <= kinds, f"missing: {wanted - kinds}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ndjson")), ids=lambda path: path.stem)
def test_official_clients_read_them_alike(path):
    found = lines(path)
    assert found, f"{path} is empty"
    wrong = [f"{line['name']}: {why}" for line in found if (why := complaint(line))]
    print(f"{path.stem}: {len(found)} streams, {len(wrong)} read otherwise")
    shown = "\n  ".join(wrong[:MOST_SHOWN])
    assert not wrong, f"{len(wrong)} of {len(found)} streams are read otherwise:\n  {shown}"


@pytest.mark.parametrize("protocol", READERS)
def test_a_wrong_verdict_would_be_seen(protocol):
    """A truncated stream that claims to be whole must not pass."""
    found = lines(FOLDER / f"{REQUIRED[0]}.ndjson")
    cut = next(line for line in found if line["protocol"] == protocol and "error" in line["expect"])
    assert complaint({**cut, "expect": {"text": cut["expect"]["text"]}})
