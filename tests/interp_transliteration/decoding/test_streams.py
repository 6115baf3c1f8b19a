"""Streams: any bytes come out again, in blocks of lines."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from interp_transliteration.decoding.streams import iter_blocks


@given(st.binary(max_size=400), st.integers(1, 50))
@settings(deadline=None)
def test_a_stream_is_split_into_lines_without_loss(data, size):
    class Slow(io.BytesIO):
        def read1(self, n=-1):
            return super().read1(min(n, size))

    lines = [line for block in iter_blocks(Slow(data)) for line in block]
    assert "".join(lines).encode("utf-8", "surrogateescape") == data
    assert all("\n" not in line[:-1] for line in lines)


def test_a_long_line_comes_in_pieces_that_end_after_a_space():
    data = b"abc " * 100_000
    pieces = [line for block in iter_blocks(io.BytesIO(data)) for line in block]
    assert "".join(pieces).encode() == data
    assert len(pieces) > 2
    assert all(piece.endswith(" ") and len(piece) <= 140_000 for piece in pieces)
