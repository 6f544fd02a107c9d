"""integration

Revision ID: 0015
Revises: 0014

"""
from alembic import op
import sqlalchemy as sa


revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

VISIT_KINDS = ('link', 'widget_shown', 'widget', 'feed')


def upgrade():
    op.create_table('visit_count',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('kind', sa.Enum(*VISIT_KINDS, name='visit_kind', native_enum=False, length=24, create_constraint=True), nullable=False),
    sa.Column('campaign', sa.String(length=40), nullable=False),
    sa.Column('territory_siren', sa.String(length=9), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.CheckConstraint('count >= 1', name=op.f('ck_visit_count_count_from_one')),
    sa.PrimaryKeyConstraint('day', 'kind', 'campaign', 'territory_siren', name=op.f('pk_visit_count'))
    )
    op.create_table('external_identity',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('issuer', sa.String(length=200), nullable=False),
    sa.Column('subject', sa.String(length=255), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('proposed_to_siren', sa.String(length=9), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_login_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['proposed_to_siren'], ['territory.siren'], name=op.f('fk_external_identity_proposed_to_siren')),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_external_identity_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_external_identity')),
    sa.UniqueConstraint('issuer', 'subject', name=op.f('uq_external_identity_issuer_subject'))
    )
    with op.batch_alter_table('external_identity', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_external_identity_user_id'), ['user_id'], unique=False)


def downgrade():
    with op.batch_alter_table('external_identity', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_external_identity_user_id'))

    op.drop_table('external_identity')
    op.drop_table('visit_count')
