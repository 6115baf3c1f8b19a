"""A network of four cells with batches, and an executor that counts its calls and can die before one of them."""

import numpy as np
import torch

import interp
from interp.distributed.executors import LocalExecutor


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = torch.nn.GRU(3, 4, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0]


def some_batches(seed=0):
    """Return batches of a few short samples, with the labels ``input`` and ``output``."""
    draw = np.random.default_rng(seed)
    batches = []
    for size in (3, 4, 1, 6, 2, 5, 3, 3):
        lengths = draw.integers(1, 9, size)
        x = torch.tensor(draw.normal(size=(size, 9, 3)), dtype=torch.float32)
        tokens = int(lengths.sum())
        labels = {"input": draw.choice(["a", "b"], tokens), "output": draw.choice(["x", "y"], tokens)}
        batches.append(interp.Batch(x, lengths.tolist(), labels))
    return batches


class Failing(LocalExecutor):
    """An executor that records its calls (function name and target) and dies before call number ``last``."""

    def __init__(self, last=None):
        self.last, self.calls = last, []

    def submit(self, function, *args, **options):
        if len(self.calls) == self.last:
            raise KeyboardInterrupt
        self.calls.append((function.__name__, args[1] if function.__name__ == "write_block" else args[-1]))
        return super().submit(function, *args, **options)

    def count(self, name):
        """Return the number of calls of a function."""
        return sum(called == name for called, _ in self.calls)


def cut_small(monkeypatch, *, samples, rows, units):
    """Set the sizes of shards (samples), blocks (rows) and chunks (units)."""
    monkeypatch.setattr("interp.activations.sharding.MIN_SHARD_SAMPLES", samples)
    monkeypatch.setattr("interp.distributed.capture.BLOCK_ROWS", rows)
    monkeypatch.setattr("interp.storage.encoding.SHARD_SIZES", {"token": rows, "unit": 512})
    monkeypatch.setattr("interp.storage.encoding.CHUNK_SIZES", {"token": rows, "unit": units})
