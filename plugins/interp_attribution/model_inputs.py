"""Batches as differentiable model inputs, for every layout that a model may take, and for integer codes.

Codes become rows of numbers: the output of the embedding that looks them up, or one-hot rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from interp import Batch, OptionError, UnknownNameError
from interp_attribution.batch_indexing import BatchSamples, lookup_layout, pack_samples, unpack_samples

if TYPE_CHECKING:
    from torch import Tensor, nn

EMBEDDING_HINT = "Name the layer that embeds the codes: embedding=."


@dataclass
class ModelInputs:
    """The samples of one batch as model inputs.

    Attributes
    ----------
    model : Module
        Model that takes the inputs.
    batch : Batch
        Batch that the samples come from.
    samples : BatchSamples
        All inputs of the batch.
    x : Tensor (sample, step, feature)
        First input: its numbers, one-hot rows of its codes, or the rows of the embedding.
    lengths : Tensor (sample,)
        Number of steps of each sample; later steps of ``x`` are padding.
    time_first : bool
        True if the model takes ``(step, sample, ...)``.
    codes : Tensor (sample, step) of int, optional
        Input of the model where ``x`` replaces the output of ``embedding``.
    embedding : Module, optional
        Layer whose output ``x`` replaces.
    """

    model: nn.Module
    batch: Batch
    samples: BatchSamples
    x: Tensor
    lengths: Tensor
    time_first: bool
    codes: Tensor | None = None
    embedding: nn.Module | None = None
    _current: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    _next_step: int = field(default=0, init=False)

    def make_batch(self, x: Tensor, index: Tensor) -> Batch:
        """Return a batch of the samples ``index``, longest first, with ``x`` in place of the first input."""
        from torch.nn.utils.rnn import PackedSequence

        lengths = self.lengths[index.cpu()]
        first: Any = x if self.codes is None else self.codes[index]
        if isinstance(self.samples.first, PackedSequence):
            first = pack_samples(first, lengths, self.samples.first.sorted_indices is None)
        elif self.time_first:
            first = first.transpose(0, 1)
        batch_lengths = None if self.batch.lengths is None else lengths.tolist()
        return Batch(self.samples.select(index, first), batch_lengths, None, self.batch.call)

    def __call__(self, x: Tensor, index: Tensor) -> Any:
        """Return the model's output for the samples ``index``, longest first, with ``x`` as the first input."""
        from torch.nn.utils.rnn import PackedSequence

        batch = self.make_batch(x, index)
        self._current, self._next_step = (x, index), 0
        if batch.call is not None:
            return batch.call(self.model, batch)
        if isinstance(batch.inputs, tuple | list) and not isinstance(batch.inputs, PackedSequence):
            return self.model(*batch.inputs)
        return self.model(batch.inputs)

    @contextmanager
    def replacing_embedding(self) -> Iterator[None]:
        """Replace the output of the embedding with the rows ``x`` of the current call."""
        if self.embedding is None:
            yield
            return
        handle = self.embedding.register_forward_hook(self._replace_output)
        try:
            yield
        finally:
            handle.remove()

    def _replace_output(self, _module: Any, args: Any, output: Any) -> Any:
        """Return the rows of the current call in the layout of ``output``; other codes keep the layer's output."""
        if self._current is None or self.codes is None:
            return output
        x, index = self._current
        layout = lookup_layout(args[0], self.codes[index], self.lengths[index.cpu()], self._next_step)
        if layout is None:
            return output
        kind, number = layout
        if kind == "step":
            self._next_step += 1
            return x[:, number].reshape(output.shape)
        if kind == "packed":
            return pack_samples(x, self.lengths[index.cpu()], bool(number)).data
        return x[:, :number] if kind == "batch" else x[:, :number].transpose(0, 1)


def make_model_inputs(model: nn.Module, batch: Any, embedding: str = "") -> ModelInputs:
    """Return the model inputs of a batch.

    Parameters
    ----------
    model : Module
        Model in eval mode.
    batch : Batch, Tensor or PackedSequence
        Batch as `interp.capture` takes it.
    embedding : str
        Name of the layer that embeds codes; by default the only ``nn.Embedding``. Without one, codes become one-hot
        rows.

    Raises
    ------
    OptionError
        For inputs that are not differentiable.
    """
    import torch
    from torch.nn.utils.rnn import PackedSequence

    from interp.adapters import first_tensor, is_time_first

    batch = batch if isinstance(batch, Batch) else Batch(batch)
    first = first_tensor(batch.inputs)
    if first is None:
        raise OptionError(f"Expected a batch with a tensor to attribute to; got {type(batch.inputs).__name__}.")
    time_first = False
    if isinstance(first, PackedSequence):
        rows, lengths = unpack_samples(first)
    else:
        time_first = first.dim() > 1 and is_time_first([model])
        rows = first.transpose(0, 1) if time_first else first
        full = torch.full((len(rows),), rows.shape[1] if rows.dim() > 1 else 0)
        lengths = full if batch.lengths is None else torch.as_tensor(batch.lengths).reshape(-1).cpu()
    check_first_input(rows, lengths)
    samples = BatchSamples(batch.inputs, first, len(rows), 1 if time_first else 0)
    inputs = ModelInputs(model, batch, samples, rows, lengths, time_first)
    return inputs if rows.is_floating_point() else embed_codes(replace(inputs, codes=rows), embedding)


