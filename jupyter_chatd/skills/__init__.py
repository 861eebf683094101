"""Skills: folders with a SKILL.md that teach the agent how a particular task is done here.

Belongs here: finding and reading skills, and the index of them in the system prompt. Does not: the tools that
the model calls (`tools/read_skill.py`), where files are (`workspace/`).
"""
