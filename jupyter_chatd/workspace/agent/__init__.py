"""The agent of a workspace as a program of its own: the same protocol, spoken over HTTP.

Belongs here: how calls cross (`operations`), the side that asks (`remote`), the side that answers (`routes`),
the program (`__main__`). Does not: which agent a chat has, starting and stopping workspaces (`workspaces/`).
"""
