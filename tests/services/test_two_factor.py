"""The second step: codes of a phone, recovery codes, and roles that sleep until it is set up."""

import pyotp
import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import AuditEntry, RecoveryCode, SecondFactor, User
from marketplace.services import rights, two_factor
from marketplace.services.errors import FieldError, NotAllowed, NotFound, TooManyAttempts
from tests.support.builders import PASSWORD, RENNES_METROPOLE
from tests.support.threads import at_once


def code_at(secret, clock, **gap):
    """Return what the phone shows, now or when its clock is off by `gap` seconds."""
    return pyotp.TOTP(secret).at(clock.now, counter_offset=gap.get("steps", 0))


class Phone:
    """Somebody's application of codes, once it has taken the secret in."""

    def __init__(self, user, clock):
        self.user, self.clock = user, clock
        proposal = two_factor.propose(user)
        self.secret = proposal.secret
        self.recovery = two_factor.set_up(user, proposal.sealed, code_at(self.secret, clock))

    def shows(self, steps=0):
        return code_at(self.secret, self.clock, steps=steps)


@pytest.fixture
def person(market):
    return market.user(name="Ève Roux")


@pytest.fixture
def phone(person, clock):
    made = Phone(person, clock)
    clock.move(seconds=60)  # the code of the set-up is used
    return made


def actions():
    db.session.rollback()
    return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


# ---- setting up ----


def test_a_first_code_switches_it_on_and_gives_ten_recovery_codes(person, clock, outbox):
    version = person.session_version
    phone = Phone(person, clock)
    assert person.second_factor_at == clock.now
    assert person.session_version == version + 1
    assert len(set(phone.recovery)) == two_factor.RECOVERY_CODES == two_factor.codes_left(person)
    assert actions() == ["user.second_factor_on"]
    assert "est active" in outbox.last(to=person.email).subject


def test_neither_secret_nor_recovery_codes_stand_in_the_database(person, phone):
    kept = [db.session.get(SecondFactor, person.id).sealed_secret]
    kept += db.session.scalars(select(RecoveryCode.code_hash))
    for told in (phone.secret, *phone.recovery, *(code.replace("-", "") for code in phone.recovery)):
        assert not any(told in row for row in kept)


@pytest.mark.parametrize("code", ["000000", "", "12345", "١٢٣٤٥٦", "é", "1" * 30])
def test_a_wrong_first_code_switches_nothing_on(person, clock, code):
    proposal = two_factor.propose(person)
    with pytest.raises(FieldError, match="code"):
        two_factor.set_up(person, proposal.sealed, code)
    assert (person.second_factor_at, actions()) == (None, [])


@pytest.mark.parametrize("spoil", [lambda s: s[:-5], lambda s: "", lambda s: "é", lambda s: s[::-1]])
def test_a_forged_page_is_refused(person, clock, spoil):
    proposal = two_factor.propose(person)
    with pytest.raises(FieldError, match="trop ancienne"):
        two_factor.set_up(person, spoil(proposal.sealed), code_at(proposal.secret, clock))


def test_the_page_of_somebody_else_is_refused(person, market, clock):
    proposal = two_factor.propose(market.user())
    with pytest.raises(FieldError, match="trop ancienne"):
        two_factor.set_up(person, proposal.sealed, code_at(proposal.secret, clock))


def test_a_page_left_open_for_an_hour_is_too_old(person, clock):
    proposal = two_factor.propose(person)
    clock.move(seconds=two_factor.PROPOSAL_MAX_AGE + 1)
    with pytest.raises(FieldError, match="trop ancienne"):
        two_factor.set_up(person, proposal.sealed, code_at(proposal.secret, clock))


def test_it_is_set_up_once(person, phone, clock):
    with pytest.raises(FieldError, match="déjà active"):
        Phone(person, clock)
    assert two_factor.check(person.id, phone.shows())


# ---- logging in ----


def test_the_code_of_the_phone_opens_with_or_without_spaces(person, phone, clock):
    assert two_factor.check(person.id, f" {phone.shows()[:3]} {phone.shows()[3:]} ")


