"""Builds the bitstreams of a board with a vendor's tool: project, run, results.

What makes a project for a tool lies beside the gateware and is found through an entry point.
"""
