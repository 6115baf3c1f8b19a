"""The article's figures and claims again, on our own network: one report of one command.

"Interpreting neurons in an LSTM network" (Galstyan and Khachatrian, YerevaNN, 2017) shows which units of a biLSTM
that transliterates Armenian know what. Its code, data and weights were never published. `reproduce` makes its
figures and puts a figure of our own beside each of its claims, the untrained network's next to it.
"""

from interp_reproduction.commands import reproduce

__all__ = ["reproduce"]
