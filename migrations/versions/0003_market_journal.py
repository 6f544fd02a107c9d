"""market journal

Revision ID: 0003
Revises: 0002

"""
from alembic import op
import sqlalchemy as sa


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('market_version',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('epoch', sa.String(length=32), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.CheckConstraint('id = 1', name=op.f('ck_market_version_one_row')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_market_version'))
    )
    op.create_table('listing_change',
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('listing_id', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('version', 'listing_id', name=op.f('pk_listing_change'))
    )


def downgrade():
    op.drop_table('listing_change')
    op.drop_table('market_version')
