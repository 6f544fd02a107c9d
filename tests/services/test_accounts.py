import pytest
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import AuditEntry, OutboxMail, User
from marketplace.services import accounts, passwords
from marketplace.services.errors import FieldError, TokenExpired, TooManyAttempts
from tests.support.builders import PASSWORD
from tests.support.threads import at_once

HERE = "192.0.2.1"
OTHER_PASSWORD = "quatre pinces bleues rouillées"


def sign_up(
    email: str = "lea@boulangerie.example", *, name: str = "Léa Pain", password: str = PASSWORD
) -> None:
    accounts.sign_up(name=name, email=email, password=password, address=HERE)


def token_in(mail: OutboxMail) -> str:
    return next(word for word in mail.text.split() if word.startswith("http")).rsplit("/", 1)[1]


@pytest.fixture
def confirming(app, outbox):
    """Sign somebody up and return the token that the mail holds."""

    def sign_up_and_read(email: str = "lea@boulangerie.example", **fields: str) -> str:
        sign_up(email, **fields)
        return token_in(outbox.last(to=email))

    return sign_up_and_read


def test_a_new_account_opens_once_its_address_is_confirmed(confirming):
    token = confirming()
    assert not accounts.by_email("lea@boulangerie.example").is_confirmed
    assert accounts.confirm(token).is_confirmed


def test_an_address_is_the_same_in_capitals(confirming):
    confirming("Lea@Boulangerie.example".lower())
    assert accounts.by_email(" LEA@boulangerie.EXAMPLE ").name == "Léa Pain"


def test_the_confirming_link_serves_once(confirming):
    token = confirming()
    accounts.confirm(token)
    with pytest.raises(TokenExpired):
        accounts.confirm(token)


def test_the_confirming_link_lives_three_days(confirming, clock):
    token = confirming()
    clock.move(days=3, seconds=1)
    with pytest.raises(TokenExpired):
        accounts.confirm(token)


def test_a_link_mailed_before_somebody_else_changed_the_password_no_longer_confirms(confirming):
    first = confirming()
    sign_up(password=OTHER_PASSWORD)
    with pytest.raises(TokenExpired):
        accounts.confirm(first)


def test_signing_up_twice_before_confirming_keeps_one_account_and_the_last_password(confirming):
    confirming()
    accounts.confirm(confirming(password=OTHER_PASSWORD))
    assert accounts.authenticate("lea@boulangerie.example", PASSWORD, address=HERE) is None
    assert accounts.authenticate("lea@boulangerie.example", OTHER_PASSWORD, address=HERE) is not None
    assert db.session.scalar(select(func.count()).select_from(User)) == 1


def test_signing_up_with_a_known_address_changes_nothing_and_tells_its_owner_by_mail(market, outbox):
    owner = market.user(email="owner@ferme.example", name="Ada Ferme")
    sign_up("owner@ferme.example", name="Intruder", password=OTHER_PASSWORD)
    assert [mail.template for mail in outbox.to("owner@ferme.example")] == ["already_registered"]
    db.session.refresh(owner)
    assert owner.name == "Ada Ferme"
    assert passwords.verify(owner.password_hash, PASSWORD)


def test_the_confirming_mail_does_not_carry_the_name_that_a_stranger_typed(app, outbox):
    sign_up("victim@garage.example", name="Gagnez 1000 euros sur piege.example")
    mail = outbox.last(to="victim@garage.example")
    assert "piege" not in mail.subject + mail.text + mail.html


