"""Fake model vendors that speak the vendors' own HTTP, and nothing else of a vendor.

Belongs here: what goes over the wire, and rules that turn a request into an answer. Does not: fakes of
anything that is ours. The servers also run as programs (`python -m tests.fakes.openai_server`), so that a
test can kill the Jupyter server and leave the vendor standing.
"""
