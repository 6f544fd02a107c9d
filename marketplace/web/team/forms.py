from wtforms import RadioField
from wtforms.fields.choices import SelectChoice

from marketplace.models import TerritoryRoleKind
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, EmailField

ROLES = [SelectChoice(role.value, label(role).capitalize()) for role in TerritoryRoleKind]


class InviteForm(BaseForm):
    email = EmailField("Son adresse mail", name="mail")
    role = RadioField(
        "Son rôle", name="role", choices=ROLES, coerce=TerritoryRoleKind, default=TerritoryRoleKind.MODERATOR
    )


class RoleForm(BaseForm):
    role = RadioField("Rôle", name="role", choices=ROLES, coerce=TerritoryRoleKind)
