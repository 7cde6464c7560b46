"""Settings from environment variables, with an error that names the variable that is missing."""

import sys
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.channel import Tls

S = TypeVar("S", bound="ServiceSettings")


class ServiceSettings(BaseSettings):
    """What every service needs; a field `tls_ca` is read from `ASSENT_TLS_CA`."""

    model_config = SettingsConfigDict(env_prefix="ASSENT_", populate_by_name=True, extra="ignore")

    nats_url: str
    tls_ca: Path
    tls_cert: Path
    tls_key: Path
    log_level: str = "INFO"

    @property
    def tls(self) -> Tls:
        """The certificates that this process shows and trusts."""
        return Tls(self.tls_ca, self.tls_cert, self.tls_key)


class AwsSettings(BaseSettings):
    """Where S3 and SQS are, by AWS's own variable names.

    Keys left out mean the default credential chain (an IAM role, for instance).
    """

    aws_endpoint_url: str | None = Field(None, validation_alias="AWS_ENDPOINT_URL")
    aws_region: str = Field(validation_alias="AWS_REGION")
    aws_access_key_id: str | None = Field(None, validation_alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: str | None = Field(None, validation_alias="AWS_SECRET_ACCESS_KEY")


def load(kind: type[S]) -> S:
    """Read settings from the environment; on a fault, say which variable and leave with exit code 2."""
    try:
        return kind()
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0])
            variable = name if name.isupper() else f"ASSENT_{name}".upper()
            print(f"{variable}: {fault['msg']}", file=sys.stderr)  # noqa: T201  logging is not configured yet
        print("docs/operations.md lists every setting; `make up` sets them for one machine", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None
