"""Listings under way, in Postgres."""

from sqlalchemy import Column, DateTime, MetaData, Table, Text, delete, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database
from recording_svc.listings import Listing, Mark

_LISTINGS = Table(
    "listings",
    MetaData(),
    Column("bucket", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("key_marker", Text, nullable=False),
    Column("version_marker", Text, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False),
)
_L = _LISTINGS.c


class PostgresListings:
    """Listings in the service's own database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def left(self, bucket: str, purpose: str) -> Listing | None:
        query = select(_LISTINGS).where(_L.bucket == bucket, _L.purpose == purpose)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Listing(row.begun_at, Mark(row.key_marker, row.version_marker))

    async def leave(self, bucket: str, purpose: str, listing: Listing) -> None:
        place = {"key_marker": listing.mark.key, "version_marker": listing.mark.version_id}
        values = {"bucket": bucket, "purpose": purpose, "begun_at": listing.begun_at, **place}
        write = insert(_LISTINGS).values(values)
        write = write.on_conflict_do_update(index_elements=["bucket", "purpose"], set_=values)
        async with self._database.begin() as connection:
            await connection.execute(write)

    async def finish(self, bucket: str, purpose: str) -> None:
        async with self._database.begin() as connection:
            await connection.execute(delete(_LISTINGS).where(_L.bucket == bucket, _L.purpose == purpose))
