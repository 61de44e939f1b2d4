"""Published signatures: who published them, and every input. Recomputed by nobody here: they are what must come out."""

from __future__ import annotations

from typing import NamedTuple


class Vector(NamedTuple):
    """One published delivery. `header` is the whole value of the signature header."""

    source: str
    scheme: str
    secret: str
    body: bytes
    header: str
    time_s: float = 0.0
    id: str = "id-1"
    url: str | None = None


CONVOY_BODY = b'{"event":"charge.success","amount":1000,"currency":"NGN"}'
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a1"
    b"4d10d2c447fce8b6703c"
)
SQUARE_BODY = (
    b'{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f",'
    b'"created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}'
)
SQUARE_URL = "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9"
TWILIO_REQUEST = b"To=%2B18005551212&CallSid=CA1234567890ABCDE&From=%2B14158675309&Digits=1234&Caller=%2B14158675309"
ADYEN_BODY = (
    b'{"live":"false","notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":""},'
    b'"amount":{"currency":"EUR","value":1130},"pspReference":"7914073381342284","eventCode":"AUTHORISATION",'
    b'"merchantAccountCode":"TestMerchant","merchantReference":"TestPayment-1407325143704","originalReference":"",'
    b'"success":"true"}}]}'
)
"""The notification of which Adyen's page joins the fields."""
STANDARD = "standard-webhooks, libraries/python/tests/test_webhooks.py"
STRIPE = "stripe-node, test/crypto/helpers.ts (the bare code, signed as body)"

PUBLISHED = (
    Vector(
        STANDARD,
        "standard-webhooks",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        1_614_265_330,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ),
    Vector(
        "svix-docs, how-manual.mdx",
        "svix",
        "whsec_plJ3nmyCDGBKInavdOK15jsl",
        b'{"event_type":"ping","data":{"success":true}}',
        "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        1_731_705_121,
        "msg_loFOjxBNrRLzqYUf",
    ),
    Vector(
        'docs.github.com, "Validating webhook deliveries"',
        "github",
        "It's a Secret to Everybody",
        b"Hello, World!",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    ),
    Vector(
        "octokit/webhooks-methods.js, test/sign.test.ts",
        "github",
        "mysecret",
        b'{"foo":"bar"}',
        "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3",
    ),
    Vector(
        "python-slack-sdk, tests/slack_sdk/signature/test_signature_verifier.py",
        "slack",
        "8f742231b10e8888abcd99yyyzzz85a5",
        SLACK_BODY,
        "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        1_531_420_618,
    ),
    Vector(
        "webhook-mock-sender, tests (the provider publishes none)",
        "shopify",
        "secret",
        b"{}",
        "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM=",
    ),
    Vector(
        "square-python-sdk, tests/integration/test_webhooks_helper.py",
        "square",
        "Ibxx_5AKakO-3qeNVR61Dw",
        SQUARE_BODY,
        "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4=",
        url=SQUARE_URL,
    ),
    Vector(
        "paddle-python-sdk, tests/Unit/Notification/test_Verifier.py",
        "paddle",
        "pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jzh",
        b"hello-world",
        "ts=1696195954;h1=d96299976a6eb066f484d7fde011ac56fc32b38fc9940bc419d6e537fdc6ef02",
        1_696_195_954,
    ),
    Vector(
        "hubspot-api-python, tests/spec/utils/test_signature.py",
        "hubspot-v3",
        "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        b"{'example_field':'example_value'}",
        "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=",
        15_000,
        url="https://www.example.com/webhook_uri",
    ),
    Vector(
        "sanity-io/webhook-toolkit, tests",
        "sanity",
        "test",
        b'{"_id":"resume"}',
        "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0",
        1_633_519_811.129,
    ),
    Vector(
        "sanity-io/webhook-toolkit, tests",
        "sanity",
        "try-me",
        b'{"title":"GROQ-Hooks are neat"}',
        "t=1633518820676,v1=e7C9h2sfbFfc4V7TEz7PSOp4IoNzl0UdVsBV-1wgdeA",
        1_633_518_820.676,
    ),
    Vector(
        "frain-dev/convoy, pkg/signature/testdata/signature-vectors.json, advanced_sha256_hex_valid",
        "convoy",
        "convoy-webhook-secret",
        CONVOY_BODY,
        "t=1700000000,v1=77b8b9269f25a199846a55a2bd25b3fba151c70fdae60bb1dcd87fbbc943c55c",
        1_700_000_000,
    ),
)

TWILIO_PUBLISHED = tuple(
    Vector("twilio-python, tests/unit/test_request_validator.py", "twilio", "12345", form, code, url=url)
    for url, code, form in (
        ("https://mycompany.com/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", TWILIO_REQUEST),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w=", TWILIO_REQUEST),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", TWILIO_REQUEST),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
            b"SidAccount=AC123&Digits=5678&Sid=CA123&Digits=1234&Digits=5678",
        ),
    )
)

