"""What click refuses is one line as well, and says where help is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest

from loadsim.cli.main import cli, main
from loadsim.cli.other_tools import COMMANDS, NEVER, OPTIONS
from tests.cli.loopback import CERTIFICATE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["xyzzy"], "No such command 'xyzzy' (see loadsim --help)"),
        (["run"], "Missing argument 'SCENARIO|TARGET' (see loadsim run --help)"),
        (["run", "http://127.0.0.1:9/", "-c", "-5"], "-5 is not in the range x>=1 (see loadsim run --help)"),
        (["run", "http://127.0.0.1:9/", "--no-such"], "No such option '--no-such'"),
        (["attack", "http://127.0.0.1:9/"], "No such command 'attack': did you mean loadsim run? (see loadsim --help)"),
        (["simulat"], "did you mean loadsim simulate?"),
        (["run", "http://127.0.0.1:9/", "--vus", "50"], "'--vus': a closed load of N users is -c N (see loadsim run"),
        (["run", "http://127.0.0.1:9/", "50"], "(50): -n 50 events, -c 50 users, -r 50/s or -d 50s?"),
        (["run", "http://127.0.0.1:9/", "-q", "50"], "(50): -q leaves out the progress, and a rate is -r 50/s"),
        (["run", "-q", "50", "http://127.0.0.1:9/"], ": -q leaves out the progress, and a rate is -r 50/s"),
        (["run", "-max-workers", "5", "http://127.0.0.1:9/"], "'-m'; a closed load of N users is -c N"),
        (["run", "-insecure", "http://127.0.0.1:9/"], "'-i'; a certificate of your own is trusted with --cacert FILE"),
        (["version"], "did you mean loadsim --version?"),
        (["run", "http://127.0.0.1:9/", "-r", "50"], "-r: '50' has no unit: write /s, /m or /h, such as '50/s'"),
        (["run", "http://127.0.0.1:9/", "--objectiv", "x"], "'--objectiv': did you mean --objective?"),
        (["report", "--vus", "50"], "No such option '--vus' (see loadsim report --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["loadsim", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("loadsim: ")
    assert said in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        # k6
        ("run script.js --vus 10 --duration 30s", "a closed load of N users is -c N"),
        ("run URL -u 10 -d 30s", "a closed load of N users is -c N; the target is an argument"),
        ("run URL --iterations 100", "a number of events is -n N"),
        ("run URL --stage 30s:100", "loadsim scenarios copy stress"),
        ("run URL --summary-export out.json", "--json FILE"),
        ("run URL --threshold p(95)<250", "a limit is --objective"),
        ("run URL --insecure-skip-tls-verify", "trusted with --cacert FILE"),
        # vegeta
        ("attack -rate=50/s -duration=30s", "did you mean loadsim run?"),
        ("run URL -rate=50/s", "a long option begins with two dashes: --rate"),
        ("run URL -duration 30s", "a long option begins with two dashes: --duration"),
        ("run URL -timeout 3s", "a long option begins with two dashes: --timeout"),
        ("run URL --max-workers 10", "a closed load of N users is -c N"),
        ("run --targets targets.txt", "the target is an argument"),
        ("plot results.bin", "did you mean loadsim report?"),
        # hey and oha
        ("URL", "a load is loadsim run URL, and one event is loadsim simulate URL"),
        ("-n 100 -c 10 URL", "options follow a command, such as loadsim run URL"),
        ("run URL -z 30s -q 50", "a duration is -d 30s"),
        ("run URL -q 50", "-r 50/s"),
        ("run URL -m POST", "events are sent by POST"),
        ("run URL -n 10 -T application/json", "a header is -H"),
        ("run URL -t 30", "a timeout is --timeout 30s"),
        ("run URL -o csv", "every run saves its result"),
        ("run URL -D body.json", "--payload FILE"),
        ("run URL -a user:password", "-H 'Authorization: env:MY_TOKEN'"),
        ("run URL --no-tui", "-q leaves out the progress"),
        ("run URL -x http://127.0.0.1:3128", "--proxy http://HOST:PORT"),
        ("run URL --disable-keepalive", "--reuse 1"),
        # wrk and wrk2
        ("run URL -c 10 -t 2 -d 30s", "generator processes are -w N"),
        ("run URL -R 500", "a rate is -r 200/s"),
        ("run URL --latency", "percentiles are in every report"),
        ("run URL -s script.lua", "loadsim scenarios copy stress"),
        ("run URL -d 30", "such as '30s'"),
        ("run URL -r 50", "such as '50/s'"),
        ("run URL --timeout 30", "such as '30s'"),
        # Locust
        ("run -f locustfile.py --host URL", "loadsim scenarios copy stress"),
        ("run URL --users 10 --spawn-rate 5", "a closed load of N users is -c N"),
        ("run URL --run-time 30s", "a duration is -d 30s"),
        ("run URL --headless", "-q leaves out the progress"),
        ("run URL --html report.html", "every run saves report.html"),
        ("web", "did you mean loadsim dashboard?"),
        # ab, and what curl has taught
        ("run URL -n 100 -k", "trusted with --cacert FILE"),
        ("run URL --concurrency 10 --requests 100", "a closed load of N users is -c N"),
        ("run URL -p body.json", "--payload FILE"),
        ("run URL -g out.tsv", "every run saves its result"),
        ("run URL -X POST", "events are sent by POST"),
        ("run URL --insecur", "trusted with --cacert FILE"),
    ],
)
def test_what_users_of_other_tools_type_first_is_answered_with_our_option(
    line: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_test")
    monkeypatch.setattr(sys, "argv", ["loadsim", *line.replace("URL", "http://127.0.0.1:9/").split()])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    typed = set(line.split())
    assert not [word for word in re.findall(r"--insec[\w-]*", err) if word not in typed]


@pytest.mark.parametrize(
    "line",
    ["-c 10 -n 100", "-c10 -n100", "-c 10 -d 30s", "--connections 10 --duration 30s", "--rate 50/s -d 1m",
     "-r 3000/m --events 100", "-n 10 -H X-Team:a", "-n 10 --header X-Team:a --timeout 3s", "-n 10 --cacert CA"],
)  # fmt: skip
def test_what_other_tools_call_the_same_works(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_test")
    words = line.replace("CA", str(CERTIFICATE)).split()
    monkeypatch.setattr(sys, "argv", ["loadsim", "run", "http://127.0.0.1:9/", *words, "--check"])
    with pytest.raises(SystemExit) as left:
        main()
    assert (left.value.code, capsys.readouterr().err) == (0, "")


def options_of(name: str) -> set[str]:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts}


def test_a_hint_names_only_what_exists_and_never_insecure() -> None:
    known = options_of("run")
    assert not OPTIONS.keys() & known, "these are ours: no hint is ever shown"
    named = {word for hint in OPTIONS.values() for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", hint)}
    assert named - {"--format"} <= known
    assert NEVER not in named
    assert set(COMMANDS.values()) <= set(cli.list_commands(click.Context(cli)))


@pytest.mark.parametrize("near", ["--insecur", "--insecured"])
def test_not_even_a_near_word_suggests_it(
    near: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["loadsim", "run", "http://127.0.0.1:9/", near])
    with pytest.raises(SystemExit):
        main()
    assert NEVER not in capsys.readouterr().err.replace(near, "")
