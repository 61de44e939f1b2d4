"""The signed request of event *i* in case *c*: the one place where events and signatures meet.

Decides what goes on the wire for a case. Refuses to know when it is sent, and how.
"""

from loadsim.cases.maker import CONTENT_TYPE, EventOptions, RequestMaker

__all__ = ["CONTENT_TYPE", "EventOptions", "RequestMaker"]
