"""Makes and checks signature headers over exact bytes, for every scheme that is described.

Decides what a genuine delivery looks like. Refuses to know what the body means, how it travels, and what time it is:
key and time are arguments. What `Signer` makes is exactly what `Verifier` accepts, since both read one description.
"""

from loadsim.model import Secret
from loadsim.signing.description import Scheme
from loadsim.signing.registry import CUSTOM, CUSTOM_TABLE, family, scheme, scheme_names
from loadsim.signing.sign import Signer
from loadsim.signing.verify import Headers, Rejection, Verifier

__all__ = [
    "CUSTOM",
    "CUSTOM_TABLE",
    "Headers",
    "Rejection",
    "Scheme",
    "Secret",
    "Signer",
    "Verifier",
    "family",
    "scheme",
    "scheme_names",
]
