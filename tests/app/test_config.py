"""Settings come from flags, the environment and tenkyo.toml, in this order; what is unknown or wrong is named."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config import CONFIG_FILE, Settings, load_settings
from app.errors import ConfigurationProblem
from app.service import open_service
from generator.llm import LLMUnavailable
from indexer.embedder import EMBEDDED_DEFAULT

pytestmark = pytest.mark.usefixtures("clean_environment")


def write_config(text: str) -> None:
    Path(CONFIG_FILE).write_text(text, encoding="utf-8")


def test_without_any_setting_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings.home == Path("tenkyo-data")
    assert (settings.database_url, settings.embedder, settings.llm) == (None, EMBEDDED_DEFAULT, "extractive")
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a compose file passes it on from an .env file that leaves it out."""
    monkeypatch.setenv("TENKYO_HOME", "")
    monkeypatch.setenv("TENKYO_PORT", "")
    assert (load_settings().home, load_settings().port) == (Path("tenkyo-data"), 8000)


def test_the_environment_beats_the_file_and_a_flag_beats_both(monkeypatch: pytest.MonkeyPatch) -> None:
    write_config('home = "/from/file"\nport = 1111\nthreads = 7\n')
    assert load_settings().home == Path("/from/file")
    monkeypatch.setenv("TENKYO_HOME", "/from/environment")
    monkeypatch.setenv("TENKYO_PORT", "2222")
    assert (load_settings().home, load_settings().port) == (Path("/from/environment"), 2222)
    settings = load_settings(home=Path("/from/flag"), port=None)
    assert (settings.home, settings.port, settings.threads) == (Path("/from/flag"), 2222, 7)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_can_be_given_as_a_variable_and_as_a_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"home": "/x", "device": "cuda:1", "port": "4321", "threads": "3", "max_file_mb": "9"}
    numbers = {"embedder_max_tokens": "128", "reader_seconds": "2.5", "reader_memory_mb": "512"}
    numbers |= {"llm_context_tokens": "4096", "llm_temperature": "0.5", "llm_seed": "3", "llm_guidance": "1.5"}
    numbers |= {"llm_answer_tokens": "99", "llm_queue_seconds": "1.5", "llm_first_token_seconds": "2.5"}
    numbers |= {"llm_answer_seconds": "3.5", "keep_answers_days": "7", "llm_quantization": "8bit"}
    numbers |= {"llm_fallback": "extractive", "llm_slots": "4", "llm_queue": "5"}
    value = {**values, **numbers}.get(name, "something")
    write_config(f'{name} = "{value}"\n')
    from_file = getattr(load_settings(), name)
    Path(CONFIG_FILE).unlink()
    monkeypatch.setenv(f"TENKYO_{name.upper()}", value)
    assert getattr(load_settings(), name) == from_file != getattr(Settings.model_construct(), name)
    plain = from_file.get_secret_value() if isinstance(from_file, SecretStr) else str(from_file)
    assert plain == value


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENKYO_HOEM", "/x")
    with pytest.raises(ConfigurationProblem, match="TENKYO_HOEM"):
        load_settings()


def test_an_unknown_line_is_named() -> None:
    write_config('hoem = "/x"\n')
    with pytest.raises(ConfigurationProblem, match="hoem"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "no number"),
        ("port", "65536"),
        ("port", "-1"),
        ("threads", "0"),
        ("device", "gpu"),
        ("device", "cuda:"),
        ("embedder_max_tokens", "0"),
        ("reader_seconds", "0"),
        ("reader_memory_mb", "1"),
        ("max_file_mb", "1.5"),
    ],
)
def test_a_bad_value_is_refused_and_its_setting_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TENKYO_{name.upper()}", value)
    with pytest.raises(ConfigurationProblem, match=name):
        load_settings()


@pytest.mark.parametrize("text", ["home = ", "= 3", "[home", "home /x"])
def test_a_broken_file_is_named(text: str) -> None:
    write_config(text)
    with pytest.raises(ConfigurationProblem, match=CONFIG_FILE):
        load_settings()


def test_a_file_that_is_not_text_is_named() -> None:
    Path(CONFIG_FILE).write_bytes(b"home = '\xff\xfe'")
    with pytest.raises(ConfigurationProblem, match=CONFIG_FILE):
        load_settings()


def test_settings_reach_the_rooms_that_they_tune(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENKYO_EMBEDDER", "intfloat/multilingual-e5-small")
    monkeypatch.setenv("TENKYO_EMBEDDER_QUERY_PROMPT", "query: ")
    monkeypatch.setenv("TENKYO_MAX_FILE_MB", "3")
    monkeypatch.setenv("TENKYO_READER_SECONDS", "1.5")
    monkeypatch.setenv("TENKYO_READER_MEMORY_MB", "300")
    settings = load_settings(device="cpu")
    embedder = settings.embedder_settings()
    assert (embedder.name, embedder.device) == ("intfloat/multilingual-e5-small", "cpu")
    assert (embedder.query_prompt, embedder.document_prompt) == ("query: ", None)
    ingest = settings.ingest_settings()
    assert ingest.max_file_bytes == 3 * 1024 * 1024
    assert (ingest.sandbox.seconds, ingest.sandbox.memory_bytes) == (1.5, 300 * 1024 * 1024)


def test_a_language_model_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENKYO_LLM", "/no/such/model")
    with pytest.raises(LLMUnavailable, match="/no/such/model"):
        open_service(load_settings())


def test_the_key_of_a_server_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENKYO_LLM_KEY", "verysecret")
    assert "verysecret" not in repr(load_settings())
