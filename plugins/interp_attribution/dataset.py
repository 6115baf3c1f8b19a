"""Data shared by both probes: the batches of a capture, the tokens to explain, and their baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import OptionError
from interp_attribution.baselines import Baselines
from interp_attribution.batch_indexing import as_batch_list, labels_by_sample
from interp_attribution.model_inputs import ModelInputs, make_model_inputs
from interp_attribution.target import TargetReadout, contrast_columns, target_columns

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor

MAX_VERIFIED_SAMPLES = 16


@dataclass(frozen=True)
class TokenBatch:
    """Tokens of one batch, each with one baseline.

    Attributes
    ----------
    inputs : ModelInputs
        Inputs of the batch.
    token : array (row,)
        Position of each row's token in the activations.
    x, baseline : Tensor (row, step, feature)
        Input and baseline of each row; equal in the padding.
    sample, step, column : Tensor (row,)
        Sample within the batch, step of the token, and target column.
    """

    inputs: ModelInputs
    token: np.ndarray
    x: Tensor
    baseline: Tensor
    sample: Tensor
    step: Tensor
    column: Tensor

    @property
    def lengths(self) -> Tensor:
        """Number of steps of each row's sample, ``(row,)``."""
        return self.inputs.lengths[self.sample.cpu()]


class AttributionData:
    """Tokens to explain, located in the batches of their capture, with the target of each.

    Parameters
    ----------
    acts : Dataset (token, unit)
        Tokens to explain: any part of a capture.
    model : Module
        Captured model.
    batches : Batch, tensor or iterable of those
        All batches of the capture, in the same order.
    target : str or int
        See `target_columns`.
    contrast_with : sequence of str or int, optional
        See `contrast_columns`.
    output : callable, optional
        Function that selects a part of the model's output.
    embedding : str
        See `make_model_inputs`.

    Raises
    ------
    OptionError
        For missing options, a model in train mode with dropout, and batches that do not contain the tokens.
    """

    def __init__(
        self, acts: xr.Dataset, model: Any, batches: Any, target: Any, contrast_with: Any, output: Any, embedding: str
    ) -> None:
        if model is None or batches is None:
            raise OptionError("Pass the captured model and its batches: model=, batches=.")
        if not acts.sizes["token"]:
            raise OptionError("These activations have no token to explain. Pass at least one token of the capture.")
        check_dropout_inactive(model)
        self.acts, self.model = acts, model
        self.inputs = [make_model_inputs(model, batch, embedding) for batch in as_batch_list(batches)]
        contrast, time_first = contrast_columns(model, contrast_with), any(part.time_first for part in self.inputs)
        self.readout = TargetReadout(output, contrast, time_first)
        self.column, self.step = target_columns(acts, model, target), acts["step"].values.astype(np.int64)
        self._locate_tokens()
        self._verify_engine()

    def _verify_engine(self) -> None:
        """Compare the engine with the modules on up to 16 samples; later passes skip this comparison."""
        import torch

        from interp import intervene

        inputs = self.inputs[self.batch[0]]
        index = inputs.lengths.argsort(descending=True, stable=True)[:MAX_VERIFIED_SAMPLES].to(inputs.x.device)
        with torch.no_grad(), inputs.replacing_embedding(), intervene(self.model, []):
            inputs(inputs.x[index], index)

    def _locate_tokens(self) -> None:
        """Set the batch, the sample within it and the number of steps of each token."""
        ends = np.cumsum([len(inputs.lengths) for inputs in self.inputs])
        sample = self.acts["sample"].values.astype(np.int64)
        self.batch = np.searchsorted(ends, sample, side="right")
        if (self.batch >= len(self.inputs)).any():
            raise OptionError(
                f"These activations have sample {sample.max()}, and batches= has {ends[-1]} samples: pass all "
                "batches of the capture."
            )
        self.sample = sample - np.concatenate([[0], ends])[self.batch]
        lengths = [inputs.lengths.numpy() for inputs in self.inputs]
        self.lengths = np.array([lengths[batch][k] for batch, k in zip(self.batch, self.sample, strict=True)])
        self.max_steps = max(inputs.x.shape[1] for inputs in self.inputs)
        beyond = np.flatnonzero(self.step >= self.lengths)
        if beyond.size:
            raise OptionError(
                f"These activations have a token at step {self.step[beyond[0]]} of a sample that has "
                f"{self.lengths[beyond[0]]} steps in batches=: pass the captured batches."
            )

    def token_batches(self, baselines: Baselines, max_steps: int, one_token: bool = False) -> Iterator[TokenBatch]:
        """Yield all tokens with all their baselines, longest samples first.

        Parameters
        ----------
        baselines : Baselines
            Baselines of the samples.
        max_steps : int
            Maximum number of steps of all rows of a `TokenBatch`, padding included; a batch has at least one row.
        one_token : bool
            Yield one token with all its baselines at a time, whatever ``max_steps``.
        """
        for batch, inputs in enumerate(self.inputs):
            tokens = np.flatnonzero(self.batch == batch)
            pending: list[tuple[int, Tensor]] = []
            for token in tokens[np.argsort(-self.lengths[tokens], kind="stable")].tolist():
                rows = baselines.for_sample(inputs, int(self.sample[token]), int(self.acts["source"].values[token]))
                if one_token:
                    yield self._token_batch(inputs, [(token, row) for row in rows])
                    continue
                for row in rows:
                    pending.append((token, row))
                    if (len(pending) + 1) * inputs.x.shape[1] > max_steps:
                        yield self._token_batch(inputs, pending)
                        pending = []
            if pending:
                yield self._token_batch(inputs, pending)

    def _token_batch(self, inputs: ModelInputs, rows: Sequence[tuple[int, Tensor]]) -> TokenBatch:
        import torch

        token = np.array([token for token, _ in rows])
        device = inputs.x.device
        sample, step, column = (
            torch.from_numpy(values[token]).to(device) for values in (self.sample, self.step, self.column)
        )
        baseline = torch.stack([row for _, row in rows])
        return TokenBatch(inputs, token, inputs.x[sample], baseline, sample, step, column)

    def target_value(self, tokens: TokenBatch, x: Tensor) -> Tensor:
        """Return the target value of each row with ``x`` as its input, ``(row,)``."""
        return read_target(self.readout, tokens.inputs, x, tokens.sample, tokens.step, tokens.column)

    def source_labels(self, name: str, steps: int) -> np.ndarray | None:
        """Return a label at all steps of each token's sample, ``(token, step)`` of str; None if a batch lacks it."""
        tables = []
        for inputs in self.inputs:
            values = (inputs.batch.labels or {}).get(name)
            if values is None:
                return None
            tables.append(labels_by_sample(values, inputs.lengths.numpy()))
        rows = [tables[batch][sample] for batch, sample in zip(self.batch, self.sample, strict=True)]
        return np.array([[str(value) for value in row[:steps]] + [""] * (steps - len(row)) for row in rows])


def read_target(
    readout: TargetReadout, inputs: ModelInputs, x: Tensor, sample: Tensor, step: Tensor, column: Tensor
) -> Tensor:
    """Return the target values ``(row,)`` of rows in any order; the model gets the longest samples first."""
    lengths = inputs.lengths[sample.cpu()]
    order = lengths.argsort(descending=True, stable=True)
    inverse = order.argsort().to(x.device)
    order = order.to(x.device)
    values = readout(inputs(x[order], sample[order]), step[order], column[order], lengths)
    return values[inverse]


def check_dropout_inactive(model: torch.nn.Module) -> None:
    """Raise `OptionError` for a model in train mode with dropout, whose output is different in every pass."""
    if model.training and any(getattr(part, "dropout", 0) or type(part).__name__.startswith("Dropout")
                              for part in model.modules()):  # fmt: skip
        raise OptionError("The model is in train mode, and its dropout is active: call model.eval().")
