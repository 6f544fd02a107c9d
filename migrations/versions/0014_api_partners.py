"""api partners

Revision ID: 0014
Revises: 0013

"""
from alembic import op
import sqlalchemy as sa


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('partner',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('territory_siren', sa.String(length=9), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_partner_territory_siren')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_partner')),
    sa.UniqueConstraint('territory_siren', 'name', name=op.f('uq_partner_territory_siren_name'))
    )
    op.create_table('partner_token',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('partner_id', sa.Integer(), nullable=False),
    sa.Column('prefix', sa.String(length=8), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('issued_by_id', sa.Integer(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['issued_by_id'], ['user.id'], name=op.f('fk_partner_token_issued_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['partner_id'], ['partner.id'], name=op.f('fk_partner_token_partner_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_partner_token')),
    sa.UniqueConstraint('prefix', name=op.f('uq_partner_token_prefix'))
    )
    op.create_index('ix_partner_token_partner_id', 'partner_token', ['partner_id'])
    op.create_table('partner_consent',
    sa.Column('partner_id', sa.Integer(), nullable=False),
    sa.Column('organisation_id', sa.Integer(), nullable=False),
    sa.Column('given_by_id', sa.Integer(), nullable=False),
    sa.Column('given_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['given_by_id'], ['user.id'], name=op.f('fk_partner_consent_given_by_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_partner_consent_organisation_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['partner_id'], ['partner.id'], name=op.f('fk_partner_consent_partner_id')),
    sa.PrimaryKeyConstraint('partner_id', 'organisation_id', name=op.f('pk_partner_consent'))
    )
    op.create_index('ix_partner_consent_given_by_id', 'partner_consent', ['given_by_id'])
    op.create_index('ix_partner_consent_organisation_id', 'partner_consent', ['organisation_id'])
    op.create_table('partner_listing',
    sa.Column('listing_id', sa.Integer(), nullable=False),
    sa.Column('partner_id', sa.Integer(), nullable=False),
    sa.Column('token_id', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('fk_partner_listing_listing_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['partner_id'], ['partner.id'], name=op.f('fk_partner_listing_partner_id')),
    sa.ForeignKeyConstraint(['token_id'], ['partner_token.id'], name=op.f('fk_partner_listing_token_id')),
    sa.PrimaryKeyConstraint('listing_id', name=op.f('pk_partner_listing'))
    )
    op.create_index('ix_partner_listing_partner', 'partner_listing', ['partner_id', 'listing_id'])
    op.create_index('ix_partner_listing_token_id', 'partner_listing', ['token_id'])
    op.create_table('idempotent_request',
    sa.Column('token_id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('answer', sa.JSON(none_as_null=True), nullable=True),
    sa.CheckConstraint('length(key) >= 1', name=op.f('ck_idempotent_request_key_not_empty')),
    sa.ForeignKeyConstraint(['token_id'], ['partner_token.id'], name=op.f('fk_idempotent_request_token_id')),
    sa.PrimaryKeyConstraint('token_id', 'key', name=op.f('pk_idempotent_request'))
    )
    op.create_index('ix_idempotent_request_started_at', 'idempotent_request', ['started_at'])


def downgrade():
    op.drop_table('idempotent_request')
    op.drop_table('partner_listing')
    op.drop_table('partner_consent')
    op.drop_table('partner_token')
    op.drop_table('partner')
