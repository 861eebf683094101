"""Kernels that chats run code in: starting, speaking with, interrupting and ending them; what they answer.

One kernel per chat, on unix sockets, as confined as commands are. Not here: the notebook's own kernels, what
the model reads, who may run code.
"""
