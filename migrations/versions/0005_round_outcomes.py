"""round outcomes

Revision ID: 0005
Revises: 0004

"""
from alembic import op
import sqlalchemy as sa


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

REASONS = (
    'outbid', 'share', 'taken', 'closed', 'radius', 'level', 'places', 'competitor', 'several', 'skill',
)


def upgrade():
    op.create_table('round_outcome',
    sa.Column('need_id', sa.Integer(), nullable=False),
    sa.Column('round_id', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Enum(*REASONS, name='left_alone', native_enum=False, length=24, create_constraint=True), nullable=False),
    sa.Column('lost', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['need_id'], ['listing.id'], name=op.f('fk_round_outcome_need_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['round_id'], ['matching_round.id'], name=op.f('fk_round_outcome_round_id')),
    sa.PrimaryKeyConstraint('need_id', name=op.f('pk_round_outcome'))
    )
    with op.batch_alter_table('round_outcome', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_round_outcome_round_id'), ['round_id'], unique=False)


def downgrade():
    with op.batch_alter_table('round_outcome', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_round_outcome_round_id'))

    op.drop_table('round_outcome')
