"""Edited texts beside the original ones, every edit for good, and full-text search over what is shown."""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Integer, Text
from sqlalchemy.dialects.postgresql import TSVECTOR

from chassis.database import service_role

revision = "0002"
down_revision = "0001"

# Every language that Postgres can stem, by its BCP 47 subtag; others are searched for words as they are written.
LANGUAGES = {
    "ar": "arabic",
    "hy": "armenian",
    "eu": "basque",
    "ca": "catalan",
    "da": "danish",
    "nl": "dutch",
    "en": "english",
    "fi": "finnish",
    "fr": "french",
    "de": "german",
    "el": "greek",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "ga": "irish",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nb": "norwegian",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "es": "spanish",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}

_CONFIGURATION = """
CREATE FUNCTION search_configuration(language text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        (
            SELECT max(cfgname::text) FROM pg_catalog.pg_ts_config
            WHERE cfgnamespace = 'pg_catalog'::regnamespace
            AND cfgname = CASE split_part(replace(lower(language), '_', '-'), '-', 1) {cases} END
        ),
        'simple'
    )
$$
"""
# A text beyond every measure is found by its beginning: a tsvector has at most a megabyte.
_SEARCHABLE = """
CREATE FUNCTION segments_searchable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.search := to_tsvector(
        (SELECT search_configuration(language) FROM transcripts WHERE id = NEW.transcript_id)::regconfig,
        left(coalesce(NEW.edited_text, NEW.text), 100000)
    );
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    """A trigger keeps the index: a service of the version before goes on writing segments meanwhile."""
    op.add_column("segments", Column("edited_text", Text))
    op.add_column("segments", Column("search", TSVECTOR))
    op.execute(_CONFIGURATION.format(cases=" ".join(f"WHEN '{tag}' THEN '{name}'" for tag, name in LANGUAGES.items())))
    op.execute(_SEARCHABLE)
    op.execute(
        "CREATE TRIGGER segments_searchable BEFORE INSERT OR UPDATE ON segments "
        "FOR EACH ROW EXECUTE FUNCTION segments_searchable()"
    )
    op.execute("UPDATE segments SET edited_text = NULL")
    op.create_index("segments_by_words", "segments", ["search"], postgresql_using="gin")
    _edits()


def _edits() -> None:
    op.create_table(
        "edits",
        Column("transcript_id", Text, ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True),
        # The number of the event that told of it.
        Column("sequence", BigInteger, primary_key=True),
        Column("number", Integer, nullable=False),
        Column("editor_id", Text, nullable=False),
        Column("before", Text, nullable=False),
        Column("after", Text, nullable=False),
        Column("edited_at", DateTime(timezone=True), nullable=False),
    )
    if role := service_role():
        # Neither UPDATE nor DELETE: what was edited stays on record until its transcript goes.
        op.execute(f'GRANT SELECT, INSERT ON edits TO "{role}"')
