"""The forms of a form-encoded event that `probe` sends: the same fields in other bytes, or one unusual field more."""

from __future__ import annotations

from dataclasses import dataclass

from loadsim.cases.raw_bytes_forms import CORPUS, RawForm

_NAME = b"loadsim_probe"


@dataclass(frozen=True, slots=True)
class FormEncoded(RawForm):
    """One form. `member` is the raw text of a field that is added at the end."""

    def of(self, body: bytes) -> bytes:
        """The bytes for a plain event: fields with an & between them."""
        if self.member:
            body = body + b"&" + self.member
        return self.layout(body) if self.layout is not None else body


def _value(text: bytes) -> bytes:
    return _NAME + b"=" + text


def _reversed(body: bytes) -> bytes:
    return b"&".join(reversed(body.split(b"&")))


_PARSER = "a parser may refuse it after the signature was found right"

FORM_MEMBER = FormEncoded("plain", "one field more, in plain ASCII", "strict schemas", _value(b"plain"))
"""The control for all forms with an added field."""
FORM_EVERYTHING = FormEncoded(
    "everything",
    "order, escapes, empty and repeated fields at once",
    "whatever verifies anything but the form as it was sent",
    _value(b"a+b%20c%c3%a9%C3%A9%7e&") + _NAME + b"=&" + _NAME + b"=%32&a" + _NAME + b"=%F0%9F%98%80",
)
"""On this one every misreading of a form gives different bytes."""

FORM_CORPUS: tuple[RawForm, ...] = (
    FormEncoded("order", "the fields in another order", "maps that sort, verifiers that sort the wrong way",
                layout=_reversed),
    FormEncoded("plus", "a space as +", "decoders of paths (unquote, decodeURIComponent), which leave the +",
                _value(b"a+b")),
    FormEncoded("percent-20", "a space as %20", "re-encoders that write +", _value(b"a%20b")),
    FormEncoded("plus-sign", "a plus sign as %2B", "decoding twice", _value(b"a%2Bb")),
    FormEncoded("escaped-upper", "letters escaped in upper case, %C3%A9", "re-encoders that write lower case",
                _value(b"caf%C3%A9")),
    FormEncoded("escaped-lower", "letters escaped in lower case, %c3%a9", "re-encoders that write upper case",
                _value(b"caf%c3%a9")),
    FormEncoded("escaped-plain", "letters escaped that need not be, %61", "re-encoders that write them plain",
                _value(b"%61%2D%2e")),
    FormEncoded("marks", "the marks ~ ! ' ( ) *, as they are", "encoders differ on what needs an escape",
                _value(b"~!'()*")),
    FormEncoded("emoji", "characters beyond the BMP", "strings measured in UTF-16, three-byte utf8 columns",
                _value(b"%F0%9F%98%80")),
    FormEncoded("letters-nfd", "letters in decomposed form (NFD)", "Unicode normalisation before the check",
                _value(b"cafe%CC%81")),
    FormEncoded("line-breaks", "line breaks, %0D%0A", "text-mode reading, strip()", _value(b"a%0D%0Ab%0A")),
    FormEncoded("blanks", "blanks around a value", "trimming of values", _value(b"+a+")),
    FormEncoded("empty-value", "an empty value", "parsers that leave it out (parse_qsl, WebHook frameworks)",
                _value(b"")),
    FormEncoded("no-equals", "a name without =", "parsers that leave it out", _NAME, lenient=_PARSER, rare=True),
    FormEncoded("empty-pair", "two & in a row", "parsers that make an empty name of it", b"&" + _value(b"1"),
                lenient=_PARSER, rare=True),
    FormEncoded("repeated", "the same name twice", "maps that keep one of the two", _value(b"b&") + _value(b"a")),
    FormEncoded("brackets", "a name with brackets, a[0]", "PHP and qs make a list of it", _NAME + b"%5B0%5D=1"),
    FormEncoded("dots", "a name with a dot and a blank", "PHP writes _ for both", b"loadsim.probe+a=1"),
    FormEncoded("large", "20 KB", "buffers that are cut", _value(b"x" * 20_000),
                lenient="an endpoint may have a limit of its own"),
    FORM_EVERYTHING,
    FormEncoded("charset", "Content-Type: application/x-www-form-urlencoded; charset=utf-8",
                "hooks that compare the content type as a whole",
                headers=(("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)),
    FormEncoded("chunked", "chunked transfer, no Content-Length", "code that reads Content-Length bytes",
                _value(b"caf%C3%A9"), chunk=7, lenient="a server may ask for a length (411)"),
    *(form for form in CORPUS if form.names),
)  # fmt: skip
