"""What the backend finds out about a server: structured output, parameters, the model and its context."""

import json
from dataclasses import replace

import pytest

from generator.llm import LLMUnavailable, Message
from tests.generator.backends.openai_fixtures import KEY, ask, backend
from tests.generator.backends.scripted_server import (
    Exchange,
    ScriptedServer,
    answer,
    send_raw,
    speak,
    status,
    without_schema,
)

SOURCES = {4: "The limit is 165 pounds.", 2: "It is paid in cash."}


class TestStructuredOutput:
    def test_only_the_sources_ids_are_in_the_schema(self) -> None:
        with ScriptedServer(speak("{}")) as server, backend(server) as llm:
            list(llm.generate(ask(SOURCES)))
            list(llm.generate(ask()))
        form = server.bodies[0]["response_format"]
        assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
        schema = form["json_schema"]["schema"]
        assert set(schema["properties"]) == {"claims", "unanswered", "calculations"}
        assert json.dumps(schema).count('"enum": [2, 4]') == 2
        assert "response_format" not in server.bodies[1]  # free text

    def test_the_instructions_go_with_the_notation_that_is_asked_for(self) -> None:
        request = replace(ask(SOURCES), schema_messages=(Message("user", "Reply in JSON."),))
        with ScriptedServer(without_schema(speak("Yes. [4]"))) as server, backend(server) as llm:
            list(llm.generate(request))
        sent = [body["messages"] for body in server.bodies]
        assert sent[0] == [{"role": "user", "content": "Reply in JSON."}]
        assert sent[1] == [{"role": m.role, "content": m.content} for m in request.messages]

    @pytest.mark.parametrize("code", [400, 422])
    def test_a_server_that_refuses_it_is_asked_without_and_not_again(self, code: int) -> None:
        script = without_schema(speak("Yes. [4]"), code, "unknown field")
        with ScriptedServer(script) as server, backend(server) as llm:
            assert [list(llm.generate(ask(SOURCES))) for _ in range(2)] == [["Yes. [4]"]] * 2
        assert ["response_format" in body for body in server.bodies] == [True, False, False]

    def test_a_server_that_refuses_it_inside_the_stream_is_asked_without(self) -> None:
        refusal = b'data: {"error": {"message": "guided decoding is off", "code": 400}}\n\ndata: [DONE]\n\n'

        def step(exchange: Exchange) -> None:
            (send_raw(refusal) if "response_format" in exchange.body else speak("Yes. [4]"))(exchange)

        with ScriptedServer(step) as server, backend(server) as llm:
            assert list(llm.generate(ask(SOURCES))) == ["Yes. [4]"]

    def test_a_request_that_is_wrong_either_way_does_not_lose_the_schema(self) -> None:
        script = [status(400, "the prompt is too long"), status(400, "the prompt is too long"), speak("{}")]
        with ScriptedServer(script) as server, backend(server) as llm:
            with pytest.raises(LLMUnavailable, match="the prompt is too long"):
                list(llm.generate(ask(SOURCES)))
            list(llm.generate(ask(SOURCES)))
        assert ["response_format" in body for body in server.bodies] == [True, False, True]

    def test_free_text_that_is_refused_once_does_not_lose_the_schema_either(self) -> None:
        with ScriptedServer([status(400), speak("Yes."), speak("{}")]) as server, backend(server) as llm:
            with pytest.raises(LLMUnavailable):
                list(llm.generate(ask()))
            list(llm.generate(ask()))
            list(llm.generate(ask(SOURCES)))
        assert ["response_format" in body for body in server.bodies] == [False, False, True]

    def test_always_insists_and_never_does_not_ask(self) -> None:
        with ScriptedServer(without_schema(speak("Yes."))) as server:
            with backend(server, structured="always") as llm, pytest.raises(LLMUnavailable, match="not supported"):
                list(llm.generate(ask(SOURCES)))
            with backend(server, structured="never") as llm:
                assert list(llm.generate(ask(SOURCES))) == ["Yes."]
        assert ["response_format" in body for body in server.bodies] == [True, False]

    def test_hosted_reasoning_models_get_what_they_want(self, caplog: pytest.LogCaptureFixture) -> None:
        def step(exchange: Exchange) -> None:
            body = exchange.body
            if "max_tokens" in body:
                status(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")(exchange)
            elif "temperature" in body:
                status(400, "Unsupported value: 'temperature' does not support 0.")(exchange)
            else:
                speak("Yes.")(exchange)

        with ScriptedServer(step) as server, backend(server) as llm:
            assert [list(llm.generate(ask(SOURCES))) for _ in range(2)] == [["Yes."]] * 2
        assert server.bodies[-1]["max_completion_tokens"] == 200
        assert "response_format" in server.bodies[-1]
        assert len(server.bodies) == 4
        assert "does not take temperature" in caplog.text


class TestModels:
    def test_one_model_is_found_and_asked_for_once(self) -> None:
        models = [{"id": "Qwen/Qwen3-4B", "max_model_len": 40960}]
        with ScriptedServer(speak("Yes."), models) as server, backend(server, model="") as llm:
            host = server.url.split("/")[2]
            assert (llm.name, llm.context_tokens) == (f"Qwen/Qwen3-4B@{host}", 40960)
            list(llm.generate(ask()))
            list(llm.generate(ask()))
        assert server.bodies[0]["model"] == "Qwen/Qwen3-4B"
        assert len(server.model_requests) == 1
        assert server.model_requests[0].headers["Authorization"] == f"Bearer {KEY}"

    def test_a_smaller_context_that_is_set_wins(self) -> None:
        models = [{"id": "scripted", "max_model_len": 40960}]
        with ScriptedServer(speak("Yes."), models) as server:
            with backend(server, context_tokens=4096) as llm:
                assert llm.context_tokens == 4096
            with backend(server, context_tokens=100_000) as llm:
                assert llm.context_tokens == 40960

    @pytest.mark.parametrize(
        "models",
        [
            status(404),
            status(401),
            answer(200, "text/html", b"<html>"),
            answer(200, "application/json", b'{"data": [{}]}'),
            [{"id": "other"}],
        ],
    )
    def test_a_server_without_the_list_serves_the_model_that_is_set(self, models: object) -> None:
        with ScriptedServer(speak("Yes."), models) as server, backend(server) as llm:  # type: ignore[arg-type]
            assert llm.context_tokens == llm.context_tokens == 8192
            assert list(llm.generate(ask())) == ["Yes."]
            assert len(server.model_requests) == 1

    @pytest.mark.parametrize(
        ("models", "message"),
        [
            ([{"id": "b"}, {"id": "a"}], "not one model but a, b: set TENKYO_LLM_MODEL"),
            ([], "not one model but none"),
            (status(404), "TENKYO_LLM"),
            (status(401), "check TENKYO_LLM_KEY"),
            (answer(200, "text/html", b"<html>"), "sent no list of models"),
        ],
    )
    def test_without_a_model_there_must_be_exactly_one(self, models: object, message: str) -> None:
        with ScriptedServer(speak("Yes."), models) as server, backend(server, model="") as llm:  # type: ignore[arg-type]
            for use in (lambda: llm.name, lambda: llm.context_tokens, lambda: list(llm.generate(ask()))):
                with pytest.raises(LLMUnavailable, match=message):
                    use()
        assert server.exchanges == []

    def test_a_server_started_anew_with_another_model_is_asked_again(self) -> None:
        names = iter(["old", "new"])

        def models(exchange: Exchange) -> None:
            answer(200, "application/json", json.dumps({"data": [{"id": next(names)}]}).encode())(exchange)

        script = [status(404, "no model old"), speak("Yes.")]
        with ScriptedServer(script, models) as server, backend(server, model="") as llm:
            with pytest.raises(LLMUnavailable, match="no model old"):
                list(llm.generate(ask()))
            assert list(llm.generate(ask())) == ["Yes."]
        assert [body["model"] for body in server.bodies] == ["old", "new"]
