"""Workspaces as things that are made, started and stopped: which there are, which one a chat has, its agent.

Belongs here: kinds and their templates, builds, looking agents up, the tools for all this. Does not: what an
agent does (`workspace/`), rows (`store/workspaces.py`), HTTP for clients (`api/`).

A chat stores its workspace and nothing else. Its agent is looked up at every connection: the latest build, if
it is a succeeded start, its first agent.
"""
