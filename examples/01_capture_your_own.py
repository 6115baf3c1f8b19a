# %% [markdown]
# # Capture your own model
#
# `interp.capture` runs a recurrent PyTorch model unmodified. It returns the activation of every unit and every gate at
# every step. This notebook captures four models: a classifier, a deep tagger, an encoder with a decoder, and a custom
# cell. Their weights are random, so the numbers have no meaning for the words.

# %%
import sys
import warnings

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

import interp

torch.manual_seed(0)
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
words = ["recurrent", "unit", "a", "gates", "forget", "nothing"]
lengths = torch.tensor([len(word) for word in words])
codes = pad_sequence([torch.tensor([ALPHABET.index(letter) for letter in word]) for word in words], batch_first=True)

# %% [markdown]
# ## 1. A classifier that packs its input
#
# It returns one output per word. The words are padded, and they are not sorted by length.


# %%
class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET), 12)
        self.gru = nn.GRU(12, 16, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, codes, lengths):
        packed = pack_padded_sequence(self.embed(codes), lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.gru(packed)[1][-1])


# %% [markdown]
# A `Batch` holds the inputs of the model, the length of each sample, and labels: here one per letter. Call `eval()`
# first; with active dropout, every run gives different values.

# %%
batch = interp.Batch(inputs=(codes, lengths), lengths=lengths, labels={"input": words})
acts = interp.capture(Classifier().eval(), batch, progress=False)
print(acts)

# %% [markdown]
# Each row is one letter of one word; padding is not stored. Each column is one unit, whose name has parts: module,
# layer, direction, quantity, index. The words have the same order as in the batch.
#
# The output of `head` has one row per word and not one per letter, so it is not in the matrix. The attributes list such
# modules. They also give the largest difference between the capture and the output of the GRU itself.

# %%
print("skipped modules:", acts.attrs["skipped_modules"])
print(f"largest difference: {acts.attrs['verification_max_error']:.1e} in {acts.attrs['verification_rows']} rows")

# %% [markdown]
# `select` selects rows and columns by label. Here: the update gate `z` where the letter is an e, an n or a t. The
# result is an xarray dataset, so xarray does the arithmetic.

# %%
update = interp.select(acts, quantity="z", input=["e", "n", "t"])
print(update.activation.groupby("input").mean(...).to_pandas().rename("mean update gate").round(3).to_string())

# %% [markdown]
# `to_padded` returns the padded cube of samples, steps and units, with NaN after the end of a word.

# %%
cube = interp.to_padded(interp.select(acts, quantity="h"))
print(dict(cube.sizes))
print(abs(cube).mean("unit").to_pandas().round(2).to_string(na_rep=""))

# %% [markdown]
# ## 2. Three layers, both directions, with a projection


# %%
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET), 12)
        self.lstm = nn.LSTM(12, 16, num_layers=3, bidirectional=True, proj_size=6, batch_first=True)
        self.tag = nn.Linear(2 * 6, 4)

    def forward(self, codes, lengths):
        packed = pack_padded_sequence(self.embed(codes), lengths, batch_first=True, enforce_sorted=False)
        return self.tag(pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0])


# %%
tagger = Tagger().eval()
acts = interp.capture(tagger, batch, progress=False)
print(acts.unit.groupby("quantity").count().to_pandas().rename("units").to_string())

# %% [markdown]
# `proj_size` makes `h` narrower than the gates. `tag` returns one row per letter, so it is captured, as `out`.
#
# As a test, add 0, 1 and 2 to the forget bias of the three layers. The mean forget gate of each layer and direction
# should then be near sigmoid(0), sigmoid(1) and sigmoid(2): 0.50, 0.73 and 0.88.

# %%
with torch.no_grad():
    for layer in range(3):
        for direction in ("", "_reverse"):
            getattr(tagger.lstm, f"bias_ih_l{layer}{direction}")[16:32] += layer  # torch stacks the gates i, f, g, o

forget = interp.select(interp.capture(tagger, batch, progress=False), quantity="f").activation.mean("token")
print(forget.groupby(["layer", "direction"]).mean().to_pandas().round(2).to_string())

# %% [markdown]
# ## 3. An encoder and a decoder
#
# The encoder runs over the letters. The decoder, a cell in a loop, runs for four steps. They have no common time axis,
# so one row can't be a step of both. The error lists the groups of modules and what to type.


