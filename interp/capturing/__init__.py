"""What a capture consists of: samples and labels in, a plan of the matrix, watches that fill it, the self-check."""
