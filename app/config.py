"""The settings, and the only place that reads the environment. Inside, every room has its own frozen dataclass."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from app.errors import ConfigurationProblem
from generator.backends.registry import EXTRACTIVE, BackendSettings
from generator.llm import Deadlines, Sampling
from generator.writer import WriterSettings
from indexer.copies import COPIES
from indexer.embedder import EMBEDDED_DEFAULT, EmbedderSettings
from indexer.families import FamilySettings
from indexer.ingest import IngestSettings
from indexer.sandbox import SandboxSettings

CONFIG_FILE = "tenkyo.toml"


class Settings(BaseSettings):
    """Every setting: an environment variable TENKYO_NAME, or a line `name = value` in tenkyo.toml; flags beat both."""

    model_config = SettingsConfigDict(env_prefix="TENKYO_", env_ignore_empty=True, extra="forbid", frozen=True)

    home: Annotated[Path, Field(description="Data folder: database and index.")] = Path("tenkyo-data")
    database_url: Annotated[
        str | None, Field(description="PostgreSQL or SQLite URL; SQLite in the data folder if unset.")
    ] = None
    embedder: Annotated[
        str, Field(description="Embedding model: the embedded default, a local path or a hub name.")
    ] = EMBEDDED_DEFAULT
    embedder_query_prompt: Annotated[
        str | None, Field(description="Put before questions; the model's own if unset.")
    ] = None
    embedder_document_prompt: Annotated[
        str | None, Field(description="Put before chunks; the model's own if unset.")
    ] = None
    embedder_max_tokens: Annotated[
        int | None, Field(gt=0, description="Longest input of the embedding model; its own if unset.")
    ] = None
    llm: Annotated[
        str, Field(description="What writes: `extractive`, a hub name or local path, or the URL of a server.")
    ] = EXTRACTIVE
    llm_model: Annotated[str, Field(description="Model to ask the server for; may be left out if it has one.")] = ""
    llm_key: Annotated[SecretStr, Field(description="Key for the server.")] = SecretStr("")
    llm_context_tokens: Annotated[
        int | None, Field(ge=512, description="Context length, where the server does not tell it.")
    ] = None
    llm_quantization: Annotated[str, Field(pattern="^(|8bit|4bit)$", description="For a local model: 8bit, 4bit.")] = ""
    llm_fallback: Annotated[
        Literal["error", "extractive"], Field(description="What happens when the language model is down.")
    ] = "error"
    llm_temperature: Annotated[float, Field(ge=0, le=2, description="0 is greedy, and can be replayed.")] = 0.0
    llm_seed: Annotated[int, Field(ge=0, description="For a temperature above 0.")] = 0
    llm_guidance: Annotated[
        float, Field(ge=1, le=5, description="Context-aware decoding of a local model; 1 is off.")
    ] = 1.0
    llm_answer_tokens: Annotated[int, Field(ge=32, description="Longest draft.")] = 700
    llm_slots: Annotated[int, Field(ge=1, le=1024, description="Drafts that the model writes at a time.")] = 32
    llm_queue: Annotated[int, Field(ge=1, le=4096, description="Drafts that may wait; more are refused (503).")] = 64
    llm_queue_seconds: Annotated[float, Field(gt=0, description="Longest wait for a free slot.")] = 30.0
    llm_first_token_seconds: Annotated[float, Field(gt=0, description="Longest wait for the first piece.")] = 60.0
    llm_answer_seconds: Annotated[float, Field(gt=0, description="Longest time for one draft.")] = 180.0
    prompts: Annotated[Path | None, Field(description="Folder with prompt files that replace our own.")] = None
    keep_answers_days: Annotated[int, Field(ge=0, description="Recorded answers are kept so long; 0 keeps none.")] = 90
    device: Annotated[
        str, Field(pattern="^(auto|cpu|cuda(:[0-9]+)?)$", description="Where models run: auto, cpu, cuda.")
    ] = "auto"
    host: Annotated[str, Field(description="Address on which `tenkyo serve` listens.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port on which `tenkyo serve` listens.")] = 8000
    threads: Annotated[int, Field(ge=1, le=1024, description="Requests that `tenkyo serve` handles at a time.")] = 128
    max_file_mb: Annotated[int, Field(ge=1, description="Larger files are reported as failed.")] = 256
    reader_seconds: Annotated[float, Field(gt=0, description="Longest time that reading one file may take.")] = 60.0
    reader_memory_mb: Annotated[int, Field(ge=256, description="Memory that reading one file may take.")] = 2048

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(CONFIG_FILE))

    def data_folder(self) -> Path:
        """`home` as an absolute path."""
        return self.home.expanduser().resolve()

    def embedder_settings(self) -> EmbedderSettings:
        """What the embedder needs to know."""
        return EmbedderSettings(
            name=self.embedder,
            device=self.device,
            query_prompt=self.embedder_query_prompt,
            document_prompt=self.embedder_document_prompt,
            max_tokens=self.embedder_max_tokens,
            converted=self.data_folder() / COPIES,
        )

    def backend_settings(self) -> BackendSettings:
        """Which language model to open."""
        return BackendSettings(
            llm=self.llm,
            model=self.llm_model,
            key=self.llm_key.get_secret_value(),
            device=self.device,
            context_tokens=self.llm_context_tokens,
            quantization=self.llm_quantization,
            slots=self.llm_slots,
            queue=self.llm_queue,
        )

    def writer_settings(self) -> WriterSettings:
        """How the language model is asked."""
        return WriterSettings(
            max_answer_tokens=self.llm_answer_tokens,
            sampling=Sampling(temperature=self.llm_temperature, seed=self.llm_seed, guidance=self.llm_guidance),
            deadlines=Deadlines(self.llm_queue_seconds, self.llm_first_token_seconds, self.llm_answer_seconds),
        )

    def family_settings(self) -> FamilySettings:
        """How the dense index is built."""
        return FamilySettings(device=self.device)

    def ingest_settings(self) -> IngestSettings:
        """What an indexing run needs to know."""
        return IngestSettings(
            families=self.family_settings(),
            sandbox=SandboxSettings(seconds=self.reader_seconds, memory_bytes=self.reader_memory_mb << 20),
            max_file_bytes=self.max_file_mb << 20,
        )


def load_settings(**flags: object) -> Settings:
    """The settings; flags that are None were not given. Raises ConfigurationProblem naming every bad line."""
    known = {f"TENKYO_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith("TENKYO_") and name not in known)
    if unknown:
        raise ConfigurationProblem(f"unknown setting {', '.join(unknown)}; README.md lists them all")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'settings'}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigurationProblem(
            f"bad setting: {problems} (from the environment, {CONFIG_FILE} or a flag)"
        ) from error
    except ValueError as error:
        raise ConfigurationProblem(f"{CONFIG_FILE} is not valid TOML: {error}") from error
