"""Machinery of a capture: batches and labels, the plan, the recorders of one forward, and the verification."""
