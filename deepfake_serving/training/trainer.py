"""The loop: pairs in, weights out; resumable at any step, deterministic by seed."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from deepfake_serving.training.data.loader import Batch, PairLoader
from deepfake_serving.training.processes import Processes
from deepfake_serving.training.spec import TrainingSpec
from deepfake_serving.training.tracking import Tracker
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network

CHECKPOINT = "checkpoint.pt"
NETWORK = "network.safetensors"
LOG = "log.jsonl"

Validate = Callable[[Network], dict[str, float]]
"""Figures of a network on what it is not trained on; `loss` among them drives `plateau`."""


class TrainModule(nn.Module):
    """The network, and a 1x1 convolution over its last maps that predicts the blend's mask.

    The mask makes the network say where it sees a blend, not only that it sees one; the
    convolution is dropped after training.
    """

    def __init__(self, network: Network, channels: int) -> None:
        super().__init__()
        self.network = network
        self.mask = nn.Conv2d(channels, 1, kernel_size=1)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (n, 3, s, s) → logits (n,) and mask logits (n, s/32, s/32)."""
        planes = self.network.planes(crops.float())
        planes = planes.contiguous(memory_format=torch.channels_last)
        maps = self.network.head.convolutions(self.network.encoder(planes))
        return self.network.head.decide(maps), self.mask(maps).squeeze(1)


@dataclass
class TrainState:
    """Where a run stands: `step` batches of epoch `epoch` are done."""

    epoch: int = 0
    step: int = 0
    best: float = -1.0
    worst_epochs: int = 0
    lowest_loss: float = float("inf")
    lr_factor: float = 1.0


