"""Makes the buckets, the queues and the notification between them, where they are missing."""

import contextlib
import functools
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT_DAYS = 14  # the longest that SQS keeps a message
ATTEMPTS = 5  # before a message goes to the dead-letter queue
LIFECYCLE = Path(__file__).parents[1] / "aws" / "buckets-lifecycle.json"
"""What buckets elsewhere get, too: unfinished uploads are aborted after a day."""


@dataclass(frozen=True)
class Cloud:
    """An S3 and SQS: where it answers and the credentials for it. Without an endpoint it is AWS itself."""

    endpoint: str | None
    region: str
    access_key_id: str | None  # without one, whatever botocore finds: a profile, an instance's role
    secret_access_key: str | None

    def env(self) -> dict[str, str]:
        """The variables that every AWS client understands."""
        variables = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }
        return {name: value for name, value in variables.items() if value is not None}

    def client(self, service: str) -> Any:
        """A blocking client, for set-up and for tests."""
        import botocore.session  # takes half a second, and most commands do without

        # A session remembers whom it found itself: where keys are given it finds nobody.
        session = _session() if self.access_key_id else botocore.session.get_session()
        with _MAKING:
            return session.create_client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint,
                aws_access_key_id=self.access_key_id,
                aws_secret_access_key=self.secret_access_key,
            )


_MAKING = threading.Lock()
"""Sessions make one client at a time."""


@functools.cache
def _session() -> Any:
    """One for all clients with keys: reading AWS's interfaces takes longer than all the rest of a client."""
    import botocore.session

    return botocore.session.get_session()


def provision(cloud: Cloud, prefix: str = "assent", given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make what `given` does not name and is not there yet. Returns the variables that name all of it."""
    names = dict(given or {})
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    for variable, kind in (("ASSENT_RECORDINGS_BUCKET", "recordings"), ("ASSENT_AUDIO_BUCKET", "audio")):
        if variable not in names:
            names[variable] = f"{prefix}-{kind}"
            _make_bucket(s3, names[variable], cloud.region)
    if "ASSENT_RECORDINGS_DLQ_URL" not in names:
        names["ASSENT_RECORDINGS_DLQ_URL"] = _make_queue(sqs, f"{prefix}-recordings-dead", {})
    if "ASSENT_RECORDINGS_QUEUE_URL" not in names:
        dead = _arn(sqs, names["ASSENT_RECORDINGS_DLQ_URL"])
        redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": ATTEMPTS})
        queue = _make_queue(sqs, f"{prefix}-recordings", {"RedrivePolicy": redrive})
        names["ASSENT_RECORDINGS_QUEUE_URL"] = queue
        _notify(s3, names["ASSENT_RECORDINGS_BUCKET"], _arn(sqs, queue))
    return names


def _make_bucket(s3: Any, name: str, region: str) -> None:
    with contextlib.suppress(s3.exceptions.ClientError):
        s3.head_bucket(Bucket=name)
        return
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **place)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    # An S3 that knows no such rules serves all the same; recording_svc says at its start that it has none.
    with contextlib.suppress(s3.exceptions.ClientError):
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=json.loads(LIFECYCLE.read_text()))


def _make_queue(sqs: Any, name: str, attributes: dict[str, str]) -> str:
    with contextlib.suppress(sqs.exceptions.QueueDoesNotExist):
        return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    kept = {"MessageRetentionPeriod": str(KEPT_DAYS * 24 * 3600)}
    return str(sqs.create_queue(QueueName=name, Attributes={**kept, **attributes})["QueueUrl"])


def _arn(sqs: Any, queue: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def _notify(s3: Any, bucket: str, queue_arn: str) -> None:
    """Let the bucket tell the queue about new objects, beside whatever it tells already."""
    current = s3.get_bucket_notification_configuration(Bucket=bucket)
    current.pop("ResponseMetadata", None)
    queues = current.get("QueueConfigurations", [])
    if queue_arn not in {queue["QueueArn"] for queue in queues}:
        queues = [*queues, {"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"]}]
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={**current, "QueueConfigurations": queues}
        )
