"""Runs moto's server: S3 and SQS on one machine, with buckets and queues as the design wants them."""

from typing import ClassVar

from deploy.local.buckets import Cloud, provision
from deploy.local.part import PYTHON, Part
from deploy.local.probes import http_ok

REGION = "eu-central-1"
ACCOUNT = "123456789012"  # moto's own


class Moto(Part):
    """S3 and SQS. Everything lies in memory: what a restart loses, `start` makes anew, empty."""

    name = "moto"
    advice: ClassVar[str] = "run `make setup` (it installs moto), or set AWS_ENDPOINT_URL to an S3 and SQS of yours"

    @property
    def endpoint(self) -> str:
        """Where S3 and SQS answer."""
        return f"http://{self.address}"

    @property
    def cloud(self) -> Cloud:
        """The endpoint with credentials that it takes."""
        return Cloud(self.endpoint, REGION, "assent-local", self.run_dir.secret("aws-secret-access-key"))

    def env(self) -> dict[str, str]:
        """AWS_* and the names of the buckets and queues of the stack."""
        queue = f"{self.endpoint}/{ACCOUNT}/assent-recordings"
        return {
            **self.cloud.env(),
            "ASSENT_RECORDINGS_BUCKET": "assent-recordings",
            "ASSENT_AUDIO_BUCKET": "assent-audio",
            "ASSENT_RECORDINGS_QUEUE_URL": queue,
            "ASSENT_RECORDINGS_DLQ_URL": f"{queue}-dead",
        }

    def fresh_buckets(self, prefix: str) -> dict[str, str]:
        """Make two buckets and two queues of your own, `<prefix>-…`, and return the variables that name them."""
        return {**self.cloud.env(), **provision(self.cloud, prefix)}

    def command(self) -> list[str]:
        return [PYTHON, "-m", "deploy.local.moto_server", "-H", "127.0.0.1", "-p", str(self.run_dir.port(self.name))]

    def ready(self) -> bool:
        return http_ok(f"{self.endpoint}/moto-api/")

    def provision(self) -> None:
        made = provision(self.cloud)
        assert made.items() <= self.env().items(), f"moto named things in another way than env() does: {made}"
