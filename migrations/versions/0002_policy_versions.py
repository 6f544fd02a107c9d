"""policy versions

Revision ID: 0002
Revises: 0001

"""
from alembic import op
import sqlalchemy as sa


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('policy_version',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('territory_siren', sa.String(length=9), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('policy', sa.JSON(), nullable=False),
    sa.Column('note', sa.String(length=300), nullable=False),
    sa.Column('applied_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('applied_by_id', sa.Integer(), nullable=True),
    sa.CheckConstraint('number >= 1', name=op.f('ck_policy_version_number_from_one')),
    sa.ForeignKeyConstraint(['applied_by_id'], ['user.id'], name=op.f('fk_policy_version_applied_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_policy_version_territory_siren')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_policy_version')),
    sa.UniqueConstraint('territory_siren', 'number', name=op.f('uq_policy_version_territory_siren_number'))
    )


def downgrade():
    op.drop_table('policy_version')