@pytest.mark.parametrize(("steps", "opens"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_half_a_minute_off_still_opens(person, phone, clock, steps, opens):
    clock.move(seconds=120)
    assert two_factor.check(person.id, phone.shows(steps)) is opens


def test_a_code_serves_once(person, phone):
    assert two_factor.check(person.id, phone.shows())
    assert not two_factor.check(person.id, phone.shows())


def test_a_code_of_before_the_last_one_no_longer_serves(person, phone):
    assert two_factor.check(person.id, phone.shows(1))
    assert not two_factor.check(person.id, phone.shows(0))


def test_the_code_of_set_up_does_not_open_a_session_too(person, clock):
    phone = Phone(person, clock)
    assert not two_factor.check(person.id, phone.shows())


def test_a_code_sent_twice_at_once_opens_once(app, person, phone):
    key, code = person.id, phone.shows()
    assert sorted(at_once(app, *[lambda: two_factor.check(key, code)] * 3)) == [False, False, True]


def test_the_code_of_somebody_else_opens_nothing(person, phone, market, clock):
    other = Phone(market.user(), clock)
    clock.move(seconds=60)
    assert not two_factor.check(person.id, other.shows())
    assert not two_factor.check(person.id, other.recovery[0])


def test_tries_are_counted(person, phone):
    with pytest.raises(TooManyAttempts):
        for _ in range(two_factor.TRIES + 1):
            two_factor.check(person.id, "000000")
    with pytest.raises(TooManyAttempts):
        two_factor.check(person.id, phone.shows())


def test_a_recovery_code_opens_once_and_its_owner_is_told(person, phone, outbox):
    code = phone.recovery[3]
    assert two_factor.check(person.id, code.upper().replace("-", " "))
    assert not two_factor.check(person.id, code)
    assert two_factor.codes_left(person) == two_factor.RECOVERY_CODES - 1
    assert "Il vous en reste 9." in outbox.last(to=person.email).text
    assert actions()[-1] == "user.recovery_code_used"


def test_nobody_without_a_second_factor_passes_the_second_step(market):
    assert not two_factor.check(market.user().id, "000000")


# ---- changing it ----


def test_new_recovery_codes_replace_the_old_ones(person, phone):
    fresh = two_factor.renew_codes(person, PASSWORD)
    assert not two_factor.check(person.id, phone.recovery[0])
    assert two_factor.check(person.id, fresh[0])
    assert two_factor.check(person.id, phone.shows())


def test_switching_it_off_asks_the_password(person, phone):
    with pytest.raises(FieldError, match="password"):
        two_factor.switch_off(person, "autre chose que le mot de passe")
    assert person.second_factor_at is not None
    version = person.session_version
    two_factor.switch_off(person, PASSWORD)
    assert (person.second_factor_at, db.session.get(SecondFactor, person.id)) == (None, None)
    assert (two_factor.codes_left(person), person.session_version) == (0, version + 1)
    assert actions()[-1] == "user.second_factor_off"


def test_a_role_keeps_it_on(market):
    moderator = market.moderator()
    with pytest.raises(NotAllowed):
        two_factor.switch_off(moderator, PASSWORD)


def test_the_administrator_resets_it_for_whoever_lost_everything(person, phone, market, outbox):
    admin = market.admin()
    two_factor.reset(person.id, by=admin, reason="Reconnue au téléphone")
    line = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert person.second_factor_at is None
    assert (line.action, line.actor_id, line.reason) == (
        "user.second_factor_reset",
        admin.id,
        "Reconnue au téléphone",
    )
    assert "remise à zéro" in outbox.last(to=person.email).subject


def test_nobody_else_resets_it(person, phone, market):
    for other in (person, market.user(), market.moderator(), market.head()):
        with pytest.raises(NotAllowed):
            two_factor.reset(person.id, by=other, reason="x")


def test_an_administrator_does_not_reset_their_own(market):
    admin = market.admin()
    with pytest.raises(NotAllowed):
        two_factor.reset(admin.id, by=admin, reason="x")


def test_a_reset_says_why_and_of_whom(person, phone, market):
    with pytest.raises(FieldError, match="reason"):
        two_factor.reset(person.id, by=market.admin(), reason=" ")
    with pytest.raises(NotFound):
        two_factor.reset(market.user().id, by=market.admin(), reason="x")


# ---- roles sleep until it is set up ----


def rights_of(user):
    return (
        rights.is_moderator(user),
        rights.moderates(user, RENNES_METROPOLE),
        rights.heads(user, RENNES_METROPOLE),
        rights.territories_moderated(user),
        rights.is_administrator(user),
    )


def test_a_head_without_a_second_factor_has_no_right_yet(market, clock):
    head = market.head(second_factor=False)
    assert rights_of(head) == (False, False, False, [], False)
    assert rights.lacks_second_factor(head)
    Phone(head, clock)
    assert rights_of(head) == (True, True, True, [RENNES_METROPOLE], False)


def test_an_administrator_without_a_second_factor_has_no_right_yet(market, clock):
    admin = market.user(admin=True, second_factor=False)
    assert rights_of(admin) == (False, False, False, [], False)
    Phone(admin, clock)
    assert rights.is_administrator(admin)


@pytest.mark.parametrize("setting", [{"TWO_FACTOR_REQUIRED": False}, {"DEMONSTRATION": True}])
def test_it_can_be_left_to_people_and_is_in_a_demonstration(app, market, setting):
    head = market.head(second_factor=False)
    app.config.update(setting)
    assert rights.heads(head, RENNES_METROPOLE)
    assert not rights.needs_second_factor(head)


def test_whoever_has_no_role_needs_none(market):
    assert not rights.needs_second_factor(market.user())


def test_a_key_is_for_one_site_only(app, person, phone):
    app.config["SECRET_KEY"] = "another site"
    assert not two_factor.check(person.id, phone.shows())
    assert not two_factor.check(person.id, phone.recovery[0])
    assert db.session.get(User, person.id).second_factor_at is not None
