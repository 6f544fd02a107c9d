from wtforms import RadioField

from marketplace.models import TerritoryRoleKind
from marketplace.web.forms import BaseForm, EmailField, choices_of

ROLES = choices_of(TerritoryRoleKind)


class InviteForm(BaseForm):
    email = EmailField("Son adresse mail", name="mail")
    role = RadioField(
        "Son rôle", name="role", choices=ROLES, coerce=TerritoryRoleKind, default=TerritoryRoleKind.MODERATOR
    )


class RoleForm(BaseForm):
    role = RadioField("Rôle", name="role", choices=ROLES, coerce=TerritoryRoleKind)
