"""The section on adversarial attacks, from `attacks.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepfake_serving.training.card.inputs import Content
from deepfake_serving.training.card.markdown import format_number, table


def attack_text(attacks: Content) -> str:
    """Returns a paragraph on the threat model and the table of attacks."""
    about = attacks.get("about", {})
    sizes = [format_number(about.get(name)) for name in ("steps", "real", "fake")]
    text = (
        "White-box attacks: the adversary knows the weights and perturbs the fakes so that they "
        f"look real; {sizes[0]} steps each, on {sizes[1]} real and {sizes[2]} fake crops of "
        f"`{about.get('media')}`. The sample is too small for confidence intervals. “Saved” is the "
        "same image in 256 levels, as a file stores it; ε is in pixel values of 0..1."
    )
    head = ["attack", "strength", "crops", "AUC before", "AUC after", "AUC saved"]
    head += ["labelled fake before", "after", "saved"]
    return f"{text}\n\n{table(head, [_row(r) for r in attacks.get('attacks') or []])}"


def poisoning_text(attacks: Content) -> str | None:
    """Returns the effect of poisoned training data; None if it was not measured."""
    poisoning = attacks.get("poisoning")
    if not poisoning:
        return None
    text = (
        f"A copy of the network was fine-tuned for {poisoning['steps']} steps with "
        f"{poisoning['share']:.0%} of the fakes labelled real and marked with a trigger of four "
        f"white pixels ({poisoning['poisoned_crops']} crops; BadNets, {poisoning['paper']}). The "
        "shipped weights are not this copy."
    )
    rows = [
        [f"{name}, {state}", *_metrics(metrics)]
        for state in ("before", "after")
        for name, metrics in poisoning[state].items()
    ]
    return f"{text}\n\n{table(['fakes', 'AUC', 'labelled fake'], rows)}"


def _metrics(metrics: Mapping[str, Any]) -> list[str]:
    return [format_number(metrics["auc"]), format_number(metrics["fakes_called_fake"])]


def _row(row: Mapping[str, Any]) -> list[str]:
    states = [row.get(state) or {} for state in ("before", "after", "after_saving")]
    metrics = [format_number(s.get(n)) for n in ("auc", "fakes_called_fake") for s in states]
    paper = f" ({row['paper']})" if "paper" in row else ""
    sizes = f"{format_number(row.get('real'))} / {format_number(row.get('fake'))}"
    return [f"{row.get('attack')}{paper}", str(row.get("strength")), sizes, *metrics]
