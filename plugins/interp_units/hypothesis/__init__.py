"""The probe and viewer ``hypothesis``: units that are active through a span of text, and where the pattern recurs."""
