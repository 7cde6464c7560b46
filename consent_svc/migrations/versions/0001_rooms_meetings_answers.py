"""The first tables: rooms, meetings, presence, answers and their append-only history."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from chassis import outbox
from chassis.database import service_role

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)

# What the service's role may do, table by table. History: never UPDATE, DELETE or TRUNCATE.
GRANTS = {
    "rooms": "SELECT, INSERT, UPDATE, DELETE",
    "meetings": "SELECT, INSERT, UPDATE (closed_at, revision, head_hash)",
    "participants": "SELECT, INSERT, UPDATE (opened_at)",
    "answers": "SELECT, INSERT, UPDATE",
    "history": "SELECT, INSERT",
    "clients": "SELECT, INSERT, UPDATE",
    "sessions": "SELECT, INSERT, UPDATE",
    "attendance": "SELECT, INSERT, UPDATE",
    "finished_files": "SELECT, INSERT",
}


def upgrade() -> None:
    _rooms_and_meetings()
    _presence()
    _answers()
    _make_history_append_only()
    role = service_role()
    outbox.create_table(role)
    for table, rights in GRANTS.items() if role else ():
        op.execute(f'GRANT {rights} ON {table} TO "{role}"')


def _rooms_and_meetings() -> None:
    op.create_table(
        "rooms",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        *_settings(),
    )
    op.create_index("rooms_by_owner", "rooms", ["owner_id", "name"])
    op.create_table(
        "meetings",
        sa.Column("meeting_id", sa.Text, primary_key=True),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("whereby_room_name", sa.Text, nullable=False),
        sa.Column("room_url", sa.Text, nullable=False),
        sa.Column("host_room_url", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("closes_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        *_settings(),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("head_hash", sa.Text, nullable=False),
    )
    op.create_index("meetings_by_room", "meetings", ["room", "owner_id", "started_at", "meeting_id"])
    op.create_index("meetings_by_whereby_room", "meetings", ["whereby_room_name"])


def _settings() -> list[sa.Column[Any]]:
    return [
        sa.Column("recording_type", sa.Text, nullable=False),
        sa.Column("recording_trigger", sa.Text, nullable=False),
        sa.Column("is_locked", sa.Boolean, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("consent_policy", sa.Text, nullable=False),
        sa.Column("consent_deadline", sa.Interval, nullable=False),
        sa.Column("retention_days", sa.Integer),
    ]


def _presence() -> None:
    op.create_table(
        "participants",
        sa.Column("meeting_id", sa.Text, primary_key=True),
        sa.Column("participant_id", sa.Text, primary_key=True),
        sa.Column("opened_at", TIME),
    )
    op.create_table(
        "clients",
        sa.Column("meeting_id", sa.Text, primary_key=True),
        sa.Column("client_id", sa.Text, primary_key=True),
        sa.Column("participant_id", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("is_dial_in", sa.Boolean, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("joined_at", TIME),
        sa.Column("left_at", TIME),
        sa.Column("is_present", sa.Boolean, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("meeting_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("started_at", TIME),
        sa.Column("ended_at", TIME),
    )
    op.create_table(
        "attendance",
        sa.Column("meeting_id", sa.Text, primary_key=True),
        sa.Column("whereby_room_name", sa.Text, nullable=False),
        sa.Column("num_clients", sa.Integer, nullable=False),
        sa.Column("counted_at", TIME),
        sa.Column("counted_by_leaving", sa.Boolean, nullable=False),
        sa.Column("last_started_at", TIME),
        sa.Column("last_ended_at", TIME),
    )
    op.create_index("attendance_by_whereby_room", "attendance", ["whereby_room_name"])
    op.create_table(
        "finished_files",
        sa.Column("filename", sa.Text, primary_key=True),
        sa.Column("meeting_id", sa.Text, primary_key=True),
    )


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("meeting_id", sa.Text, sa.ForeignKey("meetings.meeting_id"), primary_key=True),
        sa.Column("participant_id", sa.Text, primary_key=True),
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("answered_at", TIME, nullable=False),
        sa.Column("first_granted_at", TIME),
        sa.Column("notice_version", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
    )
    op.create_table(
        "history",
        sa.Column("meeting_id", sa.Text, sa.ForeignKey("meetings.meeting_id"), primary_key=True),
        sa.Column("revision", sa.BigInteger, primary_key=True),
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("participant_digest", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("answered_at", TIME, nullable=False),
        sa.Column("notice_version", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("fingerprint_hash", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.UniqueConstraint("meeting_id", "participant_digest", "request_id", name="history_requests"),
    )


def _make_history_append_only() -> None:
    op.execute("""
        CREATE FUNCTION refuse_to_rewrite_history() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'history is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    # Grants hold back the service's role, these triggers the tables' owner as well, in a replica session too.
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history()
    """)
    op.execute("ALTER TABLE history ENABLE ALWAYS TRIGGER append_only")
