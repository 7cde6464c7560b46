"""What measurements of recording_svc begin with: a database of its own, and its own clients for S3 and SQS."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chassis.database import Database, migrate
from chassis.settings import AwsSettings
from deploy.local import Postgres
from deploy.local.buckets import Cloud
from recording_svc import __file__ as package
from recording_svc.clients import open_s3_and_sqs
from recording_svc.store.postgres import PostgresRecordings

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

ROLE = "assent_recording"


class FreshStore(NamedTuple):
    """A database of that name, with a pool of connections to it, and the store in it."""

    name: str
    database: Database
    recordings: PostgresRecordings


async def fresh_store(postgres: Postgres, leaving: AsyncExitStack) -> FreshStore:
    """An empty database with the service's tables."""
    name = postgres.fresh_database(role=ROLE)
    service_url = postgres.url(name, role=ROLE)
    await migrate(postgres.url(name), Path(package).parent / "migrations", service_url=service_url)
    database = await leaving.enter_async_context(Database(service_url))
    locks = await leaving.enter_async_context(Database(service_url))
    return FreshStore(name, database, PostgresRecordings(database, locks))


async def s3_of_service(cloud: Cloud, leaving: AsyncExitStack) -> "S3Client":
    """The client with which the service itself would work on this S3."""
    settings = AwsSettings.model_validate(
        {
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_REGION": cloud.region,
            "AWS_ACCESS_KEY_ID": cloud.access_key_id,
            "AWS_SECRET_ACCESS_KEY": cloud.secret_access_key,
        }
    )
    s3, _ = await leaving.enter_async_context(open_s3_and_sqs(settings))
    return s3
