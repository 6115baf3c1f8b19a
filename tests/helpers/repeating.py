"""A task that a small network learns within seconds, and the network."""

import torch
from torch import nn

import interp


class Copying:
    """The output is the input two steps earlier."""

    name = "copying"

    def batches(self, split, *, limit=None, seed=0):
        generator = torch.Generator().manual_seed(seed)
        batches = [torch.randint(0, 4, (8, 12), generator=generator) for _ in range(5)]
        return [interp.Batch(inputs=codes, labels={"letter": codes.flatten().tolist()}) for codes in batches]

    def loss(self, output, batch):
        return nn.functional.cross_entropy(output[:, 2:].flatten(0, 1), batch.inputs[:, :-2].flatten())

    def decode(self, output, batch):
        return output.argmax(-1).tolist()

    def score(self, predicted, batch):
        return {}

    def build_model(self, name):
        return Network()


class Network(nn.Module):
    """An embedding, a recurrent layer in both directions, dropout and a dense layer."""

    def __init__(self, kind="LSTM", layers=1):
        super().__init__()
        self.embed = nn.Embedding(4, 4)
        self.rnn = getattr(nn, kind)(4, 6, layers, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(12, 4)

    def forward(self, codes):
        return self.out(self.drop(self.rnn(self.embed(codes))[0]))
