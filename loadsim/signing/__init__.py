"""Makes and verifies signature headers over exact bytes, for every described signature scheme.

`Signer` and `Verifier` use the same description of a scheme, so one accepts exactly what the other makes. Key and time
are arguments; bodies are bytes and are never parsed here, except for a timestamp in the body.
"""

from loadsim.model import Secret
from loadsim.signing.description import Scheme
from loadsim.signing.message_parts import Headers
from loadsim.signing.registry import CUSTOM, CUSTOM_TABLE, family, scheme, scheme_names
from loadsim.signing.sign import Signer
from loadsim.signing.verify import Checker, Rejection, Verifier

__all__ = [
    "CUSTOM",
    "CUSTOM_TABLE",
    "Checker",
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
