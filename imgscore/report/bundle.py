"""Join the scripts of the page into one script, which is part of the HTML file.

A browser loads no modules from `file:`, so the page cannot import them. The scripts become one
module: their imports are left out, and what they export becomes a name that all of them share. A
name at the top of a script must therefore be unique in all scripts, and no import may rename one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from graphlib import TopologicalSorter

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async |)function |const |let |class )", re.MULTILINE)
_TOP = re.compile(r"^(?:async |)(?:function|const|let|class) (\$?\w*)", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundle(first: str, read: Callable[[str], str]) -> str:
    """Return one script with the script `first` and all that it imports.

    `read`: a function that returns the text of a script. A script comes after those that it
    imports. Raises ValueError if scripts import each other in a circle, if two of them have the
    same name at the top, or if one imports a name that the other script does not export.
    """
    texts: dict[str, str] = {}
    imports: dict[str, dict[str, set[str]]] = {}
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name in texts:
            continue
        texts[name] = read(name)
        found = _IMPORT.findall(texts[name])
        imports[name] = {
            source: {word.strip() for word in words.split(",") if word.strip()}
            for words, source in found
        }
        waiting += imports[name]
    order = list(TopologicalSorter(imports).static_order())  # CycleError is a ValueError
    exported = {name: _exported(text) for name, text in texts.items()}
    owner: dict[str, str] = {}
    parts = []
    for name in order:
        for source, words in imports[name].items():
            if missing := words - exported[source]:
                raise ValueError(f"{name}: {source} does not export {', '.join(sorted(missing))}")
        part = _EXPORT.sub("", _IMPORT.sub("", texts[name]))
        if left := _OTHER.search(part):
            raise ValueError(f"{name}: the bundle cannot contain {left[0]!r}")
        for word in _TOP.findall(part):
            if owner.setdefault(word, name) != name:
                raise ValueError(f"{name}: {owner[word]} has the name {word}, too")
        parts.append(part.strip("\n") + "\n")
    return "\n".join(parts)


def _exported(text: str) -> set[str]:
    return set(re.findall(r"^export (?:async |)(?:function|const|let|class) (\$?\w*)", text, re.M))
