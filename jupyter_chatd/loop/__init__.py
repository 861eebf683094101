"""Driving chats: what to do next, one model call, the tools it asked for, and who does it.

Belongs here: steps, turns, cancelling, limits, prompts. Does not: SQL, Tornado, names of vendors.

Words: a *worker* is this process's set of runners; a *runner* drives one chat while it runs; `decide` says
what comes next from what is stored, so that the way back from a crash is the ordinary way.
"""
