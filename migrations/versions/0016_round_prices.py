"""round prices

Revision ID: 0016
Revises: 0015

"""
from alembic import op
import sqlalchemy as sa


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('round_price',
    sa.Column('listing_id', sa.Integer(), nullable=False),
    sa.Column('round_id', sa.Integer(), nullable=False),
    sa.Column('price', sa.Double(), nullable=True),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('fk_round_price_listing_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['round_id'], ['matching_round.id'], name=op.f('fk_round_price_round_id')),
    sa.PrimaryKeyConstraint('listing_id', name=op.f('pk_round_price'))
    )
    with op.batch_alter_table('round_price', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_round_price_round_id'), ['round_id'], unique=False)


def downgrade():
    with op.batch_alter_table('round_price', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_round_price_round_id'))

    op.drop_table('round_price')
