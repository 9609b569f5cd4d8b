"""The card of imported weights: what they are, whose, and what is not known about them."""

from __future__ import annotations

from typing import Any

import yaml

_CARD = """# {name}

{summary}

|  |  |
| --- | --- |
{sources}
| authors' code | {repository} |
| weights | `{file}`, sha256 `{sha256}` |
| licence | {licence} |
| parameters | {parameters:,} |

## Network and input

```yaml
{network}```

## What is not known

- Accuracy on your media. Others trained these weights on data of their own; evaluate them on yours
  (`python -m deepfake_serving.training evaluate`) before you rely on them.
- Calibration. The probabilities are those of the network as it was trained, so the thresholds of
  the labels mean less than for a calibrated model.

{superfluous}
"""


def write_card(record: dict[str, Any]) -> str:
    """Returns the card, in Markdown, of an import's record."""
    network = yaml.safe_dump(record["network"], sort_keys=False)
    return _CARD.format(
        **{
            **record,
            **{name: record["weights"][name] for name in ("file", "sha256")},
            "sources": "\n".join(
                f"| source | {source['url']}, sha256 `{source['sha256']}` |"
                for source in record["sources"]
            ),
            "network": network,
            "superfluous": _superfluous(record["superfluous"]),
        }
    )


def _superfluous(names: dict[str, str]) -> str:
    if not names:
        return "Every tensor of the source is in the weights."
    lines = [f"- `{name}`: {reason}" for name, reason in names.items()]
    return "## Tensors of the source that the network does without\n\n" + "\n".join(lines)
