"""Makes the signed request of event *i* in case *c*: events and signatures are combined here.

A case is genuine, forged or unusual, and says whether an endpoint should accept or refuse it.
"""

from loadsim.cases.case_checks import check_cases, check_headers
from loadsim.cases.case_kinds import REUSING, by_part, case_rules
from loadsim.cases.genuine_requests import CONTENT_TYPE, OF_EVENTS, Recipes, content_type_line
from loadsim.cases.maker import EventOptions, Redeliver, RequestMaker, request_maker
from loadsim.cases.secret_rotation import needs_old_secret, retirement_ns

__all__ = [
    "CONTENT_TYPE",
    "OF_EVENTS",
    "REUSING",
    "EventOptions",
    "Recipes",
    "Redeliver",
    "RequestMaker",
    "by_part",
    "case_rules",
    "check_cases",
    "check_headers",
    "content_type_line",
    "needs_old_secret",
    "request_maker",
    "retirement_ns",
]