SELF_MADE = (
    # Computed from the providers' formulas, which publish no vector: they guard against change only.
    Vector(
        "trackpilots' documented formula",
        "trackpilots",
        "whsec_test",
        b'{"event":"desktop.app_tracking.captured","version":"v1","agent":"desktop-agent","simulation":true,'
        b'"timestamp":1746123456789,"data":[]}',
        "5870312918754f3e7c86fd30c0ac463eeb5953640936e3e79902acc75224f6ea",
        1_746_123_456,
    ),
    Vector(
        "stripe's documented formula",
        "stripe",
        "whsec_test_secret",
        b'{"id":"evt_test_webhook","object":"event"}',
        "t=1614265330,v1=3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff",
        1_614_265_330,
    ),
    Vector(
        "linear's documented formula",
        "linear",
        "SECRET",
        b'{"action":"create","webhookTimestamp":1677611643000}',
        "f2eeb0fac7e6923a16f0fa3d6e82353379d231685e61f57c4168d1d222f09a39",
        1_677_611_643,
    ),
    Vector(
        "zoom's documented formula",
        "zoom",
        "secret",
        b'{"event":"meeting.started"}',
        "v0=522f19ff747dc7df85f4ec1358c1b3098e00d8e6dc0fa3936050212c5a1f8989",
        1_739_923_528,
    ),
)


class Described(NamedTuple):
    """A published code for a form that has no scheme of its own: made by a description."""

    source: str
    secret: str
    body: bytes
    header: str
    table: dict[str, object]
    time_s: int = 0
    url: str | None = None


def plain(**keys: object) -> dict[str, object]:
    """The body alone is signed."""
    return {"headers": ["X-Signature: {signature}"], "signed": "{body}", **keys}


def advanced(**keys: object) -> dict[str, object]:
    """Convoy's form with the time in it."""
    return {
        "headers": ["X-Convoy-Signature: t={timestamp},v1={signature}"],
        "several": ",",
        "signed": "{timestamp},{body}",
        **keys,
    }


ADNANH = "adnanh/webhook, internal/hook/hook_test.go"
CONVOY = "frain-dev/convoy, pkg/signature/testdata/signature-vectors.json"
OUTPOST = "hookdeck/outpost, internal/destregistry/providers/destwebhook/signature_test.go"
RFC = "RFC 4231, section 4"

TWILIO = "twilio/twilio-python, tests/unit/test_request_validator.py"
TWILIO_FORM = b"CallSidCA1234567890ABCDECaller+14158675309Digits1234From+14158675309To+18005551212"
"""The form's fields in order, as Twilio joins them."""


def twilio(url: str, code: str, form: bytes = TWILIO_FORM) -> Described:
    """What is signed is the URL and the joined fields; a JSON body is signed by a query value alone."""
    table = plain(signed="{url}{body}", digest="sha1", encoding="base64")
    return Described(TWILIO, "12345", form, code, table, url=url)


