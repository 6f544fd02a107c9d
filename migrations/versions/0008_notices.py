"""notices

Revision ID: 0008
Revises: 0007

"""
from alembic import op
import sqlalchemy as sa

from marketplace.models.types import UtcDateTime


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

CATEGORIES = ('illegal', 'commercial', 'personal_data', 'disrespectful', 'off_topic', 'other')
SUBJECTS = ('listing', 'organisation', 'match')


def closed_list(name, *values):
    return sa.Enum(*values, name=name, native_enum=False, length=24, create_constraint=True)


def exactly_one(*columns):
    return ' + '.join(f'CASE WHEN {name} IS NULL THEN 0 ELSE 1 END' for name in columns) + ' = 1'


def upgrade():
    op.create_table('report_case',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('listing_id', sa.Integer(), nullable=True),
    sa.Column('organisation_id', sa.Integer(), nullable=True),
    sa.Column('match_id', sa.Integer(), nullable=True),
    sa.Column('territory_siren', sa.String(length=9), nullable=True),
    sa.Column('snapshot', sa.JSON(), nullable=False),
    sa.Column('opened_at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('closed_at', UtcDateTime(timezone=True), nullable=True),
    sa.Column('closed_by_id', sa.Integer(), nullable=True),
    sa.Column('outcome', closed_list('case_outcome', 'no_action', 'action'), nullable=True),
    sa.Column('reasons', sa.Text(), nullable=False),
    sa.Column('decision_id', sa.Integer(), nullable=True),
    sa.CheckConstraint(exactly_one('listing_id', 'organisation_id', 'match_id'), name=op.f('ck_report_case_one_subject')),
    sa.CheckConstraint('(closed_at IS NULL) = (outcome IS NULL)', name=op.f('ck_report_case_closed_has_outcome')),
    sa.CheckConstraint("(COALESCE(outcome, '') = 'action') = (decision_id IS NOT NULL)", name=op.f('ck_report_case_action_has_decision')),
    sa.CheckConstraint("outcome IS NULL OR outcome = 'action' OR length(reasons) > 0", name=op.f('ck_report_case_none_has_reasons')),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('fk_report_case_listing_id')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_report_case_organisation_id')),
    sa.ForeignKeyConstraint(['match_id'], ['match.id'], name=op.f('fk_report_case_match_id')),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_report_case_territory_siren')),
    sa.ForeignKeyConstraint(['closed_by_id'], ['user.id'], name=op.f('fk_report_case_closed_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['decision_id'], ['moderation_decision.id'], name=op.f('fk_report_case_decision_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_report_case'))
    )
    with op.batch_alter_table('report_case', schema=None) as batch_op:
        for column in ('listing_id', 'organisation_id', 'match_id', 'decision_id'):
            batch_op.create_index(batch_op.f(f'ix_report_case_{column}'), [column], unique=False)
        for subject in SUBJECTS:
            batch_op.create_index(f'ix_report_case_open_{subject}', [f'{subject}_id'], unique=True, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))
        batch_op.create_index('ix_report_case_queue', ['closed_at', 'territory_siren', 'opened_at'], unique=False)
        batch_op.create_index('ix_report_case_territory', ['territory_siren', 'opened_at'], unique=False)

    op.create_table('report',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('case_id', sa.Integer(), nullable=False),
    sa.Column('category', closed_list('report_category', *CATEGORIES), nullable=False),
    sa.Column('explanation', sa.Text(), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('reporter_id', sa.Integer(), nullable=True),
    sa.Column('created_at', UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint('length(explanation) BETWEEN 1 AND 3000', name=op.f('ck_report_explanation_length')),
    sa.CheckConstraint('email = lower(email)', name=op.f('ck_report_email_lower')),
    sa.ForeignKeyConstraint(['case_id'], ['report_case.id'], name=op.f('fk_report_case_id')),
    sa.ForeignKeyConstraint(['reporter_id'], ['user.id'], name=op.f('fk_report_reporter_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_report')),
    sa.UniqueConstraint('case_id', 'email', name=op.f('uq_report_case_id_email'))
    )
    with op.batch_alter_table('report', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_report_reporter_id'), ['reporter_id'], unique=False)

    op.create_table('appeal',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('decision_id', sa.Integer(), nullable=True),
    sa.Column('report_id', sa.Integer(), nullable=True),
    sa.Column('territory_siren', sa.String(length=9), nullable=True),
    sa.Column('first_decider_id', sa.Integer(), nullable=True),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('created_at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('due_at', UtcDateTime(timezone=True), nullable=False),
    sa.Column('decided_at', UtcDateTime(timezone=True), nullable=True),
    sa.Column('decided_by_id', sa.Integer(), nullable=True),
    sa.Column('outcome', closed_list('appeal_outcome', 'upheld', 'reversed'), nullable=True),
    sa.Column('reasons', sa.Text(), nullable=False),
    sa.CheckConstraint(exactly_one('decision_id', 'report_id'), name=op.f('ck_appeal_one_subject')),
    sa.CheckConstraint('length(text) BETWEEN 1 AND 5000', name=op.f('ck_appeal_text_length')),
    sa.CheckConstraint('(decided_at IS NULL) = (outcome IS NULL)', name=op.f('ck_appeal_decided_has_outcome')),
    sa.CheckConstraint('outcome IS NULL OR length(reasons) > 0', name=op.f('ck_appeal_outcome_has_reasons')),
    sa.CheckConstraint('decided_by_id <> first_decider_id', name=op.f('ck_appeal_another_person')),
    sa.ForeignKeyConstraint(['decision_id'], ['moderation_decision.id'], name=op.f('fk_appeal_decision_id')),
    sa.ForeignKeyConstraint(['report_id'], ['report.id'], name=op.f('fk_appeal_report_id')),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_appeal_territory_siren')),
    sa.ForeignKeyConstraint(['first_decider_id'], ['user.id'], name=op.f('fk_appeal_first_decider_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['decided_by_id'], ['user.id'], name=op.f('fk_appeal_decided_by_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_appeal')),
    sa.UniqueConstraint('decision_id', name=op.f('uq_appeal_decision_id')),
    sa.UniqueConstraint('report_id', name=op.f('uq_appeal_report_id'))
    )
    with op.batch_alter_table('appeal', schema=None) as batch_op:
        batch_op.create_index('ix_appeal_queue', ['decided_at', 'territory_siren', 'created_at'], unique=False)
        batch_op.create_index('ix_appeal_territory', ['territory_siren', 'created_at'], unique=False)


def downgrade():
    op.drop_table('appeal')
    op.drop_table('report')
    op.drop_table('report_case')
