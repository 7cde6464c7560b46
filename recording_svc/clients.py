"""Opens the clients for S3 and SQS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.utils import parse_timestamp

from chassis.settings import AwsSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_sqs.client import SQSClient

# One call's attempts, and the pause of at most 1 s between them, take less than the 25 s that callers of
# EraseRecording wait. What S3 is too busy for beyond that is put off by the settlement, for longer each time.
_S3 = AioConfig(
    connect_timeout=2, read_timeout=9, max_pool_connections=50, retries={"mode": "standard", "total_max_attempts": 2}
)
# A long poll lasts 20 s.
_SQS = AioConfig(
    connect_timeout=3, read_timeout=30, max_pool_connections=50, retries={"mode": "standard", "total_max_attempts": 4}
)


def read_time(said: Any) -> datetime:
    """A time as AWS writes it.

    S3 writes ISO 8601; botocore tries to guess, and for a page of a thousand versions that takes longer than all else.
    """
    with suppress(TypeError, ValueError):
        moment = datetime.fromisoformat(said)
        if moment.tzinfo:
            return moment
    return parse_timestamp(said)


@asynccontextmanager
async def open_s3_and_sqs(settings: AwsSettings) -> AsyncIterator[tuple["S3Client", "SQSClient"]]:
    """Both clients, closed at the end."""
    session = get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_time)
    common: dict[str, Any] = {
        "region_name": settings.aws_region,
        "endpoint_url": settings.aws_endpoint_url,
        "aws_access_key_id": settings.aws_access_key_id,
        "aws_secret_access_key": settings.aws_secret_access_key,
    }
    async with (
        session.create_client("s3", **common, config=_S3) as s3,
        session.create_client("sqs", **common, config=_SQS) as sqs,
    ):
        yield s3, sqs
