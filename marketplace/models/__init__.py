"""The tables, one module per aggregate. Import the names from here."""

from marketplace.models.audit import AuditEntry
from marketplace.models.journal import ListingChange, MarketVersion
from marketplace.models.listings import (
    InvalidTransition,
    Listing,
    ListingDraft,
    ListingKind,
    ListingSkill,
    ListingState,
    Place,
)
from marketplace.models.matches import (
    DeclineReason,
    ExchangeCircle,
    LeftAlone,
    Match,
    MatchingRound,
    MatchOrigin,
    MatchState,
    RoundOutcome,
)
from marketplace.models.moderation import DecisionAction, DecisionGround, ModerationDecision
from marketplace.models.notices import Appeal, AppealOutcome, CaseOutcome, Report, ReportCase, ReportCategory
from marketplace.models.operations import AttemptCounter, JobRun, SeedFile
from marketplace.models.organisations import (
    Membership,
    MembershipRole,
    MembershipState,
    Organisation,
    OrganisationKind,
    SizeClass,
)
from marketplace.models.outbox import MailState, OutboxMail
from marketplace.models.policies import PolicyVersion
from marketplace.models.search import (
    Frequency,
    SavedSearch,
    SavedSearchNews,
    SearchEntry,
    SearchWord,
    Venue,
)
from marketplace.models.sectors import Sector
from marketplace.models.skills import Skill, SkillDomain, SkillRelation, SkillWord, WordKind
from marketplace.models.territories import (
    Commune,
    Department,
    ModerationMode,
    Postcode,
    Region,
    Territory,
)
from marketplace.models.users import TerritoryRole, TerritoryRoleKind, User

__all__ = [
    "Appeal",
    "AppealOutcome",
    "AttemptCounter",
    "AuditEntry",
    "CaseOutcome",
    "Commune",
    "DecisionAction",
    "DecisionGround",
    "DeclineReason",
    "Department",
    "ExchangeCircle",
    "Frequency",
    "InvalidTransition",
    "JobRun",
    "LeftAlone",
    "Listing",
    "ListingChange",
    "ListingDraft",
    "ListingKind",
    "ListingSkill",
    "ListingState",
    "MailState",
    "MarketVersion",
    "Match",
    "MatchOrigin",
    "MatchState",
    "MatchingRound",
    "Membership",
    "MembershipRole",
    "MembershipState",
    "ModerationDecision",
    "ModerationMode",
    "Organisation",
    "OrganisationKind",
    "OutboxMail",
    "Place",
    "PolicyVersion",
    "Postcode",
    "Region",
    "Report",
    "ReportCase",
    "ReportCategory",
    "RoundOutcome",
    "SavedSearch",
    "SavedSearchNews",
    "SearchEntry",
    "SearchWord",
    "Sector",
    "SeedFile",
    "SizeClass",
    "Skill",
    "SkillDomain",
    "SkillRelation",
    "SkillWord",
    "Territory",
    "TerritoryRole",
    "TerritoryRoleKind",
    "User",
    "Venue",
    "WordKind",
]