# %%
class EncoderDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET), 12)
        self.encoder = nn.LSTM(12, 16, batch_first=True)
        self.decoder = nn.LSTMCell(3, 16)
        self.write = nn.Linear(16, 3)

    def forward(self, codes):
        h, c = (part[0] for part in self.encoder(self.embed(codes))[1])
        outputs = [h.new_zeros(len(h), 3)]
        for _ in range(4):
            h, c = self.decoder(outputs[-1], (h, c))
            outputs.append(self.write(h).softmax(-1))
        return torch.stack(outputs[1:], 1)


# %%
model = EncoderDecoder().eval()
try:
    interp.capture(model, codes, progress=False)
except interp.CaptureError as error:
    print(error)

# %% [markdown]
# Capture one group at a time. A tensor alone is a batch too, without labels. The successive calls of a cell are the
# steps of the samples.

# %%
encoder = interp.capture(model, codes, modules=["encoder"], progress=False)
decoder = interp.capture(model, codes, modules=["decoder", "write"], progress=False)
for part in (encoder, decoder):
    forget = interp.select(part, quantity="f").activation.groupby("step").mean(...).values
    print(part["module"].values[0], part.sizes["token"], "tokens, forget gate by step:", *(f"{f:.2f}" for f in forget))

# %% [markdown]
# ## 4. A custom cell
#
# In an LSTM with peepholes, the gates also read the cell state (Gers and Schmidhuber, 2000). `interp` has adapters for
# torch's own modules. It captures only the output of this cell, with a warning.


# %%
class PeepholeCell(nn.Module):
    def __init__(self, width, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.outer = nn.Linear(width, 4 * hidden_size)
        self.inner = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.peep = nn.Parameter(torch.randn(3, hidden_size))

    def forward(self, x, state=None):
        h, c = state or (x.new_zeros(len(x), self.hidden_size), x.new_zeros(len(x), self.hidden_size))
        i, f, g, o = (self.outer(x) + self.inner(h)).chunk(4, 1)
        i, f = torch.sigmoid(i + self.peep[0] * c), torch.sigmoid(f + self.peep[1] * c)
        c = f * c + i * torch.tanh(g)
        return torch.sigmoid(o + self.peep[2] * c) * torch.tanh(c), c


class PeepholeReader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET), 12)
        self.cell = PeepholeCell(12, 8)

    def forward(self, codes):
        state = None
        for x in self.embed(codes).unbind(1):
            state = self.cell(x, state)
        return state[0]


# %%
model, batch = PeepholeReader().eval(), interp.Batch(codes, lengths=lengths, labels={"input": words})
with warnings.catch_warnings(record=True) as caught_warnings:
    acts = interp.capture(model, batch, modules=["cell"], progress=False)
for warning in caught_warnings:
    print(warning.message)
print("quantities:", *dict.fromkeys(acts["quantity"].values))

# %% [markdown]
# An adapter computes one step and passes each quantity to `tap`. Continue with the value that `tap` returns, which an
# intervention may have changed.


# %%
class Peephole(interp.Adapter):
    name, module, cell = "peephole", f"{__name__}.PeepholeCell", True
    quantities, state = ("h", "c", "i", "f", "g", "o"), ("h", "c")

    def step(self, weights, x, state, tap):
        h, c = state
        i, f, g, o = (weights.outer(x) + weights.inner(h)).chunk(4, 1)
        i, f = tap("i", torch.sigmoid, i + weights.peep[0] * c), tap("f", torch.sigmoid, f + weights.peep[1] * c)
        c = tap("c", f * c + i * tap("g", torch.tanh, g))
        o = tap("o", torch.sigmoid, o + weights.peep[2] * c)
        return tap("h", o * torch.tanh(c)), c


# %% [markdown]
# A hook registers the adapter. A module with hooks is a plugin, and this notebook is a module: `interp.register` adds
# it until Python exits. After a change, run the cell again. In a package, the same hook is found through an entry point
# (see `plugins/README.md`).


# %%
@interp.hookimpl
def register_adapters(register):
    register(Peephole())


interp.register(sys.modules[__name__])
acts = interp.capture(model, batch, modules=["cell"], progress=False)
print("quantities:", *dict.fromkeys(acts["quantity"].values))

# %% [markdown]
# Every capture compares the adapter with the cell itself. A wrong formula is an error.

# %%
print(f"largest difference: {acts.attrs['verification_max_error']:.1e}")
gates = interp.select(acts, quantity=["i", "f", "o"]).activation.mean("token")
print(gates.groupby("quantity").mean().to_pandas().rename("mean gate").round(3).to_string())
