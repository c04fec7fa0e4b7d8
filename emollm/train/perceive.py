"""The objective `cues`: towers, adapters and fusion learn to tell which cues a clip shows, before any language model listens.

    soft prompt of the sound, the picture, both -> one linear layer each, thrown away afterwards -> which of the phrases apply

For towers that start at random. Through a language model that starts at random, too, they hardly learn: its loss is dominated by the
wording of answers, and towers and decoder wait for each other (LOG.md). Detectors of facial action units are trained in the same manner
(multi-label cross-entropy). What is learned stays in the soft prompt, where a linear layer can read it, and then the decoder.

The phrases are those of the training records' own cues, most frequent first, so the stage works on any data with cues. The soft prompt of
the sound is asked for audible cues, that of the picture for visible ones, the fusion's for both. While the stage runs, `Standardise`
gathers its statistics.

Does not: read cues of the words, or tell when a cue happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import nn

from emollm.errors import EmoError
from emollm.models.adapters import Standardise
from emollm.models.modeling import MEDIA_KEYS, EmoForConditionalGeneration
from emollm.records import Modality, Record
from emollm.train.checkpoints import StageTrainer
from emollm.train.collate import Collator

WEIGHTS = "model.safetensors"
MIN_COUNT, MAX_PHRASES = 10, 256  # a phrase that is rarer teaches nothing
MEDIA_MODALITIES: tuple[Modality, ...] = ("audio", "video")


@dataclass(frozen=True)
class Phrases:
    """The cues that are told apart.

    Attributes:
        index: (modality, text) to column.
        heard: For each column, whether it is a cue of the sound; else it is one of the picture.
    """

    index: dict[tuple[Modality, str], int]
    heard: torch.Tensor

    def __len__(self) -> int:
        """Return the number of phrases."""
        return len(self.index)

    def shown_by(self, record: Record, present: Collection[Modality]) -> torch.Tensor:
        """Return float `(phrases,)`: 1 where the record has the cue, and its modality carries something."""
        row = torch.zeros(len(self))
        for cue in record.targets.cues or ():
            column = self.index.get((cue.modality, cue.text))
            if column is not None and cue.modality in present:
                row[column] = 1.0
        return row


def phrases_of(records: Sequence[Record]) -> Phrases:
    """Gather the cues that enough records have, most frequent first.

    Raises:
        EmoError: There are none.
    """
    counts = Counter(
        key
        for record in records
        for key in {(cue.modality, cue.text) for cue in record.targets.cues or () if cue.modality in MEDIA_MODALITIES}
    )
    frequent = [key for key, count in counts.most_common(MAX_PHRASES) if count >= min(MIN_COUNT, len(records))]
    if not frequent:
        raise EmoError(
            f"no audible or visible cue occurs in {MIN_COUNT} of the {len(records)} training records",
            fix="leave out the stage with `objective: cues`, or give records whose targets.cues share their wording",
        )
    return Phrases(
        {key: column for column, key in enumerate(frequent)},
        torch.tensor([modality == "audio" for modality, _ in frequent]),
    )


class CueCollator:
    """The usual batch with `cue_labels` `(batch, phrases)` in place of the answers.

    Args:
        collator: Makes the usual batch.
        phrases: What is asked for.
    """

    def __init__(self, collator: Collator, phrases: Phrases) -> None:
        self.collator, self.phrases = collator, phrases

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return the inputs of `CueReader`."""
        records = self.collator.records
        pairs = self.collator.pairs(rows)
        batch = {**self.collator.texts([example for example, _ in pairs]), **self.collator.media(pairs)}
        del batch["labels"]
        shown = [self.phrases.shown_by(records[example.record], example.present) for example, _ in pairs]
        return {**batch, "cue_labels": torch.stack(shown)}


class CueReader(nn.Module):
    """An encoder and the linear layers that read its soft prompt.

    Args:
        model: The model whose encoder is trained; its decoder takes no part.
        phrases: What is asked for.
    """

    def __init__(self, model: EmoForConditionalGeneration, phrases: Phrases) -> None:
        super().__init__()
        config = model.config
        self.model, self.phrases = model, phrases
        self.sizes = {"audio": config.audio_queries, "video": config.video_queries, "fusion": config.fusion_queries}
        width = config.text_config.hidden_size
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.LayerNorm(width), nn.Flatten(), nn.Linear(size * width, len(phrases)))
                for name, size in self.sizes.items()
                if size
            }
        )

    def forward(self, cue_labels: torch.Tensor, input_ids: torch.Tensor, **inputs: torch.Tensor) -> dict[str, Any]:
        """Return the loss: the mean over soft prompts and phrases of the binary cross-entropy, plus the encoder's own losses.

        Args:
            cue_labels: `(batch, phrases)`, 1 where the clip has the cue.
            input_ids: `(batch, length)`; tells which rows have sound and picture.
            inputs: The media tensors; others are ignored.
        """
        media = {name: inputs.get(name) for name in MEDIA_KEYS}
        has_audio, has_video = self.model.model.modalities(input_ids, media)
        soft = self.model.model.av_encoder(
            *(media[name] for name in MEDIA_KEYS), has_audio=has_audio, has_video=has_video
        )
        parts: dict[str, list[torch.Tensor]] = {name: [] for name in self.sizes}
        rows: dict[str, list[int]] = {name: [] for name in self.sizes}
        for row, (tokens, sound, picture) in enumerate(zip(soft.rows, has_audio, has_video, strict=True)):
            there = {"audio": sound, "video": picture, "fusion": sound and picture}
            names = [name for name in self.heads if there[name]]
            for name, part in zip(names, tokens.split([self.sizes[name] for name in names]), strict=True):
                parts[name].append(part)
                rows[name].append(row)
        loss = sum(soft.losses.values(), start=cue_labels.new_zeros(()))
        for name, head in self.heads.items():
            if parts[name]:
                loss = loss + self._loss(name, head(torch.stack(parts[name])), cue_labels[rows[name]])
            else:  # a batch without this modality still has a loss, if one that teaches nothing
                loss = loss + sum(parameter.sum() for parameter in head.parameters()) * 0.0
        return {"loss": loss / len(self.heads)}

    def _loss(self, name: str, logits: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Binary cross-entropy `(rows, phrases)` over the phrases that a block can know of."""
        heard = self.phrases.heard.to(logits.device)
        known = {"audio": heard, "video": ~heard}.get(name, torch.ones_like(heard))
        if not known.any():
            return logits.sum() * 0.0
        return nn.functional.binary_cross_entropy_with_logits(logits[:, known].float(), shown[:, known])


class CueTrainer(StageTrainer):
    """Trains a `CueReader`; a saved step holds its linear layers and the statistics, too."""

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Return the dev loss; the dev set leaves no trace in the statistics."""
        gather_statistics(self.model, False)
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            gather_statistics(self.model, True)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Write all weights: the reader is no model of transformers, which cannot save its tied ones."""
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(folder / WEIGHTS))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_model(self.model, str(Path(resume_from_checkpoint) / WEIGHTS))
        for module in self.model.modules():
            if isinstance(module, Standardise):  # the first batch that it sees would overwrite what was gathered
                module._fresh = not module.mean.any().item()


def gather_statistics(model: nn.Module, gathering: bool) -> None:
    """Let the model's `Standardise` blocks follow the batches, or hold their statistics."""
    for module in model.modules():
        if isinstance(module, Standardise):
            module.gathering = gathering
