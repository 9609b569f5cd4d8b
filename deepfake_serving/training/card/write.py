"""The card, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deepfake_serving.training.card import attacked, made, measured
from deepfake_serving.training.card.context import commands, published
from deepfake_serving.training.card.inputs import Content, Inputs
from deepfake_serving.training.card.markdown import bullets, table

_MADE = "<!-- Made by `python -m deepfake_serving.training card`; do not edit. -->"


def write_card(inputs: Inputs, out: Path) -> None:
    """Writes the card (Markdown). What is missing among the inputs is called missing in it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n\n".join(card(inputs)) + "\n", encoding="utf-8")


def card(inputs: Inputs) -> Iterator[str]:
    """The card's paragraphs, tables and headings."""
    facts = inputs.facts
    yield _MADE
    yield "# The model"
    yield (
        "Tells how likely a face was swapped or blended into a picture. One network judges in "
        "`detector` (photographs) and in `classifier` (ready-made face crops)."
    )
    yield "## What it is for"
    yield bullets(facts.intended)
    yield "## What it is not for"
    yield bullets(facts.not_intended)
    yield "## What it fails on"
    yield bullets(_failures(inputs))
    yield from _made(inputs)
    yield from _evaluations(inputs)
    yield "## Calibration"
    yield (
        made.calibration_text(inputs.calibration)
        if inputs.calibration
        else _missing("calibration", "calibrate")
    )
    yield from _attacks(inputs)
    yield "## Beside published figures"
    yield published(inputs)
    yield facts.not_comparable.strip()
    yield "## How to reproduce"
    yield commands(inputs)


def _failures(inputs: Inputs) -> Iterator[str]:
    for failure in inputs.facts.fails:
        phrases = [p for e in inputs.evaluations for p in measured.shown(failure, e)]
        asked = failure.face_size or failure.disturbances
        if phrases:
            said = f" Measured: {'; '.join(phrases)}."
        else:
            said = " Not measured here." if asked else " Not measured: there is no such material."
        yield f"**{failure.what}.** {failure.why}{said}"


def _made(inputs: Inputs) -> Iterator[str]:
    facts, exported = inputs.facts, inputs.exported
    yield "## Weights"
    yield made.weights_table(exported) if exported else _missing("provenance", "export")
    yield "## How it was trained"
    yield facts.training_data_summary.strip()
    yield table(["material", "licence"], [[s.what, s.licence] for s in facts.training_data])
    yield facts.fakes.strip()
    development = facts.development
    yield f"Development: {development.what} ({development.licence}). {development.use.strip()}"
    if exported:
        yield from _stages(exported)
        yield "Exported forms and how far each is at most from the one before:"
        yield made.checks_table(exported)


def _stages(exported: Content) -> Iterator[str]:
    """The runs that led to the weights, each started from the one before."""
    stages = [exported]
    while before := stages[0].get("before"):
        stages.insert(0, before)
    for number, stage in enumerate(stages, 1):
        if len(stages) > 1:
            yield f"### Stage {number}"
        yield made.training_table(stage) or _missing("training settings", "export")
        yield made.epochs_text(stage) or _missing("training log", "export")


def _evaluations(inputs: Inputs) -> Iterator[str]:
    yield "## Figures"
    if not inputs.evaluations:
        yield _missing("evaluation", "evaluate")
    else:
        yield (
            "Intervals hold 95 % and come from resampling identities. A dash: undefined for this "
            "material."
        )
    for evaluation in inputs.evaluations:
        yield from _evaluation(evaluation, inputs)


def _evaluation(evaluation: Content, inputs: Inputs) -> Iterator[str]:
    about = evaluation.get("about", {})
    yield f"### {about.get('media', 'unnamed material')}"
    yield bullets(f"{name}: {value}" for name, value in about.items() if value is not None)
    if remark := _of_other_weights(inputs, about.get("weights digest")):
        yield remark
    if about.get("folds"):
        yield (
            "That network is the average of several that, together, learnt from all these people. "
            "Here each of them judged on its own, each the people it had not learnt from; the "
            "average itself can't be judged on them fairly."
        )
    if about.get("media") == inputs.facts.development.media:
        yield f"**{inputs.facts.development.caution.strip()}**"
    yield measured.whole_table(evaluation)
    for by in ("manipulation", "face size"):
        if found := measured.part_table(evaluation, by):
            yield found
    yield "#### When pictures get worse"
    yield measured.robustness_table(evaluation) or _missing("robustness", "evaluate")


def _learnt_from(inputs: Inputs, media: str | None) -> bool:
    """Whether an evaluation of the same media had to be by folds."""
    abouts = [evaluation.get("about", {}) for evaluation in inputs.evaluations]
    return any(about.get("folds") and about.get("media") == media for about in abouts)


def _of_other_weights(inputs: Inputs, digest: str | None) -> str | None:
    """Says so where figures are not of the weights that ship; None where they are."""
    if inputs.exported is None or digest is None:
        return None
    if digest == f"sha256:{inputs.exported['weights']['sha256']}":
        return None
    if digest == inputs.exported.get("trained"):
        return "These figures are of the weights before export; how far it moved them stands above."
    return "**These figures are of other weights than those above.**"


def _attacks(inputs: Inputs) -> Iterator[str]:
    yield "## Under attack"
    if not inputs.attacks:
        yield _missing("attacks", "attack")
        return
    if remark := _of_other_weights(inputs, inputs.attacks.get("about", {}).get("weights digest")):
        yield remark
    if _learnt_from(inputs, inputs.attacks.get("about", {}).get("media")):
        yield "The network learnt from the people in these clips and starts from too good a figure."
    yield attacked.attack_text(inputs.attacks)
    yield "### Poisoned training data"
    yield attacked.poisoning_text(inputs.attacks) or _missing("poisoning", "attack --poison")


def _missing(what: str, command: str) -> str:
    return f"*Missing: {what} (`python -m deepfake_serving.training {command}`).*"
