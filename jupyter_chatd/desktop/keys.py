"""Names of keys, as models and vendors write them, to the numbers (keysyms) that X and RFB know.

Names are compared without case, `_`, `-` and blanks: `Page_Down`, `pagedown` and `PAGE DOWN` are one key.
"""

from __future__ import annotations

from .errors import ActionError

SHIFT = 0xFFE1
RETURN = 0xFF0D
TAB = 0xFF09
INSERT = 0xFF63

_MODIFIERS = {
    0xFFE3: "ctrl control controlleft lctrl leftctrl ctrlleft controll ctrll",
    0xFFE4: "rctrl controlright rightctrl ctrlright controlr ctrlr",
    SHIFT: "shift shiftleft lshift leftshift shiftl",
    0xFFE2: "shiftright rshift rightshift shiftr",
    0xFFE9: "alt option altleft lalt leftalt altl opt",
    0xFFEA: "altright ralt rightalt altr",
    0xFE03: "altgr isolevel3shift modeswitch",
    0xFFEB: "super meta command cmd win windows superl metal metaleft lwin superleft os",
    0xFFEC: "superr metar metaright rwin superright",
    0xFFED: "hyper hyperl",
}
MODIFIERS = tuple(_MODIFIERS)
"""Keys that change what others do."""
_NAMED = {
    RETURN: "return enter",
    TAB: "tab",
    INSERT: "insert ins",
    0xFE20: "isolefttab backtab",
    0xFF08: "backspace back",
    0xFF1B: "escape esc",
    0xFFFF: "delete del",
    0xFF50: "home",
    0xFF51: "left arrowleft leftarrow",
    0xFF52: "up arrowup uparrow",
    0xFF53: "right arrowright rightarrow",
    0xFF54: "down arrowdown downarrow",
    0xFF55: "pageup prior pgup",
    0xFF56: "pagedown next pgdn pgdown",
    0xFF57: "end",
    0xFF13: "pause break",
    0xFF14: "scrolllock",
    0xFF61: "print printscreen prtsc prtscr sysreq",
    0xFF67: "menu contextmenu apps",
    0xFF7F: "numlock",
    0xFFE5: "capslock",
    0xFF0B: "clear",
    0xFF69: "cancel",
    0xFF6A: "help",
    0xFF65: "undo",
    0xFF66: "redo",
    0xFF68: "find",
    0xFF8D: "kpenter",
    0xFF95: "kphome",
    0xFF96: "kpleft",
    0xFF97: "kpup",
    0xFF98: "kpright",
    0xFF99: "kpdown",
    0xFF9A: "kppageup kpprior",
    0xFF9B: "kppagedown kpnext",
    0xFF9C: "kpend",
    0xFF9E: "kpinsert",
    0xFF9F: "kpdelete",
    0xFFAA: "kpmultiply multiply",
    0xFFAB: "kpadd add",
    0xFFAC: "kpseparator",
    0xFFAD: "kpsubtract subtract",
    0xFFAE: "kpdecimal decimal",
    0xFFAF: "kpdivide divide",
    0xFFBD: "kpequal",
    0x1008FF26: "xf86back browserback",
    0x1008FF27: "xf86forward browserforward",
    0x1008FF29: "xf86reload xf86refresh browserrefresh",
    0x1008FF11: "xf86audiolowervolume volumedown audiovolumedown",
    0x1008FF12: "xf86audiomute volumemute audiovolumemute",
    0x1008FF13: "xf86audioraisevolume volumeup audiovolumeup",
    0x1008FF14: "xf86audioplay mediaplaypause",
}
_CHARACTERS = {
    " ": "space spacebar",
    "!": "exclam",
    '"': "quotedbl",
    "#": "numbersign hash",
    "$": "dollar",
    "%": "percent",
    "&": "ampersand",
    "'": "apostrophe quote quoteright",
    "(": "parenleft",
    ")": "parenright",
    "*": "asterisk",
    "+": "plus",
    ",": "comma",
    "-": "minus hyphen dash",
    ".": "period dot",
    "/": "slash",
    ":": "colon",
    ";": "semicolon",
    "<": "less",
    "=": "equal equals",
    ">": "greater",
    "?": "question",
    "@": "at",
    "[": "bracketleft",
    "\\": "backslash",
    "]": "bracketright",
    "^": "asciicircum caret",
    "_": "underscore",
    "`": "grave backquote backtick quoteleft",
    "{": "braceleft",
    "|": "bar pipe",
    "}": "braceright",
    "~": "asciitilde tilde",
}
_SHIFTED = dict(zip("`1234567890-=[]\\;',./", '~!@#$%^&*()_+{}|:"<>?', strict=True))
_UNICODE = 0x01000000  # added to a character's number when it is not Latin-1
_F1, _KP0 = 0xFFBE, 0xFFB0


def _table() -> dict[str, int]:
    named = {
        name: number
        for part in (_MODIFIERS, _NAMED)
        for number, names in part.items()
        for name in names.split()
    }
    characters = {name: ord(character) for character, names in _CHARACTERS.items() for name in names.split()}
    functions = {f"f{number}": _F1 + number - 1 for number in range(1, 25)}
    pad = {f"{prefix}{digit}": _KP0 + digit for digit in range(10) for prefix in ("kp", "numpad")}
    return named | characters | functions | pad


_KEYSYMS = _table()


def keysym(name: str) -> int:
    """Return the number of the key that is called *name*, or that writes the one character *name*.

    Raises:
        ActionError: no key is called that.
    """
    if len(name) == 1 and name.isprintable():
        return keysym_of_character(name)
    plain = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    if (number := _KEYSYMS.get(plain)) is None:
        raise ActionError(
            f"There is no key {name[:40]!r}. Expected one character, or a name such as Return, Tab, Escape, "
            "BackSpace, Delete, Home, Page_Down, Left, F5, ctrl, shift, alt, super; join keys with +."
        )
    return number


def keysym_of_character(character: str) -> int:
    """Return the number of the key that writes *character*."""
    number = ord(character)
    return number if number < 0x100 else _UNICODE + number


def combination(names: str) -> tuple[int, ...]:
    """Return the keys of a combination such as `ctrl+shift+t`, in the order in which they are pressed.

    The plus key is `plus`, or a `+` in the last place (`ctrl++`). A single capital together with other keys
    is the letter's key (`CTRL+L`). With shift a key is what shift makes of it: else the server lets go of it.

    Raises:
        ActionError: a key is unknown, or there is none.
    """
    parts = _split(names)
    if len(parts) > 1:
        parts = [part.lower() if len(part) == 1 else part for part in parts]
    numbers = [keysym(part) for part in parts]
    is_shifted = any(number in (SHIFT, SHIFT + 1) for number in numbers)
    return tuple(_shifted(number) if is_shifted else number for number in numbers)


def _split(names: str) -> list[str]:
    text = names.strip()
    if text == "+":
        return ["+"]
    if text.endswith("++"):
        text = text.removesuffix("+") + "plus"
    parts = [part.strip() for part in text.split("+")]
    if not all(parts):
        raise ActionError(
            f"Expected keys joined with +, such as ctrl+c, came {names[:40]!r}. The plus key is plus."
        )
    return parts


def _shifted(number: int) -> int:
    if not 0x20 < number < 0x7F:
        return number
    character = chr(number)
    return ord(_SHIFTED.get(character, character.upper()))
