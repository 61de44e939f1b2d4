"""The signed request of event *i* in case *c*: the one place where events and signatures meet.

Decides what goes on the wire for a case, genuine, forged or awkward, and what an endpoint owes it. Refuses to know when
it is sent, and how.
"""

from loadsim.cases.check import check_cases, check_headers, needs_old_secret, retirement_ns
from loadsim.cases.genuine import CONTENT_TYPE, OF_EVENTS
from loadsim.cases.kinds import REUSING, by_part, case_rules
from loadsim.cases.maker import EventOptions, Redeliver, RequestMaker

__all__ = [
    "CONTENT_TYPE",
    "OF_EVENTS",
    "REUSING",
    "EventOptions",
    "Redeliver",
    "RequestMaker",
    "by_part",
    "case_rules",
    "check_cases",
    "check_headers",
    "needs_old_secret",
    "retirement_ns",
]
