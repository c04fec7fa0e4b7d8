"""TRL's DPO trainer, taught to hear and see on both sides of a pair, and not to trust words alone.

Media: the collator (`pair_batches.py`) gives each clip once, and the number of its clip to every row. Here the frozen towers encode these
clips once a batch, and the numbers take the place of media in every forward pass, policy and reference, chosen and rejected
(`TowerMemory` in multimodal_rl.py).

Text prior: AVEm-DPO (https://arxiv.org/abs/2602.07054) penalises answers that are likely from the words alone, which is where made-up cues
come from. The form here is derived from that aim, and theirs may differ. Let q(y) be the reference's probability of an answer given the
prompt without sound and picture. The policy p that is best under a reward r - g log q(y) and the usual KL weight b has
r = b log(p / reference) + g log q + const, so the margin of a pair gets g (log q(chosen) - log q(rejected)): where the worse answer is
the one that words suggest, the policy must go further. Pairs over media have the same answer on both sides: nothing changes for them.

TRL (1.16, pinned) reads reference log-probabilities from the batch when they were made before; this trainer puts them there for each
batch, less the penalty (`rewards/...` in TRL's logs is then r). The loss itself is TRL's.

Does not: pictures by TRL's own columns, or online DPO.
"""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from torch import nn
from trl import DPOTrainer

from emollm.models.modeling import MEDIA_KEYS
from emollm.pairs import KINDS
from emollm.train.checkpoints import WholeSteps
from emollm.train.multimodal_rl import TowerMemory, silence_dropout
from emollm.train.pair_batches import PRIOR
from emollm.train.rollouts import row_of


class MultimodalDPOTrainer(WholeSteps, DPOTrainer):
    """DPO over rows that name pairs; `data_collator` is a `PairCollator`.

    Args:
        memory: Of the towers, which policy and reference share.
        text_prior: Weight of the penalty; above 0, the collator must give the rows without media.
        options: Arguments of TRL's trainer; `ref_model` is needed, or TRL makes references of its own.
    """

    ref_model: Any  # the library's own type admits None

    def __init__(self, *, memory: TowerMemory, text_prior: float, **options: Any) -> None:
        self.memory, self.text_prior = memory, text_prior
        super().__init__(**options)
        for model in (self.model, self.ref_model):
            silence_dropout(model)
        self.precompute_ref_logps = True  # for each batch, in `compute_loss`

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        """Leave the rows as they are: TRL would tokenise them, and take the media away."""
        return dataset

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Let towers and reference run, then TRL's loss."""
        media = {name: inputs[name] for name in MEDIA_KEYS if name in inputs}
        clips = inputs["clips"].tolist()
        self.memory.hold([row_of(media, clip) for clip in range(1 + max(clips))])
        rows = {name: inputs[name] for name in ("input_ids", "attention_mask", "completion_mask")}
        rows |= self.memory.rows(clips)
        reference = torch.cat(self.compute_ref_log_probs(self.ref_model, rows))  # (2 * pairs,)
        if self.text_prior and f"{PRIOR}rows" in inputs:
            words = {name: inputs[f"{PRIOR}{name}"] for name in ("input_ids", "attention_mask", "completion_mask")}
            prior = torch.cat(self.compute_ref_log_probs(self.ref_model, words))
            reference[inputs[f"{PRIOR}rows"]] -= self.text_prior / self.beta * prior
        rows["ref_chosen_logps"], rows["ref_rejected_logps"] = reference.chunk(2)

        def watched(**given: Any) -> Any:
            out = model(**given)
            self._count(inputs["kinds"], out.log_probs.detach().sum(dim=1))
            return out

        return super().compute_loss(watched, rows, *args, **kwargs)

    def _count(self, kinds: torch.Tensor, logps: torch.Tensor) -> None:
        """Log for each kind the share of pairs whose better side is the more likely one, whatever the reference says."""
        chosen, rejected = logps.chunk(2)
        counts = torch.zeros(len(KINDS), 2, device=logps.device)
        counts.index_add_(0, kinds, torch.stack([chosen > rejected, torch.ones_like(kinds).bool()], dim=1).float())
        for kind, (better, all_of_it) in zip(KINDS, self.accelerator.reduce(counts, "sum").tolist(), strict=True):
            if all_of_it:
                self._metrics["train"][f"preferred/{kind}"].append(better / all_of_it)
