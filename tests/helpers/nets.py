"""Small network that several tests capture, and their capture function: float64, without a progress bar."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import interp

GATES = ["h", "c", "i", "f", "g", "o"]


class Tagger(nn.Module):
    """A biLSTM, a dense layer, and a dense output layer that also reads the input."""

    def __init__(self, layers=1, batch_first=True):
        super().__init__()
        self.lstm = nn.LSTM(5, 4, layers, bidirectional=True, batch_first=batch_first)
        self.hidden = nn.Linear(8, 6)
        self.output = nn.Linear(6 + 5, 3)
        self.symbols = {"output": ["a", "b", "ու"]}

    def forward(self, x, lengths=None):
        if lengths is None:
            h = self.lstm(x)[0]
        else:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            h = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])[0]
        return self.output(torch.cat([self.hidden(h), x], -1))


def capture(model, batches, **options):
    return interp.capture(model, batches, **{"progress": False, "dtype": "float64", **options})


def values(acts, **labels):
    return interp.select(acts, **labels).activation.values
