"""The integer network as a graph, and its golden execution."""
