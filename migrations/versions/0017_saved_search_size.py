"""saved search by size of structure

Revision ID: 0017
Revises: 0016

"""
from alembic import op
import sqlalchemy as sa


revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


SIZE = sa.Enum(
    '0', '1-9', '10-49', '50-249', '250+', name='saved_size', native_enum=False, create_constraint=True, length=24
)


def upgrade():
    with op.batch_alter_table('saved_search', schema=None) as batch_op:
        batch_op.add_column(sa.Column('size_class', SIZE, nullable=True))


def downgrade():
    with op.batch_alter_table('saved_search', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_saved_search_saved_size'), type_='check')
        batch_op.drop_column('size_class')
