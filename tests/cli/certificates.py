"""Certificates made by openssl for one test session: an authority, another one, and what each of them signed."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_PAST = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
_RULES = """\
[ca]
default_ca = authority
[authority]
database = {issued}
new_certs_dir = {where}
policy = names
default_md = sha256
unique_subject = no
rand_serial = yes
[names]
commonName = supplied
"""


@dataclass(frozen=True)
class Authority:
    """A CA in a directory of its own."""

    where: Path
    name: str

    @property
    def certificate(self) -> Path:
        """What clients trust."""
        return self.where / f"{self.name}.pem"

    def issue(
        self, name: str, *, expired: bool = False, usage: str = "serverAuth", names: tuple[str, ...] = ("127.0.0.1",)
    ) -> Path:
        """A certificate for localhost and some addresses with its key in one file; its validity begins now or, where
        it is to be expired, lies in the past."""
        key, request, extensions = (self.where / f"{name}.{kind}" for kind in ("key", "csr", "ext"))
        alternatives = ",".join(("DNS:localhost", *(f"IP:{address}" for address in names)))
        extensions.write_text(f"subjectAltName={alternatives}\nextendedKeyUsage={usage}\n", encoding="ascii")
        _openssl("req", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        made = self.where / f"{name}.pem"
        _openssl(
            # not `x509`: it refuses an end before now since OpenSSL 3.5, and takes no dates before 3.4
            *("ca", "-batch", "-notext", "-config", self._rules(), "-extfile", extensions),
            *("-cert", self.certificate, "-keyfile", self.where / f"{self.name}.key", "-in", request, "-out", made),
            *(_PAST if expired else ("-days", "2")),
        )
        made.write_bytes(made.read_bytes() + key.read_bytes())
        return made

    def _rules(self) -> Path:
        """The configuration without which `openssl ca` does nothing."""
        rules, issued = self.where / f"{self.name}.cnf", self.where / f"{self.name}.index"
        issued.touch()
        rules.write_text(_RULES.format(issued=issued, where=self.where), encoding="utf-8")
        return rules


def authority(where: Path, name: str) -> Authority:
    """Make one."""
    made = Authority(where, name)
    extension = ("-addext", "keyUsage=critical,keyCertSign")
    _openssl(
        *("req", "-x509", *_KEY, "-keyout", where / f"{name}.key", "-out", made.certificate),
        *("-subj", f"/CN={name}", "-days", 2, *extension),
    )
    return made


def server_context(certificate: Path, *, clients: Path | None = None) -> ssl.SSLContext:
    """A server's settings; `clients`: the authority whose certificate every client must show."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def encrypted(pass_phrase: str, key: Path, made: Path) -> None:
    """Write a private key anew, encrypted."""
    _openssl("pkey", "-in", key, "-aes256", "-passout", f"pass:{pass_phrase}", "-out", made)


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
