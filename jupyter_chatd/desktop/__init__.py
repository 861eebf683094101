"""A desktop for each chat family: what launches it, what is done on it, and when it ends.

Belongs here: display servers, RFB, pictures, actions. Does not: HTTP, tools, vendors' APIs, who may do what.
"""
