"""The target of benchmarks: Debian's nginx answering `200` to everything, on one core, counting by itself.

Decides nginx's configuration (its own, in a temporary directory) and reads `stub_status`. Offers the same path over
every scheme with one protocol and one cipher, so that every client pays for the same TLS.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import common

CIPHER = "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, ECDSA P-256 certificate"
CHECKED = "/checked"
SCHEMES = ("http", "https", "h2c", "h2")
"""HTTP/1.1 without and with TLS, HTTP/2 without and with it."""
PLAIN_SCHEMES = {"http": "http", "h2c": "http"}
"""Those without TLS, and how their URLs begin."""
_STATUS = re.compile(rb"Active connections: (\d+).*?\n \d+ \d+ (\d+)", re.DOTALL)
_CONFIG = """\
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_header_buffer_size 4k;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  ssl_certificate {dir}/cert.pem;
  ssl_certificate_key {dir}/key.pem;
  ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  ssl_ecdh_curve X25519;
  upstream witness {{ server 127.0.0.1:{witness}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{http} backlog=4096;
    listen 127.0.0.1:{https} ssl backlog=4096;
    listen 127.0.0.1:{h2c} http2 backlog=4096;
    listen 127.0.0.1:{h2} ssl http2 backlog=4096;
    location / {{ return 200; }}
    location {checked} {{
      proxy_pass http://witness;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
"""


class Status(NamedTuple):
    """What nginx has counted, without our own questions."""

    requests: int
    connections: int


class Nginx:
    """A running nginx. `witness` is the port to which `/checked` is passed on. Made by `serving`."""

    def __init__(self, directory: Path, witness: int) -> None:
        self.directory = directory
        self.certificate = directory / "cert.pem"
        self._ports = {scheme: common.free_port() for scheme in SCHEMES}
        self._status = common.free_port()
        self.pid = 0
        self._asked = 0
        self._line = http.client.HTTPConnection("127.0.0.1", self._status, timeout=30)
        config = _CONFIG.format(dir=directory, status=self._status, witness=witness, checked=CHECKED, **self._ports)
        (directory / "nginx.conf").write_text(config, encoding="utf-8")

    def url(self, scheme: str, path: str = common.PATH) -> str:
        """Where to POST over one of SCHEMES."""
        return f"{PLAIN_SCHEMES.get(scheme, 'https')}://127.0.0.1:{self._ports[scheme]}{path}"

    def status(self) -> Status:
        """nginx's own count of requests and its open connections."""
        self._line.request("GET", "/")
        found = _STATUS.search(self._line.getresponse().read())
        if found is None:
            raise RuntimeError("nginx's stub_status gave no figures")
        self._asked += 1
        return Status(int(found[2]) - self._asked, int(found[1]) - 1)

    def wait_for_load(
        self, connections: int, before: int, process: subprocess.Popen[bytes], patience_s: float = 30.0
    ) -> None:
        """Until so many connections are open and more than `before` requests came.

        Raises RuntimeError when the process ends first or is too slow.
        """
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and process.poll() is None:
            seen = self.status()
            if seen.connections >= connections and seen.requests > before:
                return
            time.sleep(0.02)
        raise RuntimeError(f"it did not get {connections} connections to work")

    def command(self) -> list[str]:
        """How it is started."""
        return ["nginx", "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")]

    @property
    def port(self) -> int:
        """The plain port."""
        return self._ports["http"]


@contextlib.contextmanager
def serving(directory: Path, cores: int | Iterable[int], witness: int = 9) -> Iterator[Nginx]:
    """nginx (one worker) pinned to `cores` while the block lasts. Exits with one line when it is not installed."""
    if lack := common.missing("nginx", "openssl"):
        raise SystemExit(lack)
    certificate(directory)
    nginx = Nginx(directory, witness)
    with (
        (directory / "nginx.log").open("wb") as log,
        common.running(common.pinned(cores, nginx.command()), log=log) as process,
    ):
        common.wait_for_port(nginx.port, process)
        nginx.pid = process.pid
        yield nginx


def certificate(directory: Path) -> None:
    """A self-signed certificate for 127.0.0.1, good for a few days: `cert.pem` and `key.pem`."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "7", "-subj", "/CN=127.0.0.1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
