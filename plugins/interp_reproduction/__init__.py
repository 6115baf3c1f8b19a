"""Reproduction of the figures and claims of the 2017 article on a newly trained network.

"Interpreting neurons in an LSTM network" (Galstyan and Khachatrian, YerevaNN, 2017) describes the units of a biLSTM
that transliterates Armenian. Its code, data and weights were never published. `reproduce` draws its figures and
measures a statistic for each of its claims, on the trained network and on untrained ones.
"""

from interp_reproduction.commands import reproduce

__all__ = ["reproduce"]
