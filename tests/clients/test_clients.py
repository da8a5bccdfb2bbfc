"""The official Python clients against the gateway: whatever the target behind it speaks, the client sees its own API."""

import json
import os
import urllib.request

import anthropic
import openai
import pytest

GATEWAY = os.environ["SEAWALL_URL"]
SIM = os.environ["SIM_URL"]
# (target prefix, lane of the simulator behind it)
TARGETS = [("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "gemini"), ("groq", "groq")]
COUNTED = " ".join(str(n) for n in range(1, 13))
COUNTED_FAR = " ".join(str(n) for n in range(1, 41))
# Cut in the middle of the connection, and ended as if the answer were complete.
BREAKS = ["cut_after", "close_clean_after"]
# No other call may go on where one broke off. Three such streams in a row open their target's breaker, so these tests have
# models of their own.
STRICT = {"x-seawall-strict": "true"}
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


@pytest.fixture(autouse=True)
def calm_lanes():
    """Every test starts with healthy lanes and closed breakers."""
    for _, lane in TARGETS:
        control(lane, method="DELETE")
    yield
    for _, lane in TARGETS:
        control(lane, method="DELETE")


def control(lane, body=None, method="POST"):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{SIM}/_sim/lanes/{lane}", data=data, method=method)
    request.add_header("content-type", "application/json")
    urllib.request.urlopen(request).read()


@pytest.fixture
def chat():
    return openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key="unused", max_retries=0)


@pytest.fixture
def messages():
    return anthropic.Anthropic(base_url=GATEWAY, api_key="unused", max_retries=0)


def ask(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("provider,_lane", TARGETS)
class TestOpenAIClient:
    def test_plain(self, chat, provider, _lane):
        answer = chat.chat.completions.create(model=f"{provider}/count-12", messages=ask("go"))
        assert answer.choices[0].message.content == COUNTED
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.completion_tokens > 0

    def test_stream(self, chat, provider, _lane):
        stream = chat.chat.completions.create(
            model=f"{provider}/count-12",
            messages=ask("go"),
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == COUNTED
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].usage.completion_tokens > 0

    def test_stream_without_usage_has_no_usage_chunk(self, chat, provider, _lane):
        stream = chat.chat.completions.create(model=f"{provider}/count-12", messages=ask("go"), stream=True)
        assert all(chunk.choices for chunk in stream)

    def test_tools(self, chat, provider, _lane):
        tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
        answer = chat.chat.completions.create(model=f"{provider}/demo", messages=ask("Oslo?"), tools=tools)
        call = answer.choices[0].message.tool_calls[0]
        assert call.function.name == "weather"
        assert "city" in json.loads(call.function.arguments)
        assert answer.choices[0].finish_reason == "tool_calls"
        # The client sends the result back and gets an answer in words.
        turn = [
            *ask("Oslo?"),
            answer.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "rain"},
        ]
        final = chat.chat.completions.create(model=f"{provider}/demo", messages=turn, tools=tools)
        assert final.choices[0].message.content

    def test_streamed_tools(self, chat, provider, _lane):
        tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
        with chat.chat.completions.stream(model=f"{provider}/demo", messages=ask("Oslo?"), tools=tools) as stream:
            final = stream.get_final_completion()
        call = final.choices[0].message.tool_calls[0]
        assert call.function.name == "weather"
        assert "city" in json.loads(call.function.arguments)

    def test_json_schema(self, chat, provider, _lane):
        answer = chat.chat.completions.create(
            model=f"{provider}/demo",
            messages=ask("Where?"),
            response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": WEATHER}},
        )
        assert "city" in json.loads(answer.choices[0].message.content)

    def test_rate_limit_alone_keeps_its_hint(self, chat, provider, _lane):
        control(_lane, {"faults": [{"kind": "status", "status": 429, "retry_after": 7}]})
        with pytest.raises(openai.RateLimitError) as error:
            chat.chat.completions.create(model=f"{provider}/limited", messages=ask("go"))
        assert 0 < float(error.value.response.headers["retry-after"]) <= 7

    def test_rejected_credential_is_not_the_clients(self, chat, provider, _lane):
        # Its own provider: a refused credential closes the gate of everything behind it.
        control(f"{_lane}-locked", {"faults": [{"kind": "status", "status": 401}]})
        with pytest.raises(openai.InternalServerError) as error:
            chat.chat.completions.create(model=f"{provider}-locked/demo", messages=ask("go"))
        assert error.value.status_code == 502
        assert error.value.code == "upstream_auth"
        control(f"{_lane}-locked", method="DELETE")

    @pytest.mark.parametrize("kind", BREAKS)
    def test_broken_stream_goes_on(self, chat, provider, _lane, kind):
        control(_lane, {"faults": [{"kind": kind, "events": 6, "times": 1}]})
        stream = chat.chat.completions.create(model=f"{provider}/count-40", messages=ask("go"), stream=True)
        chunks = [chunk for chunk in stream if chunk.choices]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == COUNTED_FAR
        assert chunks[-1].choices[0].finish_reason == "stop"

    @pytest.mark.parametrize("kind", BREAKS)
    def test_broken_stream_raises_where_the_client_is_strict(self, chat, provider, _lane, kind):
        control(_lane, {"faults": [{"kind": kind, "events": 6, "times": 1}]})
        stream = chat.chat.completions.create(
            model=f"{provider}/count-39", messages=ask("go"), stream=True, extra_headers=STRICT
        )
        with pytest.raises(openai.APIError, match="interrupted"):
            for _ in stream:
                pass


@pytest.mark.parametrize("provider,_lane", TARGETS)
class TestAnthropicClient:
    def test_plain(self, messages, provider, _lane):
        answer = messages.messages.create(model=f"{provider}/count-12", max_tokens=100, messages=ask("go"))
        assert answer.content[0].text == COUNTED
        assert answer.stop_reason == "end_turn"
        assert answer.usage.output_tokens > 0

    def test_stream(self, messages, provider, _lane):
        with messages.messages.stream(model=f"{provider}/count-12", max_tokens=100, messages=ask("go")) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert text == COUNTED
        assert final.stop_reason == "end_turn"
        assert final.usage.output_tokens > 0

    def test_tools(self, messages, provider, _lane):
        tools = [{"name": "weather", "description": "Weather in a city", "input_schema": WEATHER}]
        answer = messages.messages.create(model=f"{provider}/demo", max_tokens=100, messages=ask("Oslo?"), tools=tools)
        call = next(block for block in answer.content if block.type == "tool_use")
        assert call.name == "weather" and "city" in call.input
        assert answer.stop_reason == "tool_use"
        turn = [
            *ask("Oslo?"),
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in answer.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]},
        ]
        final = messages.messages.create(model=f"{provider}/demo", max_tokens=100, messages=turn, tools=tools)
        assert final.content[0].text

    def test_streamed_tools(self, messages, provider, _lane):
        tools = [{"name": "weather", "description": "Weather in a city", "input_schema": WEATHER}]
        with messages.messages.stream(
            model=f"{provider}/demo", max_tokens=100, messages=ask("Oslo?"), tools=tools
        ) as stream:
            final = stream.get_final_message()
        call = next(block for block in final.content if block.type == "tool_use")
        assert call.name == "weather" and "city" in call.input

    @pytest.mark.parametrize("kind", BREAKS)
    def test_broken_stream_goes_on(self, messages, provider, _lane, kind):
        control(_lane, {"faults": [{"kind": kind, "events": 6, "times": 1}]})
        with messages.messages.stream(
            model=f"{provider}/count-40", max_tokens=100, messages=ask("go")
        ) as stream:
            final = stream.get_final_message()
        assert final.content[0].text == COUNTED_FAR
        assert final.stop_reason == "end_turn"

    @pytest.mark.parametrize("kind", BREAKS)
    def test_broken_stream_raises_where_the_client_is_strict(self, messages, provider, _lane, kind):
        control(_lane, {"faults": [{"kind": kind, "events": 6, "times": 1}]})
        with pytest.raises(anthropic.APIError):
            with messages.messages.stream(
                model=f"{provider}/count-38", max_tokens=100, messages=ask("go"), extra_headers=STRICT
            ) as stream:
                stream.get_final_message()


