"""Ways to get a desktop. All of them give a unix socket that speaks RFB.

Belongs here: programs, their files and their end. Does not: what is done on the desktop.
"""
