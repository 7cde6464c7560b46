"""What this service reads from its environment."""

import socket
from pathlib import Path
from typing import Literal

from pydantic import DirectoryPath, Field, FilePath, HttpUrl, field_validator
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import AwsSettings, ServiceSettings


class MigrationSettings(ServiceSettings):
    """What `migrate` needs: the service's role, and the owner of the tables where that is another."""

    transcript_database_url: str
    transcript_migration_database_url: str = ""


class RecogniserSettings(BaseSettings):
    """Who turns speech into words, and what each of them needs."""

    model_config = SettingsConfigDict(env_prefix="ASSENT_", extra="ignore")

    recogniser: Literal["pocketsphinx", "faster-whisper", "openai"] = "pocketsphinx"
    # ISO 639-1. Empty: PocketSphinx's English, or whatever the others find that it is.
    recogniser_language: str = Field("", pattern=r"^([a-z]{2,3})?$")
    # Of children that hear side by side. 0: PocketSphinx one for every core, faster-whisper one that uses all of them.
    recogniser_processes: int = Field(0, ge=0, le=256)

    # A folder with a model, or the name of one that the cache holds. Nothing is downloaded.
    whisper_model: str = Field("", validate_default=True)
    # The cache; left out, it is Hugging Face's own (~/.cache/huggingface/hub).
    whisper_cache: DirectoryPath | None = None
    whisper_device: Literal["cpu", "cuda", "auto"] = "cpu"
    # As CTranslate2 names them: int8, float16, ...; `default` is how the model was stored.
    whisper_compute_type: str = "default"

    # Where a server has /audio/transcriptions: https://api.openai.com/v1, for instance.
    openai_url: HttpUrl | None = Field(None, validate_default=True)
    openai_key_file: FilePath | None = None
    openai_model: str = "whisper-1"
    # Of one request, which brings at most 30 s of audio; how many of them at once.
    openai_timeout_seconds: float = Field(120, gt=0)
    openai_at_once: int = Field(4, ge=1, le=64)

    @field_validator("openai_url")
    @classmethod
    def _is_told(cls, url: HttpUrl | None, fields: ValidationInfo) -> HttpUrl | None:
        if fields.data.get("recogniser") == "openai" and url is None:
            raise ValueError("needed where ASSENT_RECOGNISER is openai")
        if url and (url.username or url.password or url.query):
            raise ValueError("only host and path, for it is logged: a key belongs into ASSENT_OPENAI_KEY_FILE")
        return url

    @field_validator("whisper_model")
    @classmethod
    def _is_there(cls, model: str, fields: ValidationInfo) -> str:
        if fields.data.get("recogniser") == "faster-whisper" and not model:
            raise ValueError("needed where ASSENT_RECOGNISER is faster-whisper: a folder or a name")
        return model

    @field_validator("recogniser_language")
    @classmethod
    def _is_understood(cls, language: str, fields: ValidationInfo) -> str:
        if fields.data.get("recogniser") == "pocketsphinx" and language not in ("", "en"):
            raise ValueError("pocketsphinx hears English only: set ASSENT_RECOGNISER to another one, or leave this out")
        return language


class Settings(RecogniserSettings, AwsSettings, ServiceSettings):
    """What `serve` needs."""

    transcript_database_url: str
    transcript_listen: str = "0.0.0.0:50053"
    transcript_health_listen: str = "0.0.0.0:8083"
    recording_address: str
    audio_bucket: str
    scratch_dir: Path
    # How often recording_svc is asked for what no event told.
    sweep_seconds: float = Field(30, gt=0)
    # Must outlive a restart: what an earlier life left on disk is wiped and released under this name.
    instance: str = Field(default_factory=socket.gethostname)
