"""What this service reads from its environment."""

import socket
from pathlib import Path

from pydantic import Field

from chassis.settings import AwsSettings, ServiceSettings


class MigrationSettings(ServiceSettings):
    """What `migrate` needs: the service's role, and the owner of the tables where that is another."""

    transcript_database_url: str
    transcript_migration_database_url: str = ""


class Settings(AwsSettings, ServiceSettings):
    """What `serve` needs."""

    transcript_database_url: str
    transcript_listen: str = "0.0.0.0:50053"
    transcript_health_listen: str = "0.0.0.0:8083"
    recording_address: str
    audio_bucket: str
    scratch_dir: Path
    recogniser: str = "pocketsphinx"
    # How often recording_svc is asked for what no event told.
    sweep_seconds: float = Field(30, gt=0)
    # Must outlive a restart: what an earlier life left on disk is wiped and released under this name.
    instance: str = Field(default_factory=socket.gethostname)
