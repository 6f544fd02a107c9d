"""providers

Revision ID: 0011
Revises: 0010

"""
from alembic import op
import sqlalchemy as sa


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

REVIEW_STATES = ('pending', 'published', 'refused')


def closed_list(*values, name):
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def upgrade():
    op.create_table('provider_list',
    sa.Column('slug', sa.String(length=60), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('publisher', sa.String(length=120), nullable=False),
    sa.Column('url', sa.String(length=300), nullable=False),
    sa.Column('data_on', sa.Date(), nullable=False),
    sa.Column('imported_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('standing', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('slug', name=op.f('pk_provider_list'))
    )
    op.create_table('provider_theme',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=200), nullable=False),
    sa.Column('label', sa.String(length=200), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_provider_theme')),
    sa.UniqueConstraint('key', name=op.f('uq_provider_theme_key'))
    )
    op.create_table('provider_opt_out',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('identifier', sa.String(length=120), nullable=False),
    sa.Column('reason', sa.String(length=300), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['created_by_id'], ['user.id'], name=op.f('fk_provider_opt_out_created_by_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_provider_opt_out')),
    sa.UniqueConstraint('identifier', name=op.f('uq_provider_opt_out_identifier'))
    )
    op.create_table('provider_theme_skill',
    sa.Column('theme_id', sa.Integer(), nullable=False),
    sa.Column('skill_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['skill_id'], ['skill.id'], name=op.f('fk_provider_theme_skill_skill_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['theme_id'], ['provider_theme.id'], name=op.f('fk_provider_theme_skill_theme_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('theme_id', 'skill_id', name=op.f('pk_provider_theme_skill'))
    )
    op.create_index(op.f('ix_provider_theme_skill_skill_id'), 'provider_theme_skill', ['skill_id'])
    op.create_table('provider',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=120), nullable=False),
    sa.Column('list_slug', sa.String(length=60), nullable=False),
    sa.Column('siret', sa.String(length=14), nullable=True),
    sa.Column('siren', sa.String(length=9), nullable=True),
    sa.Column('name', sa.String(length=160), nullable=False),
    sa.Column('sort_name', sa.String(length=160), nullable=False),
    sa.Column('kind', closed_list('public', 'private', 'association', name='provider_kind'), nullable=True),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('address', sa.String(length=200), nullable=False),
    sa.Column('commune_insee', sa.String(length=5), nullable=False),
    sa.Column('lat', sa.Double(), nullable=True),
    sa.Column('lon', sa.Double(), nullable=True),
    sa.Column('point_source', closed_list('commune', 'address', 'file', name='point_source'), nullable=False),
    sa.Column('website', sa.String(length=300), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('free_first_meeting', sa.Boolean(), nullable=True),
    sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('(lat IS NULL) = (lon IS NULL)', name=op.f('ck_provider_point_whole')),
    sa.ForeignKeyConstraint(['commune_insee'], ['commune.insee'], name=op.f('fk_provider_commune_insee')),
    sa.ForeignKeyConstraint(['list_slug'], ['provider_list.slug'], name=op.f('fk_provider_list_slug')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_provider')),
    sa.UniqueConstraint('key', name=op.f('uq_provider_key'))
    )
    op.create_index(op.f('ix_provider_commune_insee'), 'provider', ['commune_insee'])
    op.create_index(op.f('ix_provider_list_slug'), 'provider', ['list_slug'])
    op.create_index('ix_provider_point', 'provider', ['lat', 'lon'])
    op.create_index(op.f('ix_provider_siren'), 'provider', ['siren'])
    op.create_index('ix_provider_sort', 'provider', ['sort_name', 'id'])
    op.create_table('provider_label',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('provider_id', sa.Integer(), nullable=False),
    sa.Column('list_slug', sa.String(length=60), nullable=False),
    sa.Column('record_key', sa.String(length=60), nullable=False),
    sa.Column('kind', closed_list('activateur', 'expertcyber', 'qualiopi', 'other', name='label_kind'), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=True),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('page_url', sa.String(length=300), nullable=False),
    sa.Column('digest', sa.String(length=32), nullable=False),
    sa.Column('withdrawn_on', sa.Date(), nullable=True),
    sa.CheckConstraint('valid_until >= valid_from', name=op.f('ck_provider_label_valid_in_order')),
    sa.ForeignKeyConstraint(['list_slug'], ['provider_list.slug'], name=op.f('fk_provider_label_list_slug')),
    sa.ForeignKeyConstraint(['provider_id'], ['provider.id'], name=op.f('fk_provider_label_provider_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_provider_label')),
    sa.UniqueConstraint('list_slug', 'record_key', name=op.f('uq_provider_label_list_slug_record_key'))
    )
    op.create_index(op.f('ix_provider_label_provider_id'), 'provider_label', ['provider_id'])
    op.create_table('provider_review',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('provider_id', sa.Integer(), nullable=False),
    sa.Column('organisation_id', sa.Integer(), nullable=False),
    sa.Column('author_id', sa.Integer(), nullable=True),
    sa.Column('territory_siren', sa.String(length=9), nullable=True),
    sa.Column('basis', closed_list('exchange', 'service', name='review_basis'), nullable=False),
    sa.Column('rating', sa.Integer(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('state', closed_list(*REVIEW_STATES, name='review_state'), nullable=False),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by_id', sa.Integer(), nullable=True),
    sa.Column('ground', closed_list('no_service', 'personal_data', 'disrespectful', 'commercial', 'illegal', name='review_ground'), nullable=True),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.Column('reply', sa.Text(), nullable=False),
    sa.Column('reply_state', closed_list(*REVIEW_STATES, name='reply_state'), nullable=True),
    sa.Column('replied_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state <> 'refused' OR (ground IS NOT NULL AND length(facts) > 0)", name=op.f('ck_provider_review_refused_has_reasons')),
    sa.CheckConstraint('(reply_state IS NULL) = (replied_at IS NULL)', name=op.f('ck_provider_review_reply_has_date')),
    sa.CheckConstraint('rating BETWEEN 1 AND 5', name=op.f('ck_provider_review_rating_bounds')),
    sa.ForeignKeyConstraint(['author_id'], ['user.id'], name=op.f('fk_provider_review_author_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['decided_by_id'], ['user.id'], name=op.f('fk_provider_review_decided_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_provider_review_organisation_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['provider_id'], ['provider.id'], name=op.f('fk_provider_review_provider_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_provider_review_territory_siren')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_provider_review')),
    sa.UniqueConstraint('provider_id', 'organisation_id', name=op.f('uq_provider_review_provider_id_organisation_id'))
    )
    op.create_index(op.f('ix_provider_review_author_id'), 'provider_review', ['author_id'])
    op.create_index(op.f('ix_provider_review_organisation_id'), 'provider_review', ['organisation_id'])
    op.create_index('ix_provider_review_queue', 'provider_review', ['territory_siren', 'state', 'submitted_at'])
    op.create_table('provider_label_theme',
    sa.Column('label_id', sa.Integer(), nullable=False),
    sa.Column('theme_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['label_id'], ['provider_label.id'], name=op.f('fk_provider_label_theme_label_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['theme_id'], ['provider_theme.id'], name=op.f('fk_provider_label_theme_theme_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('label_id', 'theme_id', name=op.f('pk_provider_label_theme'))
    )
    op.create_index(op.f('ix_provider_label_theme_theme_id'), 'provider_label_theme', ['theme_id'])


def downgrade():
    op.drop_table('provider_label_theme')
    op.drop_table('provider_review')
    op.drop_table('provider_label')
    op.drop_table('provider')
    op.drop_table('provider_theme_skill')
    op.drop_table('provider_opt_out')
    op.drop_table('provider_theme')
    op.drop_table('provider_list')
