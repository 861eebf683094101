"""The tools that a model may call, one per module, with its text for the model beside it in `.md`.

Belongs here: arguments, text and results of tools. Does not: approval policy, user interface, how work is
done (that is `workspace/`).
"""