class Trainer:
    """Trains one network to the end of its spec, or on from its last checkpoint in `out`.

    Args:
        out: folder for the checkpoint, the weights (`network.safetensors`: the averaged ones, of
            the epoch that `validate` liked best, or the last) and the log.
        save_every: steps between checkpoints; one is also written after every epoch.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        manifest: Manifest,
        network: Network,
        loader: PairLoader,
        out: Path,
        processes: Processes,
        tracker: Tracker,
        validate: Validate | None = None,
        save_every: int = 100,
    ) -> None:
        torch.manual_seed(spec.seed)
        self.spec, self.manifest, self.loader, self.out = spec, manifest, loader, out
        self.processes, self.tracker, self.validate = processes, tracker, validate
        self.save_every = save_every
        device = processes.device
        self.learner = TrainModule(network.train(), manifest.head.channels).to(device)
        self.learner = self.learner.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.learner.network).eval() if spec.ema else None
        self.parallel = processes.wrap(self.learner)
        self.optimizer = _optimizer(spec, self.learner)
        self.at = TrainState()
        out.mkdir(parents=True, exist_ok=True)

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.spec.epochs * len(self.loader)

    def run(self) -> Network:
        """Trains to the end; answers the averaged network (the network itself without an EMA)."""
        self._resume()
        with self._progress() as progress:
            task = progress.add_task("train", total=self.steps, rate="", loss="")
            began, first = time.monotonic(), self._done
            losses: list[float] = []
            while self.at.epoch < self.spec.epochs:
                for batch in self.loader.epoch(self.at.epoch, self.at.step):
                    losses.append(self._step(batch))
                    self.at.step += 1
                    rate = (self._done - first) * self.spec.batch_size / (time.monotonic() - began)
                    progress.update(
                        task,
                        completed=self._done,
                        rate=f"{rate:.1f} crops/s",
                        loss=f"loss {sum(losses[-50:]) / len(losses[-50:]):.3f}",
                    )
                    if self.at.step % self.save_every == 0:
                        self._save()
                self._end_epoch(sum(losses) / max(1, len(losses)))
                losses.clear()
        return self._judged()

    @property
    def _done(self) -> int:
        return self.at.epoch * len(self.loader) + self.at.step

    def _step(self, batch: Batch) -> float:
        device, spec = self.processes.device, self.spec
        crops, labels, masks = (t.to(device, non_blocking=True) for t in batch)
        for group in self.optimizer.param_groups:
            group["lr"] = spec.optimizer.lr * self._lr_share()
        with torch.autocast(device.type, torch.bfloat16, enabled=spec.precision == "bf16"):
            logits, mask_logits = self.parallel(crops)
        loss = _loss(spec, logits.float(), mask_logits.float(), labels, masks)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if spec.optimizer.clip_norm:
            nn.utils.clip_grad_norm_(self.learner.parameters(), spec.optimizer.clip_norm)
        self.optimizer.step()
        self._follow()
        return float(loss.detach())

    def _lr_share(self) -> float:
        """The learning rate as a share of the spec's, at this step."""
        schedule = self.spec.schedule
        if self._done < schedule.warmup_steps:
            return (self._done + 1) / schedule.warmup_steps
        if schedule.name == "plateau":
            return self.at.lr_factor
        if schedule.name == "constant":
            return 1.0
        rest = max(1, self.steps - schedule.warmup_steps)
        through = torch.tensor((self._done - schedule.warmup_steps) / rest * torch.pi)
        return float(0.01 + 0.99 * (1 + torch.cos(through)) / 2)

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average towards the network; faster at first, when the average is young."""
        if self.average is None:
            return
        decay = min(self.spec.ema, (1 + self._done) / (10 + self._done))
        own = self.learner.network.state_dict()
        for name, tensor in self.average.state_dict().items():
            if tensor.dtype.is_floating_point:
                tensor.lerp_(own[name], 1 - decay)
            else:
                tensor.copy_(own[name])

    def _judged(self) -> Network:
        return (self.average or self.learner.network).eval()

    def _end_epoch(self, loss: float) -> None:
        figures = {"epoch": self.at.epoch + 1, "loss": loss, "lr": self._lr_share()}
        if self.validate is not None and self.processes.first:
            judged = self._judged()
            figures |= {f"validation_{k}": v for k, v in self.validate(judged).items()}
            self.learner.network.train()
        figures = self.processes.share(figures)
        self.at.epoch, self.at.step = self.at.epoch + 1, 0
        watched = figures.get("validation_loss", loss)
        if watched < self.at.lowest_loss:
            self.at.lowest_loss, self.at.worst_epochs = watched, 0
        else:
            self.at.worst_epochs += 1
        if self.at.worst_epochs > self.spec.schedule.patience:
            self.at.lr_factor, self.at.worst_epochs = self.at.lr_factor / 10, 0
        if self.processes.first:
            self.tracker.log(figures, self._done)
            with (self.out / LOG).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(figures) + "\n")
        score = figures.get("validation_auc", float(self.at.epoch))
        if score >= self.at.best:
            self.at.best = score
            self._write_network()
        self._save()

    def _write_network(self) -> None:
        if not self.processes.first:
            return
        state = {name: t.contiguous().cpu() for name, t in self._judged().state_dict().items()}
        save_file(state, self.out / NETWORK)
        self.learner.network.train()

    def _save(self) -> None:
        if not self.processes.first:
            return
        state = {
            "spec": self.spec.model_dump_json(),
            "at": vars(self.at),
            "learner": self.learner.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        partial = self.out / f"{CHECKPOINT}.part"
        torch.save(state, partial)
        partial.replace(self.out / CHECKPOINT)

    def _resume(self) -> None:
        path = self.out / CHECKPOINT
        if not path.exists():
            return
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if state["spec"] != self.spec.model_dump_json():
            raise ValueError(f"{path} is of a run with other settings; name another folder")
        self.at = TrainState(**state["at"])
        self.learner.load_state_dict(state["learner"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            disable=not self.processes.first,
        )


def _optimizer(spec: TrainingSpec, learner: TrainModule) -> torch.optim.Optimizer:
    """Weight decay spares biases and normalisations."""
    settings = spec.optimizer
    learnt: Iterator[nn.Parameter] = (p for p in learner.parameters() if p.requires_grad)
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for parameter in learnt:
        (decayed if parameter.ndim > 1 else spared).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    if settings.name == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.lr)


def _loss(
    spec: TrainingSpec, logits: Tensor, mask_logits: Tensor, labels: Tensor, masks: Tensor
) -> Tensor:
    smoothing = spec.loss.label_smoothing
    goal = labels * (1 - 2 * smoothing) + smoothing
    loss = functional.binary_cross_entropy_with_logits(logits, goal)
    if spec.loss.mask_weight:
        small = functional.adaptive_avg_pool2d(
            masks.unsqueeze(1), (mask_logits.shape[-2], mask_logits.shape[-1])
        )
        mask_loss = functional.binary_cross_entropy_with_logits(mask_logits, small.squeeze(1))
        loss = loss + spec.loss.mask_weight * mask_loss
    return loss
