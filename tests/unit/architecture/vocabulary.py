"""The words that this project no longer uses, and where they still occur.

`python -m tests.unit.architecture.vocabulary` prints every occurrence, one per line.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

NAMES = {
    r"asked": "request, range, query …",
    r"told|telling|tell|tells": "deliver, delivered, map_errors, as_problem",
    r"answer|answers|answered|answering": "response, result, reply",
    r"exchange|exchanges": "request scope",
    r"door|doors": "endpoint, authenticator",
    r"beaten|beat|beats": "renewed, heartbeat",
    r"lane|lanes": "queue, slots",
    r"patience|patient": "timeout",
    r"bound|bounds": "limit",
    r"opinion|opinions": "score",
    r"tally|tallies": "accumulator, count",
    r"conclude|concluded|concludes": "build_shot, finish",
    r"judge|judges|judged|judging|judgement": "detect, classify, score, analyse",
    r"picture|pictures|photograph|photographs": "image, portrait",
    r"piece|pieces": "chunk, segment",
    r"caller|callers": "client",
    r"heeded|heard|heed": "handled, received",
    r"cutter|cutters": "segmenter",
    r"neighbours|neighbour": "origin, adjacent",
    r"disturb|disturbed|disturbance": "corrupt, corruption",
    r"crowd": "uploadQueue",
    r"ledger": "job service, resultsTable",
    r"nought": "zero",
    r"hundredth|hundredths": "percent",
}
"""Words inside a name (`snake_case` and `CamelCase` are split), and what to say instead."""

WHOLE_NAMES = {
    r"most_\w+|least_\w+": "max_…, min_…",
    r"_naming|_told|_telling": "bind_errors, as_problem, map_errors",
    r"Access|Standing|Reach|Pace|Link|Word|Take|Seen|Follower|Piece|Coded|Gate": "see the glossary",
    r"GaveUp|InsaneAnswer|Learner|Progressed|_follow": "see the glossary",
    r"oneNode|_let_go|let_go": "sharesRWOVolume, drain",
    r"places|room|rooms": "slots, capacity, semaphore",
    r"asking|ask|stand_in|StandIn": "load, send_…, stub",
    r"Drawn|Drawer|_recoloured|_tightened|_allotted": "FacePair, SourceSampler, a verb",
}
"""Whole names."""

DEFINITIONS = {
    r"sent|received|taken|made|measured|attacked|damage|material": "a verb, or what it returns",
    r"suppress|cuts|hold|bodies|word|words": "nms, crops, prepare, request_body, label",
}
"""Names of functions and classes of ours. Others' (`contextlib.suppress`) are no matter."""

PROSE = {
    r"(?<!big )\bpictures?\b|\bphotographs?\b": "image, portrait, photo",
    r"\bcallers?\b": "client (of a function: the caller is fine as 'calling code')",
    r"\b(back )?doors?\b": "endpoint",
    r"\bhang(s|ing)? up\b|\bhung up\b": "disconnects",
    r"\blet(s|ting)? go\b": "drain, release",
    r"\bheeded\b|\b(is|are|was) heard\b|\bheed(s)?\b": "handled, received",
    r"\bbeaten\b": "renewed",
    r"\bpatience\b": "timeout",
    r"\bjudg(e|es|ed|ing|ement|ements)\b": "detect, classify, score, analyse",
    r"\bopinions?\b": "score",
    r"\b(insane|gave up)\b": "failed",
    r"\bpieces?\b": "chunk, segment, part",
    r"\bneighbours?\b": "adjacent, other site",
    r"\banew\b": "again",
    r"\bwhoever\b|\bwhatever hangs\b": "a client that …",
    r"\bledger\b|\bcrowd\b": "job service, results table, upload queue",
    r"\b(most|least)_[a-z_]+\b": "max_…, min_…",
    r"\bfewer digits\b": "lower precision",
    r"\banswer(s|ed|ing)?\b": "respond, response, result",
    r"\b(is|are|was|were|be|been|unless) told\b|\btells\b": "is notified, reports, shows",
    r"\b(told|tells?) apart\b|\btell \w+ apart\b": "distinguish, separate",
    r"\bnought\b": "zero",
    r"\bby heart\b": "memorized, overfit",
    r"\bunder way\b": "in progress",
    r"\bin (its|their) places?\b": "at its position",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(anybody|somebody)\b": "any client, a person, a user",
    r"\bstand-ins?\b|\bstands in for\b": "stub, approximation",
    r"\bat hand\b": "available",
    r"\bsame making\b|\bmade as a whole\b": "same origin, wholly generated",
    r"\bgo(es)? on where\b": "resumes",
    r"—": "a full stop",
}
"""Phrases in comments, docstrings, messages and pages, whatever the case."""

ANY_PROSE = re.compile("|".join(f"(?:{pattern})" for pattern in PROSE), re.IGNORECASE)

OPENINGS = re.compile(r"\s*(Of|What|As|How|Where|Whose|To whom)\b")
"""How no docstring begins."""