DESCRIBED = (
    twilio("https://mycompany.com/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    twilio("https://mycompany.com:443/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w="),
    twilio("http://mycompany.com:1234/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    twilio("http://mycompany.com:80/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    twilio(
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        b"Digits1234Digits5678SidCA123SidAccountAC123",
    ),
    twilio(
        "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256="
        "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
        "a9nBmqA0ju/hNViExpshrM61xv4=",
        b"",
    ),
    Described(
        "Adyen, signing of notifications: the fields joined",
        "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        b"7914073381342284::TestMerchant:TestPayment-1407325143704:1130:EUR:AUTHORISATION:true",
        "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=",
        plain(key="hex", encoding="base64"),
    ),
    Described(
        "RFC 9421, B.2.5: the signature base",
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
        b'"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@authority": example.com\n"content-type": application/json\n'
        b'"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
        plain(key="base64", encoding="base64"),
    ),
    Described(
        f"{ADNANH}: Scalr, the date after the body",
        "bilFGi4ZVZUdG+C6r0NIM9tuRq6PaG33R3eBUVhLwMAErGBaazvXe4Gq2DcJs5q+",
        b'{"a": "b"}Thu 07 Sep 2017 06:30:04 UTC',
        "48e395e38ac48988929167df531eb2da00063a7d",
        plain(digest="sha1"),
    ),
    Described(ADNANH, "secret", b'{"a": "z"}', "b17e04cbb22afa8ffbff8796fc1894ed27badd9e", plain(digest="sha1")),
    Described(
        ADNANH, "secret", b'{"a": "z"}', "f417af3a21bd70379b5796d5f013915e7029f62c580fb0f500f59a35a6f04c89", plain()
    ),
    Described(
        ADNANH,
        "secret",
        b'{"a": "z"}',
        "4ab17cc8ec668ead8bf498f87f8f32848c04d5ca3c9bcfcd3db9363f0deb44e580b329502a7fdff633d4d8fca301cc5c94a55a2fec458c675"
        "fb0ff2655898324",
        plain(digest="sha512"),
    ),
    Described(ADNANH, "secret", b"", "f9e66e179b6747ae54108f82f8ade8b3c25d76fd30afde6c395822c530196169", plain()),
    Described(STRIPE, "test_secret", b"", "f7f9bd47fb987337b5796fdc1fdb9ba221d0d5396814bfcaf9521f43fd8927fd", plain()),
    Described(
        STRIPE,
        "test_secret",
        b'{"obj1":"hello","obj2":"world"}',
        "bebb1a643997f419b315ddba19e6f5411e1ce7f810ba6d3617ce72823092f363",
        plain(),
    ),
    Described(
        STRIPE,
        "test_secret",
        "\U0001f600".encode(),
        "837da296d05c4fe31f61d5d7ead035099d9585a5bcde87de952012a78f0b0c43",
        plain(),
    ),
    Described(
        RFC,
        "0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        plain(key="hex"),
    ),
    Described(
        RFC,
        "Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        plain(),
    ),
    Described(
        OUTPOST,
        "test-secret",
        b'{"hello":"world"}',
        "7054f74dae9f73e82b56ca73e8f81450097c698eeda0b00bb8728e89796baf2d",
        plain(headers=["X-Time: {timestamp}", "X-Signature: {signature}"], signed="{timestamp}.{body}"),
        1_234_567_890,
    ),
    Described(
        OUTPOST,
        "test-secret",
        b'{"hello":"world"}',
        "e2f4423c54f5385099d8e3fbb01237d415ee8fdf",
        plain(headers=["X-Time: {timestamp}", "X-Signature: {signature}"], signed="{timestamp}.{body}", digest="sha1"),
        1_234_567_890,
    ),
    Described(
        CONVOY,
        "convoy-webhook-secret",
        CONVOY_BODY,
        "244449b7f48cbc2709060c9dcdc2b3aa47a78f540430579015c579fb12defbb4",
        plain(),
    ),
    Described(
        CONVOY,
        "convoy-webhook-secret",
        CONVOY_BODY,
        "JERJt/SMvCcJBgydzcKzqkenj1QEMFeQFcV5+xLe+7Q=",
        plain(encoding="base64"),
    ),
    Described(
        CONVOY,
        "convoy-webhook-secret",
        CONVOY_BODY,
        "6cc772dc81942ae1b5ffa91c3a6a07b0d37edc8dc6bd83e3518a219f1f19ff71ae1b76d6b320940d414c236a1aad7f7930b63e0f1928951955"
        "d31219545e1b66",
        plain(digest="sha512"),
    ),
    Described(
        CONVOY,
        "convoy-webhook-secret",
        CONVOY_BODY,
        "bMdy3IGUKuG1/6kcOmoHsNN+3I3GvYPjUYohnx8Z/3GuG3bWsyCUDUFMI2oarX95MLY+DxkolRlV0xIZVF4bZg==",
        plain(digest="sha512", encoding="base64"),
    ),
    Described(
        CONVOY,
        "convoy-webhook-secret",
        CONVOY_BODY,
        "t=1700000000,v1=d7i5Jp8loZmEalWivSWz+6FRxw/a5gux3Nh/u8lDxVw=",
        advanced(encoding="base64"),
        1_700_000_000,
    ),
    Described(
        CONVOY,
        "convoy-webhook-secret",
        CONVOY_BODY,
        "t=1700000000,v1=b2122e252cd2582cf225cb2b8d4ceede9e34329e2fe95c02619c3ed5d4a3d9a73e6beaf2dff8e76d71a693ae198cee40685"
        "eed12ad4ee2e033dc2d0399ede057",
        advanced(digest="sha512"),
        1_700_000_000,
    ),
    Described(
        CONVOY,
        "convoy-webhook-secret",
        CONVOY_BODY,
        "t=1700000000,v1=shIuJSzSWCzyJcsrjUzu3p40Mp4v6VwCYZw+1dSj2ac+a+ry3/jnbXGmk64ZjO5AaF7tEq1O4uAz3C0Dme3gVw==",
        advanced(digest="sha512", encoding="base64"),
        1_700_000_000,
    ),
)

_GOOD = "77b8b9269f25a199846a55a2bd25b3fba151c70fdae60bb1dcd87fbbc943c55c"
_BAD = "449623e4897bbde05e35358293f97b8c2f697367ffa3e7466e98178dfba44d19"
CONVOY_HEADERS = (
    # name in Convoy's file, header, seconds after signing, whether Convoy takes it
    ("advanced_tamper", f"t=1700000000,v1={_GOOD[:-1]}0", 0, False),
    ("advanced_expired", f"t=1700000000,v1={_GOOD}", 301, False),
    ("advanced_t_not_first", f"v1={_GOOD},t=1700000000", 0, True),
    ("advanced_multi_v1_one_valid", f"t=1700000000,v1={_BAD},v1={_GOOD}", 0, True),
    ("advanced_multi_v1_none_valid", f"t=1700000000,v1={_BAD},v1={_BAD}", 0, False),
    ("advanced_t_infinity", f"t=Infinity,v1={_GOOD}", 0, False),
    ("advanced_numeric_signature", "t=1700000000,v1=1234567890", 0, False),
    ("advanced_missing_timestamp", f"v1={_GOOD},v2={_GOOD}", 0, False),
)
