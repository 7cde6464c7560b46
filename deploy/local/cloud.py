"""S3 and SQS of the operator's: what is named is used as it is, what is not named is made there and remembered."""

import json
from collections.abc import Mapping

from deploy.local.buckets import Cloud, provision
from deploy.local.moto import REGION
from deploy.local.run_dir import RunDir, write_private
from deploy.local.variables import OF_THE_CLOUD, cloud_is_given


class GivenCloud:
    """Does nothing where moto stands in."""

    def __init__(self, run_dir: RunDir, given: Mapping[str, str]) -> None:
        self._path = run_dir.path / "cloud.json"
        self._given = given

    def env(self) -> dict[str, str]:
        """What was made, and the region where the operator left it open."""
        if not cloud_is_given(self._given):
            return {}
        made: dict[str, dict[str, str]] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return {"AWS_REGION": REGION, **made.get(self._endpoint, {})}

    def provision(self) -> None:
        """Make the buckets and queues that no variable names. Repeated, it changes nothing."""
        named = {name: self._given[name] for name in OF_THE_CLOUD if name in self._given}
        if not cloud_is_given(self._given) or len(named) == len(OF_THE_CLOUD):
            return
        cloud = Cloud(
            self._endpoint,
            self._given.get("AWS_REGION", REGION),
            self._given.get("AWS_ACCESS_KEY_ID"),
            self._given.get("AWS_SECRET_ACCESS_KEY"),
        )
        made = {name: value for name, value in provision(cloud, given=named).items() if name not in named}
        write_private(self._path, json.dumps({self._endpoint: made}).encode())

    @property
    def _endpoint(self) -> str:
        return self._given.get("AWS_ENDPOINT_URL", "")