ALLOWED = [
    (
        "",
        r"bound_contextvars|filtering_bound_logger|BoundLogger|lower_bound|upper_bound|unbound|bound=|out.of.bounds",
    ),
    ("", r"[Pp]ost photograph|contextlib\.suppress"),
    ("", r"<picture|</picture"),
    (
        "",
        r"judged_s|\"judged\"|`judged`|Judged S",
    ),  # a field of live summaries, and a metric's label
    ("", r"\.tell\(\)|def tell\(self\)"),  # of a file
    ("deepfake_serving/training/", r"\bpatience\b|\bbounds=|\bbound: Annotated|crops, bound\)"),
    ("tests/unit/training/", r"\bpatience\b"),  # as in PyTorch's ReduceLROnPlateau
    ("config/training/", r"\bpatience\b"),
    ("docs/models/", r"\bpatience\b"),
    ("model_store/", r"\"patience\""),
    ("deepfake_serving/gateway/console/", r"source\.end\.bound"),  # why a live job ended
    ("deepfake_serving/gateway/console/messages/de/", r"\bLink\b"),  # German
    ("deepfake_serving/training/data/portraits.py", r"`picture`|\"picture\""),  # arrays of a file
    ("docs/training.md", r"`picture`"),
    ("tests/unit/training/data/", r"picture=np"),
    ("docs/performance.md", r"\bcrowd\b"),  # a test image's name
    ("", r"[\"']answered\\?[\"']|outcome=\S{0,2}answered"),  # a metric's label
    ("", r"hf_hub:somebody|takes its place"),
]
"""(path prefix, pattern): occurrences within a match of the pattern are right."""

EXCLUDED = (
    "LICENSE",
    "requirements/",
    "tests/integration/clients/typescript/package-lock.json",
    "tests/unit/architecture/vocabulary.py",
    "tests/unit/architecture/test_vocabulary.py",
    "deepfake_serving/contracts/protos/inference/",
    "benchmarks/baseline.json",
)
NOT_YET: tuple[str, ...] = ()
"""Places that still hold old words. The list only shrinks."""

SUFFIXES = {".py", ".md", ".js", ".html", ".css", ".yaml", ".yml", ".tpl", ".txt", ".sh", ".toml"}
SUFFIXES |= {".proto", ".json", ".Dockerfile", ".gotmpl", ""}


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found!r} -> {self.instead}"


def tracked() -> list[str]:
    """The project's text files."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return [
        path
        for path in listed.stdout.splitlines()
        if not path.startswith(EXCLUDED)
        and Path(path).suffix in SUFFIXES
        and (ROOT / path).exists()
    ]


def findings() -> Iterator[Finding]:
    for path in tracked():
        yield from of_name(path)
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        yield from (of_python if path.endswith(".py") else of_text)(path, text)


def of_name(path: str) -> Iterator[Finding]:
    """Words in a file's own name."""
    for word in re.findall(r"[a-z]+", Path(path).stem.lower()):
        for pattern, instead in NAMES.items():
            if re.fullmatch(pattern, word):
                yield Finding(path, 0, f"file name {word}", instead)


def of_text(path: str, text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        yield from in_prose(path, number, line)
        if path.endswith(".js"):
            for name in set(re.findall(r"[A-Za-z_$][\w$]*", re.sub(r"//.*|/?\*.*", "", line))):
                yield from in_name(path, number, name, line)


def of_python(path: str, text: str) -> Iterator[Finding]:
    lines = text.splitlines()
    previous = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        number, kind = token.start[0], tokenize.tok_name[token.type]
        if kind == "NAME":
            yield from in_name(path, number, token.string, lines[number - 1])
            if previous in ("def", "class"):
                for instead in old_names(token.string, defined=True):
                    if not allowed(path, lines[number - 1], token.string):
                        yield Finding(path, number, token.string, instead)
        elif kind in ("COMMENT", "STRING", "FSTRING_MIDDLE"):
            for offset, line in enumerate(token.string.splitlines()):
                yield from in_prose(path, number + offset, line)
        previous = token.string
    yield from openings(path, text)


def openings(path: str, text: str) -> Iterator[Finding]:
    """Docstrings that begin neither with a verb nor with a noun."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, str) and (match := OPENINGS.match(value)):
                yield Finding(path, node.lineno, f'"""{match[0]} …"""', "a verb or a noun first")


def in_name(path: str, number: int, name: str, line: str) -> Iterator[Finding]:
    for instead in old_words(name):
        if not allowed(path, line, name):
            yield Finding(path, number, name, instead)
    for instead in old_names(name):
        if not allowed(path, line, name):
            yield Finding(path, number, name, instead)


@cache
def old_words(name: str) -> tuple[str, ...]:
    """Returns what to say instead of each old word in a name."""
    words = dict.fromkeys(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
    return tuple(
        instead
        for word in words
        for pattern, instead in NAMES.items()
        if re.fullmatch(pattern, word.lower())
    )


@cache
def old_names(name: str, defined: bool = False) -> tuple[str, ...]:
    """Returns what to say instead of a name that is old as a whole."""
    patterns = DEFINITIONS if defined else WHOLE_NAMES
    return tuple(instead for pattern, instead in patterns.items() if re.fullmatch(pattern, name))


def in_prose(path: str, number: int, line: str) -> Iterator[Finding]:
    if not ANY_PROSE.search(line):
        return
    for pattern, instead in PROSE.items():
        for match in re.finditer(pattern, line, re.IGNORECASE):
            if not allowed(path, line, match[0]):
                yield Finding(path, number, match[0], instead)


def allowed(path: str, line: str, found: str) -> bool:
    """Whether every occurrence in the line lies within one that is right."""
    patterns = (pattern for prefix, pattern in ALLOWED if path.startswith(prefix))
    return any(found not in re.sub(pattern, "", line) for pattern in patterns)


if __name__ == "__main__":
    seen = dict.fromkeys(str(finding) for finding in findings())
    print("\n".join(seen))
