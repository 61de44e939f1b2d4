"""The signed request of event *i* in case *c*: the one place where events and signatures meet.

Decides what goes on the wire for a case, genuine, forged or awkward, and what an endpoint owes it. Refuses to know when
it is sent, and how.
"""

from loadsim.cases.check import check_cases, needs_old_secret, retirement_ns
from loadsim.cases.genuine import CONTENT_TYPE
from loadsim.cases.kinds import REUSING, by_part, case_rules
from loadsim.cases.maker import EventOptions, Redeliver, RequestMaker

__all__ = [
    "CONTENT_TYPE",
    "REUSING",
    "EventOptions",
    "Redeliver",
    "RequestMaker",
    "by_part",
    "case_rules",
    "check_cases",
    "needs_old_secret",
    "retirement_ns",
]
