"""skill editions

Revision ID: 0013
Revises: 0012

"""
from alembic import op
import sqlalchemy as sa

from marketplace.models.types import UtcDateTime


revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


KINDS = ('word_added', 'word_removed', 'changed', 'created', 'retired')


def upgrade():
    with op.batch_alter_table('skill', schema=None) as batch_op:
        batch_op.add_column(sa.Column('edited_in', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('retired_at', UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('successor_id', sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f('ix_skill_successor_id'), ['successor_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_skill_successor_id'), 'skill', ['successor_id'], ['id'])
        batch_op.create_check_constraint('retired_has_successor', '(retired_at IS NULL) = (successor_id IS NULL)')
        batch_op.create_check_constraint('not_its_own_successor', 'successor_id <> id')

    with op.batch_alter_table('skill_word', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_added', sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table('skill_word', schema=None) as batch_op:
        batch_op.alter_column('is_added', server_default=None)

    op.create_table('skill_level',
    sa.Column('skill_id', sa.Integer(), nullable=False),
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('text', sa.String(length=200), nullable=False),
    sa.CheckConstraint('level BETWEEN 1 AND 4', name=op.f('ck_skill_level_level_bounds')),
    sa.ForeignKeyConstraint(['skill_id'], ['skill.id'], name=op.f('fk_skill_level_skill_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('skill_id', 'level', name=op.f('pk_skill_level'))
    )
    op.create_table('skill_removed_word',
    sa.Column('skill_id', sa.Integer(), nullable=False),
    sa.Column('text', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['skill_id'], ['skill.id'], name=op.f('fk_skill_removed_word_skill_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('skill_id', 'text', name=op.f('pk_skill_removed_word'))
    )
    op.create_table('skill_edition',
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('kind', sa.Enum(*KINDS, name='edition_kind', native_enum=False, length=24, create_constraint=True), nullable=False),
    sa.Column('skill_id', sa.Integer(), nullable=False),
    sa.Column('at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('by_id', sa.Integer(), nullable=True),
    sa.Column('summary', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['by_id'], ['user.id'], name=op.f('fk_skill_edition_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['skill_id'], ['skill.id'], name=op.f('fk_skill_edition_skill_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_skill_edition')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('skill_edition', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_skill_edition_skill_id'), ['skill_id'], unique=False)


def downgrade():
    op.drop_table('skill_edition')
    op.drop_table('skill_removed_word')
    op.drop_table('skill_level')
    with op.batch_alter_table('skill_word', schema=None) as batch_op:
        batch_op.drop_column('is_added')
    with op.batch_alter_table('skill', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_skill_not_its_own_successor'), type_='check')
        batch_op.drop_constraint(batch_op.f('ck_skill_retired_has_successor'), type_='check')
        batch_op.drop_constraint(batch_op.f('fk_skill_successor_id'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_skill_successor_id'))
        batch_op.drop_column('successor_id')
        batch_op.drop_column('retired_at')
        batch_op.drop_column('edited_in')
