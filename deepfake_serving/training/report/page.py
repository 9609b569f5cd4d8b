"""The page to look at: one HTML file that needs nothing beside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from deepfake_serving.training.evaluate.breakdown import Part
from deepfake_serving.training.evaluate.figures import NAMES
from deepfake_serving.training.evaluate.levels import LEVELS
from deepfake_serving.training.evaluate.mistakes import Mistake, as_jpeg
from deepfake_serving.training.evaluate.record import Evaluation
from deepfake_serving.training.report.wording import interval_text, number

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-size: 13px }
th, td { padding: .25rem .5rem; border-bottom: 1px solid #ddd; text-align: left }
td { font-variant-numeric: tabular-nums; white-space: nowrap } th { vertical-align: bottom }
.about td + td { white-space: normal; overflow-wrap: anywhere }
.plots img { max-width: 32rem; width: 49%; min-width: 20rem }
.plots .wide { width: 100%; max-width: 100% }
.strip { display: flex; flex-wrap: wrap; gap: .8rem } figure { margin: 0; width: 8rem }
figure img { width: 8rem; height: 8rem } figcaption { font-size: 12px; overflow-wrap: anywhere }
p { color: #555 }
"""
_SHOWN = ("auc", "balanced_accuracy", "real_called_fake", "fake_called_fake", "brier", "ece")
_READING = (
    "Intervals hold 95 % and come from resampling identities: what shows the same person is drawn "
    "together. A frame has the probability of its most suspicious face, a video the mean of its "
    "faces'. A dash: undefined for this material. The calibration error of few units, and more so "
    "of their resamples, is too high: its interval may lie above the value."
)


def page(evaluation: Evaluation, plots: Sequence[Path]) -> str:
    """The HTML, with `plots` (PNG files) and crops embedded."""
    title = escape(f"Evaluation of {evaluation.about['model']}")
    body = [
        f"<h1>{title}</h1>",
        _about(evaluation),
        "<h2>Figures</h2>",
        f"<p>{escape(_READING)}</p>",
        _figures(evaluation),
        *(_parts(evaluation, by) for by in ("manipulation", "face size", "variant")),
        "<h2>Plots</h2>",
        '<div class="plots">' + "".join(_plot(path) for path in plots) + "</div>",
        _robustness(evaluation),
        _strip("Reals that look most fake to it", evaluation.reals),
        _strip("Fakes that look most real to it", evaluation.fakes),
    ]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    text = "\n".join(part for part in body if part)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{text}\n</body></html>\n'


def _about(evaluation: Evaluation) -> str:
    rows = [(name, "–" if v is None else str(v)) for name, v in evaluation.about.items()]
    return _table((), rows, "about")


def _figures(evaluation: Evaluation) -> str:
    wholes = [evaluation.whole(level).figures for level in LEVELS]
    rows: list[Sequence[str]] = [
        (title, *(interval_text(whole.figures[name]) for whole in wholes))
        for name, title in NAMES.items()
    ]
    rows.append(("real / fake", *(f"{w.real} / {w.fake}" for w in wholes)))
    rows.append(("identities", *(str(w.identities) for w in wholes)))
    rows.append(("without an answer", *(str(w.unanswered) for w in wholes)))
    cells = [" / ".join(str(w.confusion[c]) for c in ("tp", "fp", "tn", "fn")) for w in wholes]
    rows.append(("true / false positives, true / false negatives", *cells))
    return _table(("", "faces", "frames", "videos"), rows)


def _parts(evaluation: Evaluation, by: str) -> str:
    mine = [part for part in evaluation.parts if part.by == by]
    if len(mine) < 2:
        return ""
    head = (by, f"{mine[0].level}s: real / fake", "no answer", *(NAMES[n] for n in _SHOWN))
    return f"<h2>By {by}</h2>" + _table(head, [_part(part) for part in mine])


def _part(part: Part) -> Sequence[str]:
    found = part.figures
    sizes = (part.name, f"{found.real} / {found.fake}", str(found.unanswered))
    return (*sizes, *(interval_text(found.figures[name]) for name in _SHOWN))


def _robustness(evaluation: Evaluation) -> str:
    if not evaluation.robustness:
        return ""
    rows = [
        (f"{p.kind} {p.level:g}", interval_text(p.auc), interval_text(p.drop), str(p.videos))
        for p in evaluation.robustness
    ]
    return "<h2>Robustness</h2>" + _table(("", "AUC", "drop", "videos"), rows)


def _strip(title: str, mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return ""
    shown = "".join(_mistake(mistake) for mistake in mistakes)
    return f'<h2>{escape(title)}</h2><div class="strip">{shown}</div>'


def _mistake(mistake: Mistake) -> str:
    score = mistake.score
    text = escape(f"{number(score.probability)} {score.path}, frame {score.frame}")
    source = b64encode(as_jpeg(mistake.crop)).decode()
    image = f'<img alt="" src="data:image/jpeg;base64,{source}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def _plot(path: Path) -> str:
    kind = ' class="wide"' if path.stem == "robustness" else ""
    source = b64encode(path.read_bytes()).decode()
    return f'<img alt="{escape(path.stem)}"{kind} src="data:image/png;base64,{source}">'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "figures") -> str:
    titles = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f'<table class="{kind}">{titles if head else ""}{"".join(lines)}</table>'
