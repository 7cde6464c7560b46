"""Buckets that cost next to nothing, so that what erases from them is measured and not the buckets.

`python -m bench.s3_stub PORT`. It speaks as much of S3 as an erasure needs: listings by prefix, page by page, and
DeleteObjects. `POST /fill` with a bucket, a key and a number puts so many versions there; `/left` counts them all.
"""

import itertools
import json
import re
from collections import defaultdict
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from bench.bare_server import HttpConnection, serve

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_VERSION = (
    "<Version><Key>%s</Key><VersionId>%s</VersionId><IsLatest>false</IsLatest>"
    "<LastModified>2026-11-22T11:20:00.000Z</LastModified><ETag>&quot;0cc175b9c0f1b6a831c399e269772661&quot;</ETag>"
    "<Size>5</Size><StorageClass>STANDARD</StorageClass></Version>"
)
_TO_DELETE = re.compile(r"<Key>([^<]*)</Key><VersionId>([^<]*)</VersionId>")
_numbers = itertools.count(1)


class _Buckets(HttpConnection):
    # Versions by bucket and key; a dictionary, because what is deleted is found by its name.
    versions: ClassVar[dict[str, dict[str, dict[str, None]]]] = defaultdict(dict)

    def answer(self, target: str, headers: dict[bytes, bytes], body: bytes) -> None:
        url = urlsplit(target)
        bucket, asked = url.path.split("/")[1], dict(parse_qsl(url.query, keep_blank_values=True))
        match bucket, asked:
            case "fill", _:
                self._say_json(self._fill(**json.loads(body)))
            case "left", _:
                self._say_json(sum(len(versions) for keys in self.versions.values() for versions in keys.values()))
            case _, {"versions": _}:
                self._list(bucket, asked)
            case _, {"delete": _}:
                self._delete(bucket, body.decode())
            case _, {"uploads": _}:
                self._say(f"<ListMultipartUploadsResult {_NAMESPACE}><Bucket>{bucket}</Bucket>"
                          "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")  # fmt: skip
            case _:
                raise ValueError(f"an erasure asked for what this does not know: {target}")

    def _fill(self, bucket: str, key: str, number: int) -> list[str]:
        new = [f"{next(_numbers):032x}" for _ in range(number)]
        self.versions[bucket].setdefault(key, {}).update(dict.fromkeys(new))
        return new

    def _list(self, bucket: str, asked: dict[str, str]) -> None:
        prefix, most = unquote(asked.get("prefix", "")), int(asked.get("max-keys", 1000))
        keys = sorted(key for key in self.versions[bucket] if key.startswith(prefix))
        found = [(key, version) for key in keys for version in self.versions[bucket][key]]
        if "key-marker" in asked:
            found = found[found.index((asked["key-marker"], asked["version-id-marker"])) + 1 :]
        page, more = found[:most], len(found) > most
        next_one = f"<NextKeyMarker>{page[-1][0]}</NextKeyMarker>" if more else ""
        next_one += f"<NextVersionIdMarker>{page[-1][1]}</NextVersionIdMarker>" if more else ""
        truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        entries = "".join(_VERSION % one for one in page)
        self._say(
            f"<ListVersionsResult {_NAMESPACE}><Name>{bucket}</Name>{truncated}{next_one}{entries}</ListVersionsResult>"
        )

    def _delete(self, bucket: str, asked: str) -> None:
        for key, version in _TO_DELETE.findall(asked):
            of_key = self.versions[bucket].get(key, {})
            of_key.pop(version, None)
            if not of_key:
                self.versions[bucket].pop(key, None)
        self._say(f"<DeleteResult {_NAMESPACE}></DeleteResult>")  # all went well, and it is asked to be quiet

    def _say(self, reply: str) -> None:
        self.reply(f'<?xml version="1.0" encoding="UTF-8"?>\n{reply}'.encode(), b"application/xml")

    def _say_json(self, reply: object) -> None:
        self.reply(json.dumps(reply).encode(), b"application/json")


if __name__ == "__main__":
    serve(_Buckets)
