"""The model card, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deepfake_serving.training.card import attack_section, metrics_section, training_section
from deepfake_serving.training.card.groups_section import groups_section
from deepfake_serving.training.card.inputs import Content, Inputs
from deepfake_serving.training.card.markdown import bullets, table
from deepfake_serving.training.card.reference_sections import commands, published_table
from deepfake_serving.training.card.robustness_section import PLOT, robustness_section
from deepfake_serving.training.development.robustness_plot import plot_sets
from deepfake_serving.training.development.table import as_markdown

_GENERATED = "<!-- Made by `python -m deepfake_serving.training card`; do not edit. -->"


def write_card(inputs: Inputs, out: Path) -> None:
    """Writes the card as Markdown, its plot beside it; missing inputs are named in it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n\n".join(card(inputs)) + "\n", encoding="utf-8")
    if inputs.robustness:
        plot_sets(inputs.robustness, out.parent / PLOT)


def card(inputs: Inputs) -> Iterator[str]:
    """Yields the headings, paragraphs and tables of the card."""
    facts = inputs.facts
    yield _GENERATED
    yield "# Model card"
    yield (
        "Estimates the probability that a face was swapped or blended into an image. `detector` "
        "(images) and `classifier` (face crops) share one network."
    )
    yield "## Intended use"
    yield bullets(facts.intended)
    yield "## Out-of-scope use"
    yield bullets(facts.not_intended)
    yield "## Known failures"
    yield bullets(_failures(inputs))
    yield from _training(inputs)
    yield from _development_sets(inputs)
    yield from _evaluations(inputs)
    yield "## Calibration"
    yield (
        training_section.calibration_text(inputs.calibration)
        if inputs.calibration
        else _missing("calibration", "calibrate")
    )
    yield from _attacks(inputs)
    yield "## Published results of other models"
    yield published_table(inputs)
    yield facts.not_comparable.strip()
    yield "## Reproduction"
    yield commands(inputs)


def _failures(inputs: Inputs) -> Iterator[str]:
    for failure in inputs.facts.fails:
        evidence = [
            phrase
            for evaluation in inputs.evaluations
            for phrase in metrics_section.failure_evidence(failure, evaluation)
        ]
        if evidence:
            note = f" Measured: {'; '.join(evidence)}."
        elif failure.face_size or failure.corruptions:
            note = " See the development sets." if inputs.groups else " Not measured here."
        else:
            note = " Not measured: no such data."
        yield f"**{failure.what}.** {failure.why}{note}"


def _training(inputs: Inputs) -> Iterator[str]:
    facts, exported = inputs.facts, inputs.exported
    yield "## Weights"
    if exported:
        yield training_section.weights_table(exported)
    else:
        yield _missing("provenance", "export")
    yield "## Training"
    yield facts.training_data_summary.strip()
    yield table(["data", "licence"], [[s.what, s.licence] for s in facts.training_data])
    yield facts.fakes.strip()
    development = facts.development
    yield f"Development: {development.what} ({development.licence}). {development.use.strip()}"
    if exported:
        yield from _stages(exported)
        yield "Maximum difference of each exported format from the one before:"
        yield training_section.checks_table(exported)


def _stages(exported: Content) -> Iterator[str]:
    """Yields the training runs in order; each started from the weights of the one before."""
    stages = [exported]
    while before := stages[0].get("before"):
        stages.insert(0, before)
    for number, stage in enumerate(stages, 1):
        if len(stages) > 1:
            yield f"### Stage {number}"
        if average := training_section.average_text(stage):
            yield average
            if synthesis := training_section.synthesis_text(stage):
                yield synthesis
            continue
        yield training_section.training_table(stage) or _missing("training settings", "export")
        yield training_section.epochs_text(stage) or _missing("training log", "export")


def _development_sets(inputs: Inputs) -> Iterator[str]:
    if not inputs.development:
        return
    yield "## Development sets"
    yield (
        "One set for each kind of fake or of real. AUC of faces against the reals of the same set, "
        "and against those of all sets, each set with the same weight."
    )
    yield as_markdown(inputs.development).strip()
    yield inputs.facts.development.caution.strip()
    if inputs.groups:
        yield from groups_section(inputs.groups)
    if inputs.robustness:
        yield from robustness_section(inputs.robustness)


def _evaluations(inputs: Inputs) -> Iterator[str]:
    if inputs.development and not inputs.evaluations:
        return
    yield "## Metrics"
    if not inputs.evaluations:
        yield _missing("evaluation", "evaluate")
    else:
        yield (
            "Intervals are 95 % bootstrap intervals over identities. A dash marks an undefined "
            "value."
        )
    for evaluation in inputs.evaluations:
        yield from _evaluation(evaluation, inputs)


def _evaluation(evaluation: Content, inputs: Inputs) -> Iterator[str]:
    about = evaluation.get("about", {})
    yield f"### {about.get('media', 'unnamed data')}"
    yield bullets(f"{name}: {value}" for name, value in about.items() if value is not None)
    if remark := _weights_remark(inputs, about.get("weights digest")):
        yield remark
    if about.get("folds"):
        yield (
            "These weights are the average of networks that together were trained on all of these "
            "people. Here each network was evaluated out of fold, on the people it was not trained "
            "on; the average itself can't be evaluated on them fairly."
        )
    if about.get("media") == inputs.facts.development.media:
        yield f"**{inputs.facts.development.caution.strip()}**"
    yield metrics_section.overall_table(evaluation)
    for by in ("manipulation", "face size"):
        if subgroups := metrics_section.subgroup_table(evaluation, by):
            yield subgroups
    yield "#### Robustness to image corruptions"
    yield metrics_section.robustness_table(evaluation) or _missing("robustness", "evaluate")


def _trained_on(inputs: Inputs, media: str | None) -> bool:
    """Whether these media were evaluated out of fold, because they were trained on."""
    abouts = [evaluation.get("about", {}) for evaluation in inputs.evaluations]
    return any(about.get("folds") and about.get("media") == media for about in abouts)


def _weights_remark(inputs: Inputs, digest: str | None) -> str | None:
    """Returns a remark if metrics belong to other weights than the shipped ones."""
    if inputs.exported is None or digest is None:
        return None
    if digest == f"sha256:{inputs.exported['weights']['sha256']}":
        return None
    if digest == inputs.exported.get("trained"):
        return (
            "These metrics belong to the weights before export; see the differences of the "
            "exported formats above."
        )
    return "**These metrics belong to other weights than those above.**"


def _attacks(inputs: Inputs) -> Iterator[str]:
    yield "## Adversarial attacks"
    if not inputs.attacks:
        yield _missing("attacks", "attack")
        return
    about = inputs.attacks.get("about", {})
    if remark := _weights_remark(inputs, about.get("weights digest")):
        yield remark
    if _trained_on(inputs, about.get("media")):
        yield "The network was trained on the people in these clips, so AUC before is optimistic."
    yield attack_section.attack_text(inputs.attacks)
    yield "### Poisoned training data"
    yield attack_section.poisoning_text(inputs.attacks) or _missing("poisoning", "attack --poison")


def _missing(what: str, command: str) -> str:
    return f"*Missing: {what} (`python -m deepfake_serving.training {command}`).*"
