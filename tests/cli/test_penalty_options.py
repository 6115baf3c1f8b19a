"""Parsing of penalties on the command line."""

import pytest

from interp.cli.options import parse_penalties
from interp.errors import OptionError, UnknownNameError


def test_texts_are_parsed_to_penalties():
    assert parse_penalties(["l1=0.1"]) == [("l1", 0.1, {})]
    assert parse_penalties(["infogan=1e-2,codes=8,module=hidden", "dropout=1,rate=0.3,layer=1,quantity=h"]) == [
        ("infogan", 0.01, {"codes": 8, "units": {"module": "hidden"}}),
        ("dropout", 1.0, {"rate": 0.3, "units": {"layer": 1, "quantity": "h"}}),
    ]


def test_a_unit_by_name():
    assert parse_penalties(["vib=1,units=hidden.out.3"])[0][2] == {"units": "hidden.out.3"}


@pytest.mark.parametrize("text", ["l1", "l1=", "l1=much", "l1=0.1,module", "l1=0.1,=3"])
def test_other_forms_are_rejected_with_an_example(text):
    with pytest.raises(OptionError, match=r"infogan=0\.1,module=hidden"):
        parse_penalties([text])


def test_an_unknown_penalty_is_rejected():
    with pytest.raises(UnknownNameError, match="l1"):
        parse_penalties(["l2=0.1"])
