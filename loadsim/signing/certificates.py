"""Certificates that a delivery names by URL: which ones a receiver may take, and a self-signed one for a run's own key.

Nothing is fetched here. A forger chooses the URL, so one is taken only if it is the run's own certificate, or belongs
to the provider as a whole: scheme, host and path are matched as text, before anything else reads the URL.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loadsim.model import Secret, UsageError

if TYPE_CHECKING:
    from loadsim.signing.asymmetric import KeyPair
    from loadsim.signing.scheme_data import CertificatePlace, SchemeData

CERTIFICATE_PATH = "/certificate.pem"
"""Where the companion receiver serves the certificate of its own key."""
CERTIFICATE_URL = "{certificate-url}"
"""What a table writes in the header that names the certificate."""
LONGEST_URL = 512
VALID_DAYS = 30
PEM_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_ANY_IN_HOST, _ANY_IN_PATH = "(?![sS]3[.-])[A-Za-z0-9-]{1,63}", "[A-Za-z0-9._-]{1,200}"
"""A label of a host is none of S3's: whoever owns the bucket `sns` owns the content of `sns.s3.amazonaws.com`."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as far as it is used: its public key (PEM), and when it is valid, seconds since 1970."""

    public_key: str
    not_before_s: float
    not_after_s: float

    def is_valid_at(self, now_s: float) -> bool:
        """Whether it is neither expired nor from the future."""
        return self.not_before_s <= now_s <= self.not_after_s


def own_certificate_url(scheme: SchemeData, url: str | None) -> str:
    """The URL of the certificate that a sender to `url` names. Raises UsageError without any URL."""
    place = scheme.certificate
    if place is not None and place.url:
        return place.url
    if not url:
        raise UsageError(
            f"scheme {scheme.name} names a certificate: give the URL that the sender uses, as public_url or url"
        )
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{CERTIFICATE_PATH}"


def is_allowed(url: str, allowed: Sequence[str]) -> bool:
    """Whether the URL is one of a provider's certificates: see `CertificatePlace.allowed`."""
    return len(url) <= LONGEST_URL and any(_pattern(each).fullmatch(url) for each in allowed)


@functools.cache
def _pattern(allowed: str) -> re.Pattern[str]:
    start, host, path = re.fullmatch(r"(https://)([^/]*)(/.*)", allowed).groups()  # type: ignore[union-attr]  # see allowed_problem
    return re.compile(
        start + _ANY_IN_HOST.join(map(re.escape, host.split("*"))) + _ANY_IN_PATH.join(map(re.escape, path.split("*")))
    )


def allowed_problem(text: str) -> str:
    """What is wrong with a pattern of allowed URLs; empty: nothing."""
    if re.fullmatch(r"https://[A-Za-z0-9*-]+(\.[A-Za-z0-9*-]+)+/[A-Za-z0-9*._/-]+", text) is None:
        return f'"{text}" is not written "https://HOST/PATH", with * for a label of the host or a step of the path'
    if any("*" in label for label in text.split("/")[2].split(".")[-2:]):
        return f'"{text}": the last two labels of the host cannot be *: anyone could own such a host'
    return ""


def self_signed(pair: KeyPair, name: str, from_s: float, days: int = VALID_DAYS) -> str:
    """A certificate of the pair's public key, signed by its own private key, in PEM. Valid from `from_s` on.

    Raises UsageError for a pair without a private key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    private = pair.private
    begins = dt.datetime.fromtimestamp(int(from_s), dt.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(pair.public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


def own_certificate(scheme: SchemeData, secret: Secret, now_s: float) -> str:
    """The certificate of a receiver's key, in PEM: the secret itself where it is one, else a new one of a private key.

    Empty where deliveries name none, or only the public key is known.
    """
    text = secret.reveal().strip()
    if scheme.certificate is None:
        return ""
    if text.startswith(PEM_CERTIFICATE):
        return text + "\n"
    from loadsim.signing.asymmetric import KeyPair

    pair = KeyPair(scheme.algorithm, secret, scheme.name)
    if not pair.is_private:
        return ""
    # An hour earlier: the clock of who reads it may be behind.
    return self_signed(pair, common_name(scheme.certificate), now_s - 3600)


def common_name(place: CertificatePlace) -> str:
    """The name in a certificate of one's own: the provider's host, which some libraries look for."""
    return place.allowed[0].split("/")[2].replace("*.", "") if place.allowed else "loadsim"


def read_certificate(text: str) -> Certificate:
    """The first certificate of a PEM text. Raises UsageError."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    except ModuleNotFoundError:
        from loadsim.extras import install

        raise UsageError(f"a certificate needs the package cryptography: {install('asymmetric')}") from None
    try:
        found = x509.load_pem_x509_certificate(text.encode())
        key = found.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    except ValueError:
        raise UsageError("the certificate cannot be read: it must be X.509 in PEM") from None
    return Certificate(key, found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp())
