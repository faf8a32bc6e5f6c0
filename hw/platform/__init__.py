"""What surrounds the static region on a board, and the projects that build its bitstreams."""
