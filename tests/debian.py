"""A clean Debian as a directory: made by debootstrap, furnished with a user and a clone, and commands run inside it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.watching import CannotRunError, watched

RELEASE, USER = "trixie", "reader"
# Beside what Debian calls minimal: the package that the README names, and the openssl that many tests need.
PACKAGES = ("python3-venv", "ca-certificates", "openssl")
# How pip reaches its registry, beside the certificate. Its other settings name files of this machine.
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def make_tree(tree: Path, log: Path) -> None:
    """A minimal Debian, from the mirror that this machine's apt uses."""
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", RELEASE, str(tree), *mirror()]
    code, _ = watched(command, log)
    if code:
        raise CannotRunError(f"debootstrap failed with exit code {code}; its output is above")


def mirror() -> list[str]:
    """Where apt gets Debian from; none: debootstrap knows one itself."""
    asked = ("apt-get", "indextargets", "--format", "$(LABEL)\t$(REPO_URI)", "Created-By: Packages")
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return [line.partition("\t")[2] for line in done.stdout.splitlines() if line.startswith("Debian\t")][:1]


def furnish(tree: Path, clone: Path, python: str) -> None:
    """A user with a clone, and what the machine's network asks for: names, proxies, the registry of packages."""
    for name in ("etc/resolv.conf", "etc/hosts"):
        shutil.copyfile(f"/{name}", tree / name)
    (tree / "etc/pip.conf").write_text(pip_configuration(python, tree), encoding="utf-8")
    subprocess.run(("chroot", tree, "useradd", "--create-home", "--shell", "/bin/bash", USER), check=True)
    shutil.copytree(clone, tree / "home" / USER / "loadsim", symlinks=True, ignore=shutil.ignore_patterns(".git"))
    subprocess.run(("chroot", tree, "chown", "--recursive", f"{USER}:", f"/home/{USER}"), check=True)


def pip_configuration(python: str, tree: Path) -> str:
    """How this machine's pip reaches its registry, as a file; a certificate is copied along."""
    lines = ["[global]"]
    done = subprocess.run((python, "-m", "pip", "config", "list"), capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        name, _, quoted = line.partition("=")
        key, value = name.rpartition(".")[2], quoted.strip("'")
        if key == "cert":
            (tree / value.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(value, tree / value.lstrip("/"))
        elif key in PIP_KEYS:
            value = " ".join(part for part in value.split() if not part.startswith(("file:", "/")))
        else:
            value = ""
        if value and (entry := f"{key} = {value}") not in lines:
            lines.append(entry)
    return "\n".join(lines) + "\n"


def inside(tree: Path, command: str) -> list[str]:
    """The same as that user in the tree. The kernel undoes what is mounted
    for it when its processes end, and ends them with us."""
    root = shlex.quote(str(tree))
    kept = {name: os.environ[name] for name in PROXIES if name in os.environ}
    words = {**kept, "HOME": f"/home/{USER}", "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    environment = shlex.join(f"{name}={value}" for name, value in words.items())
    there = shlex.quote(f"cd ~/loadsim; {command}")
    script = f"""
mount -t proc proc {root}/proc
mount -t tmpfs tmpfs {root}/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts {root}/dev/pts
exec chroot --userspec={USER} {root} env -i {environment} bash -euo pipefail -c {there}
"""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-euc", script]