def check_first_input(rows: Tensor, lengths: Tensor) -> None:
    """Raise `OptionError` if the shape of the first input does not fit the lengths of its samples."""
    fits = rows.dim() == (3 if rows.is_floating_point() else 2) and len(lengths) == len(rows)
    if not fits or int(lengths.max()) > rows.shape[1]:
        raise OptionError(
            f"The first input has shape {tuple(rows.shape)} (samples first), and there are {len(lengths)} lengths up "
            f"to {int(lengths.max())}: expected integer codes (sample, step) or numbers (sample, step, feature); with "
            "the step first if no module has batch_first=True."
        )


def embed_codes(inputs: ModelInputs, embedding: str) -> ModelInputs:
    """Return the inputs with rows of numbers as ``x``.

    Parameters
    ----------
    inputs : ModelInputs
        Inputs with integer codes.
    embedding : str
        Name of the embedding, or empty.

    Raises
    ------
    OptionError
        If the model does not accept rows, or its output differs between rows and codes.
    """
    import torch

    layer = find_embedding(inputs.model, embedding)
    if layer is None:
        embedded = replace(inputs, x=one_hot_rows(inputs), codes=None)
    else:
        with torch.no_grad():
            embedded = replace(inputs, x=layer(inputs.codes), embedding=layer)
    if embedded.x.dim() != 3:
        raise OptionError(
            f"Layer {embedding!r} returns shape {tuple(embedded.x.shape)} for codes of shape {tuple(inputs.x.shape)}; "
            f"expected (sample, step, feature). {EMBEDDING_HINT}"
        )
    check_rows_equal_codes(inputs, embedded)
    return embedded


def one_hot_rows(inputs: ModelInputs) -> Tensor:
    """Return one-hot rows as wide as the input of the first recurrent module."""
    from torch.nn.functional import one_hot

    widths: list[Any] = [part.input_size for part in inputs.model.modules() if hasattr(part, "input_size")]
    width, largest = int(widths[0]) if widths else 0, int(inputs.x.max())
    if width <= largest:
        raise OptionError(f"The codes go up to {largest}, and no module takes one-hot rows of them. {EMBEDDING_HINT}")
    return one_hot(inputs.x, width).to(next(inputs.model.parameters()).dtype)


def find_embedding(model: nn.Module, name: str) -> nn.Module | None:
    """Return the layer called ``name``; for an empty name the only ``nn.Embedding``, or None."""
    from torch import nn

    modules = dict(model.named_modules())
    if name:
        if name not in modules:
            raise UnknownNameError(f"The model has no module {name!r}. Modules: {', '.join(filter(None, modules))}.")
        return cast("nn.Module", modules[name])
    embeddings: dict[str, nn.Module] = {key: part for key, part in modules.items() if isinstance(part, nn.Embedding)}
    if len(embeddings) > 1:
        raise OptionError(f"The model has several embeddings: {', '.join(embeddings)}. {EMBEDDING_HINT}")
    return next(iter(embeddings.values()), None)


def check_rows_equal_codes(inputs: ModelInputs, embedded: ModelInputs) -> None:
    """Raise `OptionError` unless the model's output is the same for rows and codes, and depends on the rows."""
    import torch

    index = inputs.lengths[:4].argsort(descending=True, stable=True)
    with torch.no_grad():
        expected = output_tensor(inputs(inputs.x[index], index))
        with embedded.replacing_embedding(), model_errors_as_option_errors():
            same, zeroed = (output_tensor(embedded(embedded.x[index] * scale, index)) for scale in (1, 0))
    if not torch.allclose(same, expected, rtol=1e-4, atol=1e-5) or torch.equal(zeroed, expected):
        raise OptionError(
            "The model's output does not depend on its codes through the rows that replace them. " + EMBEDDING_HINT
        )


@contextmanager
def model_errors_as_option_errors() -> Iterator[None]:
    """Turn errors of a model that gets rows in place of codes into `OptionError`."""
    try:
        yield
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise OptionError(
            f"The model can't take rows of numbers in place of codes ({error}). {EMBEDDING_HINT}"
        ) from error


def output_tensor(output: Any) -> Tensor:
    """Return the first tensor of a model's output; `OptionError` if it has none."""
    from torch.nn.utils.rnn import PackedSequence

    from interp.adapters import first_tensor

    tensor = first_tensor(output)
    if tensor is None:
        raise OptionError(
            f"The model returns a {type(output).__name__} without a tensor; return one from call= of the batch."
        )
    return tensor.data if isinstance(tensor, PackedSequence) else cast("Tensor", tensor)
