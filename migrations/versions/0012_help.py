"""help

Revision ID: 0012
Revises: 0011

"""
from alembic import op
import sqlalchemy as sa

from marketplace.models.types import UtcDateTime


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('help_link',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=40), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('publisher', sa.String(length=120), nullable=False),
    sa.Column('family', sa.Enum('diagnosis', 'public_training', 'private_training', 'aid', name='link_family', native_enum=False, length=24, create_constraint=True), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('url', sa.String(length=300), nullable=False),
    sa.Column('parameters', sa.String(length=200), nullable=False),
    sa.Column('size', sa.Enum('all', 'tpe', 'pme', name='link_size', native_enum=False, length=24, create_constraint=True), nullable=False),
    sa.Column('domains', sa.JSON(), nullable=False),
    sa.Column('sections', sa.JSON(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('checked_on', sa.Date(), nullable=False),
    sa.Column('edited_at', UtcDateTime(timezone=True), nullable=True),
    sa.Column('tested_at', UtcDateTime(timezone=True), nullable=True),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.CheckConstraint('failures >= 0', name=op.f('ck_help_link_failures_bounds')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_help_link')),
    sa.UniqueConstraint('key', name=op.f('uq_help_link_key'))
    )
    op.create_table('guide',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.Enum('guide', 'testimonial', name='guide_kind', native_enum=False, length=24, create_constraint=True), nullable=False),
    sa.Column('state', sa.Enum('pending', 'published', 'rejected', 'withdrawn', name='guide_state', native_enum=False, length=24, create_constraint=True), nullable=False),
    sa.Column('title', sa.String(length=120), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('url', sa.String(length=300), nullable=False),
    sa.Column('publisher', sa.String(length=120), nullable=False),
    sa.Column('section', sa.String(length=6), nullable=True),
    sa.Column('skill_id', sa.Integer(), nullable=True),
    sa.Column('territory_siren', sa.String(length=9), nullable=True),
    sa.Column('proposed_by_id', sa.Integer(), nullable=True),
    sa.Column('proposed_at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('decided_by_id', sa.Integer(), nullable=True),
    sa.Column('decided_at', UtcDateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name=op.f('ck_guide_decided_has_date')),
    sa.ForeignKeyConstraint(['decided_by_id'], ['user.id'], name=op.f('fk_guide_decided_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['proposed_by_id'], ['user.id'], name=op.f('fk_guide_proposed_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['section'], ['sector.code'], name=op.f('fk_guide_section')),
    sa.ForeignKeyConstraint(['skill_id'], ['skill.id'], name=op.f('fk_guide_skill_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_guide_territory_siren')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_guide'))
    )
    with op.batch_alter_table('guide', schema=None) as batch_op:
        batch_op.create_index('ix_guide_list', ['state', 'territory_siren', 'section'], unique=False)
        batch_op.create_index(batch_op.f('ix_guide_proposed_by_id'), ['proposed_by_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_guide_skill_id'), ['skill_id'], unique=False)

    op.create_table('path_tick',
    sa.Column('listing_id', sa.Integer(), nullable=False),
    sa.Column('step', sa.Enum('exchange', 'learn', 'provider', name='path_step', native_enum=False, length=24, create_constraint=True), nullable=False),
    sa.Column('done_at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('by_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['by_id'], ['user.id'], name=op.f('fk_path_tick_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('fk_path_tick_listing_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('listing_id', 'step', name=op.f('pk_path_tick'))
    )


def downgrade():
    op.drop_table('path_tick')
    op.drop_table('guide')
    op.drop_table('help_link')
