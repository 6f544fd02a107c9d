"""workshops

Revision ID: 0010
Revises: 0009

"""
from alembic import op
import sqlalchemy as sa

from marketplace.models.types import UtcDateTime


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def closed_list(name, *values):
    return sa.Enum(*values, name=name, native_enum=False, length=24, create_constraint=True)


def upgrade():
    op.create_table('workshop',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('territory_siren', sa.String(length=9), nullable=False),
    sa.Column('skill_id', sa.Integer(), nullable=False),
    sa.Column('commune_insee', sa.String(length=5), nullable=False),
    sa.Column('state', closed_list('workshop_state', 'planned', 'held', 'cancelled'), nullable=False),
    sa.Column('place', sa.String(length=200), nullable=False),
    sa.Column('host', sa.String(length=200), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('starts_at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('capacity', sa.Integer(), nullable=False),
    sa.Column('organiser_id', sa.Integer(), nullable=True),
    sa.Column('present', sa.Integer(), nullable=True),
    sa.Column('cancel_reason', sa.String(length=500), nullable=False),
    sa.Column('created_at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint('capacity BETWEEN 1 AND 500', name=op.f('ck_workshop_capacity_bounds')),
    sa.CheckConstraint('present BETWEEN 0 AND 500', name=op.f('ck_workshop_present_bounds')),
    sa.CheckConstraint("(state = 'held') = (present IS NOT NULL)", name=op.f('ck_workshop_held_has_present')),
    sa.CheckConstraint('length(message) <= 2000', name=op.f('ck_workshop_message_length')),
    sa.ForeignKeyConstraint(['commune_insee'], ['commune.insee'], name=op.f('fk_workshop_commune_insee')),
    sa.ForeignKeyConstraint(['organiser_id'], ['user.id'], name=op.f('fk_workshop_organiser_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['skill_id'], ['skill.id'], name=op.f('fk_workshop_skill_id')),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_workshop_territory_siren')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_workshop'))
    )
    op.create_index('ix_workshop_territory', 'workshop', ['territory_siren', 'state', 'starts_at'])
    op.create_index(op.f('ix_workshop_skill_id'), 'workshop', ['skill_id'])
    op.create_index(op.f('ix_workshop_organiser_id'), 'workshop', ['organiser_id'])
    op.create_table('workshop_invitation',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('workshop_id', sa.Integer(), nullable=False),
    sa.Column('need_id', sa.Integer(), nullable=False),
    sa.Column('organisation_id', sa.Integer(), nullable=False),
    sa.Column('sent_at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('answer', closed_list('invitation_answer', 'accepted', 'declined'), nullable=True),
    sa.Column('answered_at', UtcDateTime(timezone=True), nullable=True),
    sa.Column('attended', sa.Boolean(), nullable=True),
    sa.Column('fulfilled', sa.Boolean(), nullable=True),
    sa.CheckConstraint('(answer IS NULL) = (answered_at IS NULL)', name=op.f('ck_workshop_invitation_answer_has_date')),
    sa.CheckConstraint('fulfilled IS NULL OR attended', name=op.f('ck_workshop_invitation_fulfilled_after_attending')),
    sa.ForeignKeyConstraint(['need_id'], ['listing.id'], name=op.f('fk_workshop_invitation_need_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_workshop_invitation_organisation_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workshop_id'], ['workshop.id'], name=op.f('fk_workshop_invitation_workshop_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_workshop_invitation')),
    sa.UniqueConstraint('workshop_id', 'need_id', name=op.f('uq_workshop_invitation_workshop_id_need_id'))
    )
    op.create_index(op.f('ix_workshop_invitation_need_id'), 'workshop_invitation', ['need_id'])
    op.create_index(op.f('ix_workshop_invitation_organisation_id'), 'workshop_invitation', ['organisation_id'])


def downgrade():
    op.drop_table('workshop_invitation')
    op.drop_table('workshop')
