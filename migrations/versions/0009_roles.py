"""roles

Revision ID: 0009
Revises: 0008

"""
from alembic import op
import sqlalchemy as sa


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def closed_list(*values, name):
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def upgrade():
    op.add_column('user', sa.Column('second_factor_at', sa.DateTime(timezone=True), nullable=True))
    op.create_table('second_factor',
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('sealed_secret', sa.String(length=200), nullable=False),
    sa.Column('last_step', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_second_factor_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_second_factor'))
    )
    op.create_table('recovery_code',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('code_hash', sa.String(length=64), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_recovery_code_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recovery_code')),
    sa.UniqueConstraint('user_id', 'code_hash', name=op.f('uq_recovery_code_user_id_code_hash'))
    )
    op.create_table('territory_invitation',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('territory_siren', sa.String(length=9), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('role', closed_list('moderator', 'head', name='invitation_role'), nullable=False),
    sa.Column('invited_by_id', sa.Integer(), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('email = lower(email)', name=op.f('ck_territory_invitation_email_lower')),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_territory_invitation_territory_siren')),
    sa.ForeignKeyConstraint(['invited_by_id'], ['user.id'], name=op.f('fk_territory_invitation_invited_by_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_territory_invitation')),
    sa.UniqueConstraint('territory_siren', 'email', name=op.f('uq_territory_invitation_territory_siren_email'))
    )
    op.create_table('territory_logo',
    sa.Column('territory_siren', sa.String(length=9), nullable=False),
    sa.Column('media_type', sa.String(length=20), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_territory_logo_territory_siren')),
    sa.PrimaryKeyConstraint('territory_siren', name=op.f('pk_territory_logo'))
    )
    with op.batch_alter_table('territory') as batch_op:
        batch_op.add_column(sa.Column('contact', sa.String(length=300), server_default='', nullable=False))
        batch_op.add_column(sa.Column('charter', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('trusted_after', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('partners', sa.JSON(), server_default='[]', nullable=False))
        batch_op.add_column(sa.Column('logo_mark', sa.String(length=16), server_default='', nullable=False))
        batch_op.create_check_constraint(op.f('ck_territory_trusted_after_bounds'), 'trusted_after BETWEEN 0 AND 100')
    # For the rows that are there only: PostgreSQL cannot compare a default of JSON.
    with op.batch_alter_table('territory') as batch_op:
        batch_op.alter_column('partners', existing_type=sa.JSON(), existing_nullable=False, server_default=None)


def downgrade():
    with op.batch_alter_table('territory') as batch_op:
        batch_op.drop_constraint(op.f('ck_territory_trusted_after_bounds'), type_='check')
        for name in ('logo_mark', 'partners', 'trusted_after', 'charter', 'contact'):
            batch_op.drop_column(name)
    op.drop_table('territory_logo')
    op.drop_table('territory_invitation')
    op.drop_table('recovery_code')
    op.drop_table('second_factor')
    op.drop_column('user', 'second_factor_at')
