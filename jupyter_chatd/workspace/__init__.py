"""Where tools act: files and processes behind one protocol.

Belongs here: paths, files, processes, their limits. Does not: who may use them, what the model reads.
"""
