"""search

Revision ID: 0004
Revises: 0003

"""
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

KINDS = ('need', 'offer')


def closed_list(*values, name):
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def upgrade():
    words = sa.Text().with_variant(postgresql.TSVECTOR(), 'postgresql')
    op.create_table('search_entry',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('listing_id', sa.Integer(), nullable=False),
    sa.Column('organisation_id', sa.Integer(), nullable=False),
    sa.Column('kind', closed_list(*KINDS, name='search_kind'), nullable=False),
    sa.Column('skill_id', sa.Integer(), nullable=False),
    sa.Column('skill_2_id', sa.Integer(), nullable=True),
    sa.Column('skill_3_id', sa.Integer(), nullable=True),
    sa.Column('territory_siren', sa.String(length=9), nullable=True),
    sa.Column('sector_code', sa.String(length=6), nullable=False),
    sa.Column('commune_insee', sa.String(length=5), nullable=False),
    sa.Column('places', sa.Integer(), nullable=False),
    sa.Column('lat', sa.Double(), nullable=True),
    sa.Column('lon', sa.Double(), nullable=True),
    sa.Column('published_at', sa.Double(), nullable=False),
    sa.Column('expires_at', sa.Double(), nullable=False),
    sa.Column('title', words, nullable=False),
    sa.Column('text', words, nullable=False),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('fk_search_entry_listing_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_search_entry')),
    sa.UniqueConstraint('listing_id', name=op.f('uq_search_entry_listing_id')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_search_entry_kind', 'search_entry', ['kind', 'id'])
    op.create_index('ix_search_entry_published', 'search_entry', ['published_at', 'id'])
    if op.get_context().dialect.name == 'postgresql':
        op.create_index('ix_search_entry_title', 'search_entry', ['title'], postgresql_using='gin')
        op.create_index('ix_search_entry_text', 'search_entry', ['text'], postgresql_using='gin')
    else:
        op.execute(
            "CREATE VIRTUAL TABLE search_text USING fts5(title, text, content='search_entry', content_rowid='id', "
            "detail='column', tokenize='unicode61 remove_diacritics 2')"
        )
    op.create_table('search_word',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('word', sa.String(length=30), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_search_word')),
    sa.UniqueConstraint('word', name=op.f('uq_search_word_word')),
    sqlite_autoincrement=True
    )
    op.create_table('saved_search',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.Column('frequency', closed_list('at_once', 'daily', 'weekly', 'off', name='frequency'), nullable=False),
    sa.Column('looked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', closed_list(*KINDS, name='saved_kind'), nullable=True),
    sa.Column('words', sa.String(length=100), nullable=False),
    sa.Column('skill_id', sa.Integer(), nullable=True),
    sa.Column('domain_slug', sa.String(length=40), nullable=True),
    sa.Column('commune_insee', sa.String(length=5), nullable=True),
    sa.Column('radius_km', sa.Integer(), nullable=True),
    sa.Column('territory_siren', sa.String(length=9), nullable=True),
    sa.Column('sector_code', sa.String(length=6), nullable=True),
    sa.Column('venue', closed_list('on_site', 'remote', name='venue'), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('radius_km BETWEEN 0 AND 200', name=op.f('ck_saved_search_radius_bounds')),
    sa.CheckConstraint('(commune_insee IS NULL) = (radius_km IS NULL)', name=op.f('ck_saved_search_radius_of_place')),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_saved_search_user_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['skill_id'], ['skill.id'], name=op.f('fk_saved_search_skill_id')),
    sa.ForeignKeyConstraint(['domain_slug'], ['skill_domain.slug'], name=op.f('fk_saved_search_domain_slug')),
    sa.ForeignKeyConstraint(['commune_insee'], ['commune.insee'], name=op.f('fk_saved_search_commune_insee')),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_saved_search_territory_siren')),
    sa.ForeignKeyConstraint(['sector_code'], ['sector.code'], name=op.f('fk_saved_search_sector_code')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_search'))
    )
    op.create_index(op.f('ix_saved_search_user_id'), 'saved_search', ['user_id'])
    op.create_index('ix_saved_search_due', 'saved_search', ['frequency', 'looked_at'])
    op.create_index('ix_saved_search_default', 'saved_search', ['user_id'], unique=True, sqlite_where=sa.text('is_default'), postgresql_where=sa.text('is_default'))
    op.create_table('saved_search_news',
    sa.Column('saved_search_id', sa.Integer(), nullable=False),
    sa.Column('listing_id', sa.Integer(), nullable=False),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['saved_search_id'], ['saved_search.id'], name=op.f('fk_saved_search_news_saved_search_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('fk_saved_search_news_listing_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('saved_search_id', 'listing_id', name=op.f('pk_saved_search_news'))
    )
    op.create_index(op.f('ix_saved_search_news_told_at'), 'saved_search_news', ['told_at'])
    op.create_index('ix_saved_search_news_listing', 'saved_search_news', ['listing_id'])
    op.add_column('outbox_mail', sa.Column('unsubscribe_url', sa.String(length=300), nullable=True))


def downgrade():
    op.drop_column('outbox_mail', 'unsubscribe_url')
    op.drop_table('saved_search_news')
    op.drop_table('saved_search')
    op.drop_table('search_word')
    if op.get_context().dialect.name == 'sqlite':
        op.execute('DROP TABLE search_text')
    op.drop_table('search_entry')
