"""What recording_svc is told by its environment."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from chassis.settings import AwsSettings, ServiceSettings
from recording_svc.domain.settling import Times


class MigrationSettings(ServiceSettings):
    """What `migrate` needs: the service's role, and the owner of the tables where that is another."""

    recording_database_url: str
    recording_migration_database_url: str = ""


class Settings(AwsSettings, ServiceSettings):
    """What `serve` needs; every variable begins with ASSENT_, AWS's own excepted. Times are seconds."""

    recording_database_url: str
    recording_listen: str = "0.0.0.0:50052"
    recording_health_listen: str = "0.0.0.0:8082"
    # Where Prometheus may ask; empty is nowhere.
    recording_metrics_listen: str = "0.0.0.0:9102"
    consent_address: str
    transcript_address: str
    recordings_bucket: str
    audio_bucket: str
    recordings_queue_url: str
    recordings_dlq_url: str
    certificate_key_file: Path

    # How many loops receive from SQS.
    recording_receivers: int = Field(2, ge=1)
    # How often a recording that waits for something is looked at.
    sweep_seconds: float = Field(30, gt=0)
    # How often buckets and tables are compared; ten sweeps where it is not set.
    reconcile_seconds: float | None = Field(None, gt=0)
    # How soon an answer is asked for again that could not be had.
    retry_seconds: float = Field(2, gt=0)
    # How often an erasure that the bucket refuses is tried again.
    blocked_retry_seconds: float = Field(300, gt=0)
    # How long refused audio outlives a failed transcription.
    failed_grace_seconds: float = Field(24 * 3600, ge=0)
    # How often an object of our own is put and erased; 0 is never, and needs no right to put.
    recording_canary_seconds: float = Field(0, ge=0)

    @property
    def times(self) -> Times:
        """The waiting times, as the rules use them."""
        return Times(
            retry=timedelta(seconds=min(self.retry_seconds, self.sweep_seconds)),
            sweep=timedelta(seconds=self.sweep_seconds),
            recheck=timedelta(seconds=10 * self.sweep_seconds),
            blocked=timedelta(seconds=self.blocked_retry_seconds),
            failed_grace=timedelta(seconds=self.failed_grace_seconds),
        )

    @property
    def reconcile_every(self) -> float:
        """Seconds between two comparisons of buckets and tables."""
        return self.reconcile_seconds or 10 * self.sweep_seconds
