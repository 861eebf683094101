"""Actions as others spell them: each vendor's, the original's, and our own. JSON values in, actions out.

Belongs here: names, units and fields of actions. Does not: requests to vendors, results, who may do what.
A vendor that makes one call of several actions gets several; all are checked before any is returned.
"""

from .anthropic import parse_anthropic
from .gemini import parse_gemini
from .neutral import parse_neutral
from .openai import parse_openai
from .original import parse_original

__all__ = ["parse_anthropic", "parse_gemini", "parse_neutral", "parse_openai", "parse_original"]
