"""audit chain

Revision ID: 0006
Revises: 0005

Printed SQL (`--sql`) chains no row, as it reads none: it suits a database whose log is still empty.
"""
import hashlib
import json
from datetime import UTC, datetime

from alembic import context, op
import sqlalchemy as sa


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

NO_HASH = '0' * 64
HASHED = ('at', 'actor_id', 'action', 'subject_type', 'subject_id', 'territory_siren', 'before', 'after', 'reason')


def upgrade():
    head = op.create_table('audit_head',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('entries', sa.Integer(), nullable=False),
    sa.Column('hash', sa.String(length=64), nullable=False),
    sa.CheckConstraint('id = 1', name=op.f('ck_audit_head_one_row')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_head'))
    )
    with op.batch_alter_table('audit_entry') as batch_op:
        batch_op.drop_constraint(op.f('fk_audit_entry_actor_id'), type_='foreignkey')
        batch_op.add_column(sa.Column('previous_hash', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('hash', sa.String(length=64), nullable=True))
    entries, last = (0, NO_HASH) if context.is_offline_mode() else chain()
    op.bulk_insert(head, [{'id': 1, 'entries': entries, 'hash': last}])
    with op.batch_alter_table('audit_entry') as batch_op:
        batch_op.alter_column('previous_hash', existing_type=sa.String(length=64), nullable=False)
        batch_op.alter_column('hash', existing_type=sa.String(length=64), nullable=False)
        batch_op.create_unique_constraint(op.f('uq_audit_entry_previous_hash'), ['previous_hash'])
        batch_op.create_index(op.f('ix_audit_entry_action'), ['action'])


def downgrade():
    with op.batch_alter_table('audit_entry') as batch_op:
        batch_op.drop_index(op.f('ix_audit_entry_action'))
        batch_op.drop_constraint(op.f('uq_audit_entry_previous_hash'), type_='unique')
        batch_op.drop_column('hash')
        batch_op.drop_column('previous_hash')
    op.execute('UPDATE audit_entry SET actor_id = NULL WHERE actor_id NOT IN (SELECT id FROM "user")')
    with op.batch_alter_table('audit_entry') as batch_op:
        batch_op.create_foreign_key(op.f('fk_audit_entry_actor_id'), 'user', ['actor_id'], ['id'], ondelete='SET NULL')
    op.drop_table('audit_head')


def chain():
    """Chain the rows that are there; return how many, and the last hash."""
    table = sa.table('audit_entry', sa.column('id'), sa.column('previous_hash'), sa.column('hash'),
                     sa.column('at', sa.DateTime(timezone=True)), sa.column('before', sa.JSON), sa.column('after', sa.JSON),
                     *(sa.column(name) for name in HASHED if name not in ('at', 'before', 'after')))
    connection, last, entries = op.get_bind(), NO_HASH, 0
    ids = connection.scalars(sa.select(table.c.id).order_by(table.c.id)).all()
    for entries, key in enumerate(ids, start=1):
        row = connection.execute(sa.select(table).where(table.c.id == key)).one()
        digest = hash_of(last, row)
        connection.execute(sa.update(table).where(table.c.id == key).values(previous_hash=last, hash=digest))
        last = digest
    return entries, last


def hash_of(previous, row):
    told = {name: getattr(row, name) for name in HASHED}
    at: datetime = told['at']
    told['at'] = (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
    text = json.dumps(told, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(f'{previous}\n{text}'.encode()).hexdigest()
