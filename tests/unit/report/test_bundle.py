"""The scripts of the page as one script."""

from importlib import resources

import pytest

from imgscore.report.bundle import bundle

REPORT = resources.files("imgscore.report")


def joined(**scripts: str) -> str:
    """The bundle of some scripts, of which `first` is the first one."""
    return bundle("first.js", lambda name: scripts[name.removesuffix(".js")])


def test_bundle_puts_a_script_after_those_that_it_imports() -> None:
    text = joined(
        first='// Title.\n\nimport {\n  one, $two,\n} from "./other.js";\n\none($two);\n',
        other='import { three } from "./third.js";\nexport const one = alert;\n'
        "export let $two = three;\n",
        third="/** A comment. */\nexport async function three() {}\n",
    )
    lines = text.split("\n")
    assert lines.index("async function three() {}") < lines.index("const one = alert;")
    assert lines.index("let $two = three;") < lines.index("one($two);")
    assert "import" not in text and "export" not in text


@pytest.mark.parametrize(
    ("scripts", "reason"),
    [
        ({"other": 'import { a } from "./first.js";\nexport const one = 1;\n'}, "cycle"),
        ({"other": "const one = 1;\n"}, "does not export one"),
        ({"other": "export const one = 1;\nconst twice = 1;\n"}, "has the name twice"),
        ({"other": "export const one = 1;\nexport default one;\n"}, "cannot contain"),
        ({"other": 'export const one = 1;\nimport * as all from "./x.js";\n'}, "cannot contain"),
    ],
)
def test_bundle_of_scripts_that_cannot_be_joined_is_refused(
    scripts: dict[str, str], reason: str
) -> None:
    first = 'import { one } from "./other.js";\nexport const a = one;\nconst twice = 1;\n'
    with pytest.raises(ValueError, match=reason):
        joined(first=first, **scripts)


def test_bundle_of_the_page_reads_every_script() -> None:
    read: list[str] = []

    def text_of(name: str) -> str:
        read.append(name)
        return REPORT.joinpath(name).read_text(encoding="utf-8")

    assert "</script" not in bundle("page.js", text_of)
    assert sorted(read) == sorted(
        item.name for item in REPORT.iterdir() if item.name.endswith(".js")
    )
