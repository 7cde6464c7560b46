"""The buckets and queues of one machine are as the design wants them."""

import json
from typing import Any

from deploy.local import Moto
from deploy.local.buckets import Cloud, provision


def bodies(sqs: Any, queue: str) -> list[dict[str, Any]]:
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_both_buckets_keep_versions(moto: Moto) -> None:
    variables, s3 = moto.env(), moto.cloud.client("s3")
    for name in ("ASSENT_RECORDINGS_BUCKET", "ASSENT_AUDIO_BUCKET"):
        assert s3.get_bucket_versioning(Bucket=variables[name])["Status"] == "Enabled"


def test_both_buckets_abort_unfinished_uploads(moto: Moto) -> None:
    variables, s3 = moto.env(), moto.cloud.client("s3")
    for name in ("ASSENT_RECORDINGS_BUCKET", "ASSENT_AUDIO_BUCKET"):
        [rule] = s3.get_bucket_lifecycle_configuration(Bucket=variables[name])["Rules"]
        assert (rule["Status"], rule["Filter"]["Prefix"]) == ("Enabled", "")
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_a_new_object_is_told_to_the_queue(moto: Moto) -> None:
    variables = moto.fresh_buckets("told")
    s3, sqs = moto.cloud.client("s3"), moto.cloud.client("sqs")
    s3.put_object(Bucket=variables["ASSENT_RECORDINGS_BUCKET"], Key="a b.mp4", Body=b"x")
    s3.put_object(Bucket=variables["ASSENT_AUDIO_BUCKET"], Key="a.mp3", Body=b"x")
    test_event, told, *rest = bodies(sqs, variables["ASSENT_RECORDINGS_QUEUE_URL"])
    assert test_event["Event"] == "s3:TestEvent"
    assert told["Records"][0]["s3"]["object"]["key"] == "a+b.mp4"
    assert rest == []


def test_what_nobody_understands_goes_to_the_dead_letters_and_stays_two_weeks(moto: Moto) -> None:
    variables, sqs = moto.env(), moto.cloud.client("sqs")
    queue, dead = variables["ASSENT_RECORDINGS_QUEUE_URL"], variables["ASSENT_RECORDINGS_DLQ_URL"]
    asked = {"AttributeNames": ["All"]}
    attributes = sqs.get_queue_attributes(QueueUrl=queue, **asked)["Attributes"]
    dead_attributes = sqs.get_queue_attributes(QueueUrl=dead, **asked)["Attributes"]
    policy = json.loads(attributes["RedrivePolicy"])
    assert (policy["deadLetterTargetArn"], int(policy["maxReceiveCount"])) == (dead_attributes["QueueArn"], 5)
    assert {attributes["MessageRetentionPeriod"], dead_attributes["MessageRetentionPeriod"]} == {str(14 * 24 * 3600)}


def test_what_is_named_is_used_and_only_the_rest_is_made(moto: Moto) -> None:
    s3 = moto.cloud.client("s3")
    place = {"LocationConstraint": moto.cloud.region}
    s3.create_bucket(Bucket="theirs", CreateBucketConfiguration=place)
    elsewhere = {"Id": "theirs", "QueueArn": _queue(moto.cloud, "elsewhere"), "Events": ["s3:ObjectRemoved:*"]}
    configuration = {"QueueConfigurations": [elsewhere]}
    s3.put_bucket_notification_configuration(Bucket="theirs", NotificationConfiguration=configuration)
    for _ in range(2):
        made = provision(moto.cloud, "ours", {"ASSENT_RECORDINGS_BUCKET": "theirs"})
    buckets = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert (made["ASSENT_RECORDINGS_BUCKET"], made["ASSENT_AUDIO_BUCKET"]) == ("theirs", "ours-audio")
    assert "ours-recordings" not in buckets
    assert "Status" not in s3.get_bucket_versioning(Bucket="theirs")
    told = s3.get_bucket_notification_configuration(Bucket="theirs")["QueueConfigurations"]
    assert [queue["QueueArn"].rpartition(":")[2] for queue in told] == ["elsewhere", "ours-recordings"]


def _queue(cloud: Cloud, name: str) -> str:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])
