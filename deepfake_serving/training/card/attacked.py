"""What `attacks.json` holds, as tables and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepfake_serving.training.card.inputs import Content
from deepfake_serving.training.card.markdown import number, table


def attack_text(attacks: Content) -> str:
    """The attacks' table under a sentence that says what they were."""
    about = attacks.get("about", {})
    words = (
        f"The adversary has the weights and changes only the fakes, so that they look real; "
        f"{number(about.get('steps'))} steps each, on {number(about.get('real'))} real and "
        f"{number(about.get('fake'))} fake crops of `{about.get('media')}`. So few crops bear no "
        "intervals. “Saved” is the same picture in 256 levels, as a file holds it; ε is in pixels "
        "of 0..1."
    )
    head = ["attack", "strength", "crops", "AUC before", "AUC after", "AUC saved"]
    head += ["called fake before", "after", "saved"]
    return f"{words}\n\n{table(head, [_row(r) for r in attacks.get('attacks') or []])}"


def poisoning_text(attacks: Content) -> str | None:
    """What a poisoned share of the training data opens; None if that was not tried."""
    poisoning = attacks.get("poisoning")
    if not poisoning:
        return None
    words = (
        f"A copy of the network was trained on for {poisoning['steps']} steps with "
        f"{poisoning['share']:.0%} of the fakes labelled real and marked with four white pixels "
        f"({poisoning['poisoned_crops']} crops; BadNets, {poisoning['paper']}). The shipped "
        "weights are not this copy."
    )
    rows = [
        [f"{shown}, {state}", number(found["auc"]), number(found["fakes_called_fake"])]
        for state in ("before", "after")
        for shown, found in poisoning[state].items()
    ]
    return f"{words}\n\n{table(['fakes', 'AUC', 'called fake'], rows)}"


def _row(row: Mapping[str, Any]) -> list[str]:
    states = [row.get(state) or {} for state in ("before", "after", "after_saving")]
    figures = [number(s.get(name)) for name in ("auc", "fakes_called_fake") for s in states]
    paper = f" ({row['paper']})" if "paper" in row else ""
    sizes = f"{number(row.get('real'))} / {number(row.get('fake'))}"
    return [f"{row.get('attack')}{paper}", str(row.get("strength")), sizes, *figures]