def test_two_forms_sent_at_once_make_one_account(app):
    assert at_once(app, sign_up, sign_up) == [None, None]
    assert db.session.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("court", "14 caractères"),
        ("x" * 201, "200 caractères"),
        ("aaaaaaaaaaaaaaaaaa", "devine"),
        ("Boulangerie2024!", "devine"),
        ("azertyuiopqsdfghjklm", "devine"),
        ("motdepasse2024", "devine"),
        ("lea@boulangerie.example", "devine"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(app, password, why):
    with pytest.raises(FieldError, match=why) as refusal:
        sign_up(name="Léa Boulangerie", password=password)
    assert refusal.value.field == "password"


def test_a_refused_password_writes_nothing(app, outbox):
    with pytest.raises(FieldError):
        sign_up(password="court")
    assert accounts.by_email("lea@boulangerie.example") is None
    assert outbox.all() == []


def test_nobody_can_flood_somebody_elses_mailbox(app, outbox):
    with pytest.raises(TooManyAttempts):
        for number in range(20):
            accounts.sign_up(
                name="Léa", email="victim@garage.example", password=PASSWORD, address=f"192.0.2.{number}"
            )
    assert len(outbox.to("victim@garage.example")) == 5


def test_the_right_password_lets_in_and_a_wrong_one_does_not(market):
    user = market.user()
    assert accounts.authenticate(user.email, PASSWORD, address=HERE) == user
    assert accounts.authenticate(user.email, PASSWORD + " ", address=HERE) is None
    assert accounts.authenticate("nobody@nulle-part.example", PASSWORD, address=HERE) is None


def test_ten_wrong_passwords_close_the_account_for_a_quarter_of_an_hour(market, clock):
    user = market.user()
    for _ in range(10):
        accounts.authenticate(user.email, "wrong", address=HERE)
    with pytest.raises(TooManyAttempts):
        accounts.authenticate(user.email, PASSWORD, address=HERE)
    clock.move(minutes=15)
    assert accounts.authenticate(user.email, PASSWORD, address=HERE) == user


def test_one_address_that_tries_many_accounts_is_stopped(app):
    with pytest.raises(TooManyAttempts):
        for number in range(51):
            accounts.authenticate(f"a{number}@garage.example", "wrong", address=HERE)


def test_an_unknown_address_takes_one_hash_like_a_known_one(market, monkeypatch):
    hashes = []
    verify = passwords.verify
    monkeypatch.setattr(passwords, "verify", lambda *args: hashes.append(args) or verify(*args))
    accounts.authenticate("nobody@nulle-part.example", "wrong", address=HERE)
    accounts.authenticate(market.user().email, "wrong", address=HERE)
    assert len(hashes) == 2


def test_a_hash_made_with_older_settings_is_renewed_at_login(app, market):
    user = market.user()
    app.config["ARGON2_MEMORY_KIB"] = 128
    accounts.authenticate(user.email, PASSWORD, address=HERE)
    assert "m=128" in user.password_hash


@pytest.fixture
def resetting(market, outbox):
    """Return a person and the token of the mail that lets them choose a new password."""
    user = market.user()
    accounts.request_reset(user.email, address=HERE)
    return user, token_in(outbox.last(to=user.email))


def test_a_forgotten_password_is_replaced_and_its_owner_told(resetting, outbox):
    user, token = resetting
    accounts.reset_password(token, OTHER_PASSWORD)
    assert accounts.authenticate(user.email, OTHER_PASSWORD, address=HERE) == user
    assert outbox.last(to=user.email).template == "password_changed"


def test_a_new_password_ends_every_open_session(resetting):
    user, token = resetting
    before = user.get_id()
    accounts.reset_password(token, OTHER_PASSWORD)
    assert user.get_id() != before


def test_the_reset_link_serves_once(resetting):
    _, token = resetting
    accounts.reset_password(token, OTHER_PASSWORD)
    with pytest.raises(TokenExpired):
        accounts.reset_password(token, PASSWORD)


def test_the_reset_link_lives_two_hours(resetting, clock):
    _, token = resetting
    clock.move(hours=2, seconds=1)
    with pytest.raises(TokenExpired):
        accounts.read_reset(token)


def test_the_link_of_one_act_does_not_serve_the_other(resetting, confirming):
    with pytest.raises(TokenExpired):
        accounts.reset_password(confirming(), OTHER_PASSWORD)
    with pytest.raises(TokenExpired):
        accounts.confirm(resetting[1])


def test_a_weak_new_password_leaves_the_link_usable(resetting):
    user, token = resetting
    with pytest.raises(FieldError):
        accounts.reset_password(token, "court")
    assert accounts.reset_password(token, OTHER_PASSWORD) == user


def test_the_link_of_a_deleted_account_is_dead(resetting):
    user, token = resetting
    db.session.delete(user)
    db.session.commit()
    with pytest.raises(TokenExpired):
        accounts.read_reset(token)


def test_resetting_proves_the_address(market, outbox):
    user = market.user(confirmed=False)
    accounts.request_reset(user.email, address=HERE)
    accounts.reset_password(token_in(outbox.last(to=user.email)), OTHER_PASSWORD)
    assert user.is_confirmed


def test_an_unknown_address_gets_no_reset_mail(app, outbox):
    accounts.request_reset("nobody@nulle-part.example", address=HERE)
    assert outbox.all() == []


def test_a_confirmed_account_is_not_asked_to_confirm_again(market, outbox):
    accounts.resend_confirmation(market.user().email, address=HERE)
    assert outbox.all() == []


def test_the_confirming_mail_can_be_asked_again(market, outbox):
    user = market.user(confirmed=False)
    accounts.resend_confirmation(user.email, address=HERE)
    assert accounts.confirm(token_in(outbox.last(to=user.email))) == user


def test_a_profile_change_is_in_the_audit_log(market):
    user = market.user()
    accounts.change_profile(user, name="Nour Bois", phone="06 12 34 56 78")
    line = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "user.profile_changed")).one()
    assert (line.actor_id, user.name) == (user.id, "Nour Bois")


def test_an_administrator_is_made_or_promoted(market):
    user = market.user(email="chef@etat.example", confirmed=False)
    accounts.create_admin(email="Chef@etat.example", name="Chef", password=OTHER_PASSWORD)
    assert user.is_admin
    assert user.is_confirmed
