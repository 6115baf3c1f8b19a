# %% [markdown]
# # Capture your own model
#
# `interp.capture` runs a recurrent PyTorch model as it is. It returns what every unit and every gate did at every step.
# Here are four models that know nothing of it: a classifier, a deep tagger, an encoder with a decoder, and a cell of
# our own. Their weights are random, so the numbers say nothing about words.

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
# One answer a word. The words are padded, and they are not sorted by length.


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
# A `Batch` holds what goes into the model, how long each sample is, and labels: here one for each letter.
# Call `eval()` first: dropout would make every run another one.

# %%
batch = interp.Batch(inputs=(codes, lengths), lengths=lengths, labels={"input": words})
acts = interp.capture(Classifier().eval(), batch, progress=False)
print(acts)

# %% [markdown]
# Each row is one letter of one word; padding is left out. Each column is one unit, with its name in parts: module,
# layer, direction, quantity, index. The words stand in the order in which we gave them.
#
# The output of `head` is one row a word and not one a letter, so it is not in the matrix. The attributes name it. They
# also say how far the capture and the GRU itself were apart.

# %%
print("left out:", acts.attrs["left_out"])
print(f"largest difference: {acts.attrs['max_abs_error']:.1e} in {acts.attrs['checked_rows']} rows")

# %% [markdown]
# `select` selects by label, rows and columns alike. Here: the update gate `z` where the letter is an e, an n or a t.
# What comes back is an xarray dataset, so xarray does the arithmetic.

# %%
update = interp.select(acts, quantity="z", input=["e", "n", "t"])
print(update.activation.groupby("input").mean(...).to_pandas().rename("mean update gate").round(3).to_string())

# %% [markdown]
# `to_padded` gives the padded cube of samples, steps and units. Where a word has ended there is NaN.

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
# `proj_size` makes `h` narrower than the gates. `tag` gives one row a letter, so it is here, as `out`.
#
# Now something to find: we add 0, 1 and 2 to the forget bias of the three layers. The mean forget gate of each layer
# and direction should then be near sigmoid(0), sigmoid(1) and sigmoid(2): 0.50, 0.73 and 0.88.

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
# The encoder runs over the letters. The decoder, a cell in a loop, runs for four steps. They share no time axis, and
# one row can't be a step of both. The error lists the groups and what to type.


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
        written = [h.new_zeros(len(h), 3)]
        for _ in range(4):
            h, c = self.decoder(written[-1], (h, c))
            written.append(self.write(h).softmax(-1))
        return torch.stack(written[1:], 1)


# %%
model = EncoderDecoder().eval()
try:
    interp.capture(model, codes, progress=False)
except interp.CaptureError as error:
    print(error)

# %% [markdown]
# So capture one group at a time. A tensor alone is a batch too, without labels of its own. The calls of a cell are the
# steps of one sample.

# %%
read = interp.capture(model, codes, modules=["encoder"], progress=False)
written = interp.capture(model, codes, modules=["decoder", "write"], progress=False)
for part in (read, written):
    forget = interp.select(part, quantity="f").activation.groupby("step").mean(...).values
    print(part["module"].values[0], part.sizes["token"], "tokens, forget gate by step:", *(f"{f:.2f}" for f in forget))

# %% [markdown]
# ## 4. A cell of our own
#
# An LSTM with peepholes: its gates also see the cell state (Gers and Schmidhuber, 2000). `interp` has adapters for
# torch's own modules. Of this cell it reads the output, and says so.


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
with warnings.catch_warnings(record=True) as heard:
    acts = interp.capture(model, batch, modules=["cell"], progress=False)
for warning in heard:
    print(warning.message)
print("quantities:", *dict.fromkeys(acts["quantity"].values))

# %% [markdown]
# An adapter is one step of the formula, with each quantity handed to `tap`. Go on with what `tap` returns.


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
# A hook hands the adapter over. A module with hooks is a plugin, and this notebook is a module: `interp.register` takes
# it for as long as Python runs. After a change, run the cell again. In a package the same hook is found by itself
# (`plugins/README.md`).


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
print(f"largest difference: {acts.attrs['max_abs_error']:.1e}")
gates = interp.select(acts, quantity=["i", "f", "o"]).activation.mean("token")
print(gates.groupby("quantity").mean().to_pandas().rename("mean gate").round(3).to_string())
