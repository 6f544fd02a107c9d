"""desk

Revision ID: 0007
Revises: 0006

"""
from alembic import op
import sqlalchemy as sa


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

ACTIONS = ('approve', 'request_changes', 'reject', 'remove')
GROUNDS = ('not_digital', 'commercial', 'contact_data', 'duplicate', 'unclear', 'disrespectful', 'illegal')
NEW_ACTIONS = (*ACTIONS, 'suspend', 'restore')
NEW_GROUNDS = (*GROUNDS[:-1], 'false_identity', 'repeated', 'illegal')


def upgrade():
    with op.batch_alter_table('moderation_decision', copy_from=before()) as batch:
        batch.drop_constraint('ck_moderation_decision_decision_action')
        batch.drop_constraint('ck_moderation_decision_decision_ground')
        batch.drop_constraint('ck_moderation_decision_adverse_has_reasons')
        batch.alter_column('listing_id', existing_type=sa.Integer(), nullable=True)
        batch.add_column(sa.Column('organisation_id', sa.Integer(), nullable=True))
        batch.add_column(sa.Column('explanation', sa.Text(), server_default='', nullable=False))
        batch.add_column(sa.Column('follows_notice', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.add_column(sa.Column('statement', sa.Text(), server_default='', nullable=False))
        batch.add_column(sa.Column('reverses_id', sa.Integer(), nullable=True))
        batch.create_check_constraint(op.f('ck_moderation_decision_decision_action'), one_of('action', NEW_ACTIONS))
        batch.create_check_constraint(op.f('ck_moderation_decision_decision_ground'), one_of('ground', NEW_GROUNDS))
        batch.create_check_constraint(
            op.f('ck_moderation_decision_one_subject'), '(listing_id IS NULL) <> (organisation_id IS NULL)'
        )
        batch.create_check_constraint(
            op.f('ck_moderation_decision_adverse_has_reasons'),
            "action IN ('approve', 'restore') OR (ground IS NOT NULL AND length(facts) > 0)",
        )
        batch.create_check_constraint(
            op.f('ck_moderation_decision_suspends_organisations'),
            "action = 'restore' OR (action = 'suspend') = (organisation_id IS NOT NULL)",
        )
        batch.create_check_constraint(
            op.f('ck_moderation_decision_restore_reverses'),
            "(action = 'restore') = (reverses_id IS NOT NULL)",
        )
        batch.create_foreign_key(
            op.f('fk_moderation_decision_organisation_id'), 'organisation', ['organisation_id'], ['id']
        )
        batch.create_foreign_key(
            op.f('fk_moderation_decision_reverses_id'), 'moderation_decision', ['reverses_id'], ['id']
        )
        batch.create_unique_constraint(op.f('uq_moderation_decision_reverses_id'), ['reverses_id'])
        batch.create_index(op.f('ix_moderation_decision_organisation_id'), ['organisation_id'])

    op.create_table('reason_template',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=True),
    sa.Column('territory_siren', sa.String(length=9), nullable=True),
    sa.Column('replaces_id', sa.Integer(), nullable=True),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('ground', sa.Enum(*NEW_GROUNDS, name='template_ground', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.Column('explanation', sa.Text(), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('replaces_id IS NULL OR territory_siren IS NOT NULL', name=op.f('ck_reason_template_replaced_by_territories')),
    sa.CheckConstraint('code IS NULL OR territory_siren IS NULL', name=op.f('ck_reason_template_code_of_nation')),
    sa.CheckConstraint('length(name) > 0', name=op.f('ck_reason_template_has_name')),
    sa.ForeignKeyConstraint(['replaces_id'], ['reason_template.id'], name=op.f('fk_reason_template_replaces_id')),
    sa.ForeignKeyConstraint(['territory_siren'], ['territory.siren'], name=op.f('fk_reason_template_territory_siren')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_reason_template')),
    sa.UniqueConstraint('code', name=op.f('uq_reason_template_code')),
    sa.UniqueConstraint('territory_siren', 'replaces_id', name=op.f('uq_reason_template_territory_siren_replaces_id'))
    )


def downgrade():
    """What only the later table can say is lost: decisions on structures, and what takes decisions back."""
    op.drop_table('reason_template')
    op.execute("DELETE FROM moderation_decision WHERE action IN ('restore', 'suspend')")
    op.execute("UPDATE moderation_decision SET ground = 'unclear' WHERE ground IN ('false_identity', 'repeated')")
    with op.batch_alter_table('moderation_decision', copy_from=after()) as batch:
        batch.drop_index('ix_moderation_decision_organisation_id')
        batch.drop_constraint('uq_moderation_decision_reverses_id', type_='unique')
        batch.drop_constraint('fk_moderation_decision_reverses_id', type_='foreignkey')
        batch.drop_constraint('fk_moderation_decision_organisation_id', type_='foreignkey')
        for name in ('restore_reverses', 'suspends_organisations', 'adverse_has_reasons', 'one_subject',
                     'decision_ground', 'decision_action'):
            batch.drop_constraint(op.f(f'ck_moderation_decision_{name}'), type_='check')
        for name in ('reverses_id', 'statement', 'follows_notice', 'explanation', 'organisation_id'):
            batch.drop_column(name)
        batch.alter_column('listing_id', existing_type=sa.Integer(), nullable=False)
        batch.create_check_constraint(op.f('ck_moderation_decision_decision_action'), one_of('action', ACTIONS))
        batch.create_check_constraint(op.f('ck_moderation_decision_decision_ground'), one_of('ground', GROUNDS))
        batch.create_check_constraint(
            op.f('ck_moderation_decision_adverse_has_reasons'),
            "action = 'approve' OR (ground IS NOT NULL AND length(facts) > 0)",
        )


def one_of(column, values):
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def before():
    """The table as 0001 made it: SQLite copies it, and cannot say its checks itself."""
    return table(
        sa.Column('listing_id', sa.Integer(), nullable=False),
        sa.CheckConstraint(one_of('action', ACTIONS), name=op.f('ck_moderation_decision_decision_action')),
        sa.CheckConstraint(one_of('ground', GROUNDS), name=op.f('ck_moderation_decision_decision_ground')),
        sa.CheckConstraint(
            "action = 'approve' OR (ground IS NOT NULL AND length(facts) > 0)",
            name=op.f('ck_moderation_decision_adverse_has_reasons'),
        ),
    )


def after():
    return table(
        sa.Column('listing_id', sa.Integer(), nullable=True),
        sa.Column('organisation_id', sa.Integer(), nullable=True),
        sa.Column('explanation', sa.Text(), server_default='', nullable=False),
        sa.Column('follows_notice', sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column('statement', sa.Text(), server_default='', nullable=False),
        sa.Column('reverses_id', sa.Integer(), nullable=True),
        sa.CheckConstraint(one_of('action', NEW_ACTIONS), name=op.f('ck_moderation_decision_decision_action')),
        sa.CheckConstraint(one_of('ground', NEW_GROUNDS), name=op.f('ck_moderation_decision_decision_ground')),
        *(
            sa.CheckConstraint(sa.true(), name=op.f(f'ck_moderation_decision_{name}'))
            for name in ('one_subject', 'adverse_has_reasons', 'suspends_organisations', 'restore_reverses')
        ),
        sa.ForeignKeyConstraint(
            ['organisation_id'], ['organisation.id'], name=op.f('fk_moderation_decision_organisation_id')
        ),
        sa.ForeignKeyConstraint(
            ['reverses_id'], ['moderation_decision.id'], name=op.f('fk_moderation_decision_reverses_id')
        ),
        sa.UniqueConstraint('reverses_id', name=op.f('uq_moderation_decision_reverses_id')),
        sa.Index('ix_moderation_decision_organisation_id', 'organisation_id'),
    )


def table(*more):
    return sa.Table(
        'moderation_decision',
        sa.MetaData(),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('territory_siren', sa.String(length=9), nullable=True),
        sa.Column('moderator_id', sa.Integer(), nullable=True),
        sa.Column('action', sa.String(length=24), nullable=False),
        sa.Column('ground', sa.String(length=24), nullable=True),
        sa.Column('facts', sa.Text(), nullable=False),
        sa.Column('automated_flags', sa.JSON(), nullable=False),
        sa.Column('snapshot', sa.JSON(), nullable=False),
        sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False),
        *more,
        sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('fk_moderation_decision_listing_id')),
        sa.ForeignKeyConstraint(
            ['moderator_id'], ['user.id'], name=op.f('fk_moderation_decision_moderator_id'), ondelete='SET NULL'
        ),
        sa.ForeignKeyConstraint(
            ['territory_siren'], ['territory.siren'], name=op.f('fk_moderation_decision_territory_siren')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_moderation_decision')),
        sa.Index('ix_moderation_decision_listing_id', 'listing_id'),
        sa.Index('ix_moderation_decision_territory', 'territory_siren', 'decided_at'),
    )