class TestTheGateway:
    def test_a_dead_target_is_invisible(self, chat):
        control("openai", {"faults": [{"kind": "status", "status": 503}]})
        for _ in range(6):
            answer = chat.chat.completions.with_raw_response.create(model="chat", messages=ask("hello"))
            assert answer.headers["x-seawall-degraded"] == "fallback"
            assert answer.parse().choices[0].message.content

    def test_bad_request_keeps_its_meaning(self, chat):
        with pytest.raises(openai.BadRequestError) as error:
            chat.chat.completions.create(model="chat", messages="not a list")
        assert error.value.param == "messages"

    def test_unknown_model_names_the_nearest(self, chat):
        with pytest.raises(openai.NotFoundError, match="chat"):
            chat.chat.completions.create(model="chatt", messages=ask("hello"))

    def test_unknown_model_in_messages(self, messages):
        with pytest.raises(anthropic.NotFoundError):
            messages.messages.create(model="chatt", max_tokens=10, messages=ask("hello"))

    def test_models(self, chat):
        assert "chat" in [model.id for model in chat.models.list()]

    @pytest.mark.parametrize("provider", ["openai", "gemini"])
    def test_embeddings(self, chat, provider):
        answer = chat.embeddings.create(model=f"{provider}/embed", input=["one", "two"], encoding_format="float")
        assert len(answer.data) == 2 and len(answer.data[0].embedding) > 0

    def test_several_choices(self, chat):
        answer = chat.chat.completions.create(model="openai/count-12", messages=ask("go"), n=2)
        assert [choice.message.content for choice in answer.choices] == [COUNTED, COUNTED]

    def test_async_client(self):
        import asyncio

        async def run():
            client = openai.AsyncOpenAI(base_url=f"{GATEWAY}/v1", api_key="unused", max_retries=0)
            answers = await asyncio.gather(
                *(client.chat.completions.create(model="chat", messages=ask("hello")) for _ in range(8))
            )
            return [answer.choices[0].message.content for answer in answers]

        assert all(asyncio.run(run()))
