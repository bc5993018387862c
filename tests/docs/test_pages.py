"""The pages: what they tell their reader to type is accepted, and what they point to exists."""

from pathlib import Path

import pytest

from tools.docs import blocks, nav
from tools.docs.blocks import PageError, read_blocks, relative
from tools.docs.checking import anchors, wrong_commands, wrong_links, wrong_mentions
from tools.docs.lines import commands, logical_lines
from tools.docs.parsers import CommandError, check
from tools.docs.running import matches
from tools.docs.site import plain_links

PAGES = blocks.pages()


def test_every_command_on_every_page_is_accepted_by_its_program() -> None:
    """Each command line goes to the parser of its program, and each shell block is shell."""
    # One test for all pages, because what costs time is importing three packages.
    assert [wrong for page in PAGES for wrong in wrong_commands(page)] == []


@pytest.mark.parametrize("page", [*PAGES, *sorted((blocks.ROOT / "docs/decisions").glob("*.md"))], ids=relative)
def test_every_link_and_file_and_target_exists(page: Path) -> None:
    """Relative links, their headings, files named in code, and commands named in sentences exist."""
    mentioned = list(wrong_mentions(page)) if page in PAGES else []
    assert [*wrong_links(page), *mentioned] == []


@pytest.mark.parametrize(
    "line",
    [
        "python -m colorizer colourise grey.jpg --out x",
        "python -m colorizer colorize grey.jpg",
        "python -m analysis report e.zip --to x",
        ".venv/bin/python -m analysis power --no-such-option",
        "flask --app study creat x.toml stimuli",
        "flask --app study export",
        "flask --app study simulate s --participants many",
        "flask --app study prolific aprove s",
        "torchrun --nproc-per-node 8 -m colorizer train zhang2016 --date x",
        "truehue-study creat x.toml stimuli",
        "truehue-colorizer colorize grey.jpg",
        "truehue-analysis report e.zip --to x",
        "make everything",
        "make table HOURS=3",
        "python tools/no_such_tool.py",
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    """What a program would refuse is refused here."""
    with pytest.raises(CommandError):
        check(commands(line)[0])


def test_lines_and_words_are_the_shells() -> None:
    """Continuations, here-documents, comments, settings before, pipes and redirections are read as bash reads them."""
    text = "A=1 flask x \\\n  --y '#z' a#b  # no\ncat > f <<'T'\nflask no\nT\na | b && c 2> /dev/null d\n"
    lines = list(logical_lines(text))
    assert [commands(line) for line in lines] == [
        [["flask", "x", "--y", "#z", "a#b"]],
        [["cat"]],
        [["a"], ["b"], ["c", "d"]],
    ]


def test_annotations_hold_for_the_block_below(tmp_path: Path) -> None:
    """A comment directly above decides; a page's comment is the default; hidden commands come where they stand."""
    page = tmp_path / "page.md"
    page.write_text(
        "# T\n<!-- test page: parse, an account -->\n\n```sh\na\n```\n\n<!-- test: run -->\n\n```console\n$ b\n"
        "out\n$ c\n```\n\n"
        "<!-- test: before\nprepare\n-->\n\n    make x\n\nText.\n\n    neither\n\n```toml\nx = 1\n```\n"
    )
    found = read_blocks(page)
    assert [(block.text, block.manner.is_run, block.is_hidden) for block in found] == [
        ("a\n", False, False),
        ("$ b\nout\n$ c\n", True, False),
        ("prepare\n", True, True),
        ("make x\n", False, False),
    ]
    assert found[1].typed == [("b\n", "out"), ("c\n", None)]
    page.write_text("<!-- test: parse -->\n\n    make x\n")
    with pytest.raises(PageError, match="say why"):
        read_blocks(page)


def test_output_is_compared() -> None:
    """Every character counts, but for the ends of lines and what an ellipsis stands for."""
    assert matches("a  \n…\nz 3", "a\nb\nc\nz 3\n\n")
    assert matches("took … s", "took 3.1 s")
    assert not matches("a", "a b")
    assert not matches("a\n…\nz", "a\nb\ny")


def test_anchors_are_those_of_the_site(tmp_path: Path) -> None:
    """Headings get the addresses that the site gives them."""
    page = tmp_path / "page.md"
    page.write_text("# Display profile: `truehue-display/1`\n\n## A & B\n\n## Same\n\n## Same\n\n    # no heading\n")
    assert anchors(page) == {"display-profile-truehue-display1", "a-b", "same", "same_1"}


def test_every_page_is_in_the_navigation() -> None:
    """Each page has one place, and a page that appears gets one by its folder."""
    names = [path.relative_to(nav.DOCS).as_posix() for path in blocks.site_pages()]
    # A page that begins with anything but its title would be taken for a part of another one, and never be tested.
    assert {*nav.DOCS.glob("*.md"), *nav.DOCS.glob("[!r]*/*.md")} <= {*blocks.site_pages()}
    assert list(nav.missing()) == []
    added = ["how-to/new.md", "explanation/new.md", "new.md", "decisions/0099-new.md"]
    arranged = nav.arrange([*names, *added])
    assert sorted(name for listed in arranged.values() for name in listed) == sorted([*names, *added])
    assert "how-to/new.md" in arranged["How-to"]


def test_links_that_leave_the_site_become_names() -> None:
    """The site has docs/ only: links to other files are replaced by what they name, code is left alone."""
    page = nav.DOCS / "how-to/x.md"
    text = "[the server](../../deploy/) [F](../formats.md#a) [web](https://a.b)\n\n    [x](../../tools/smoke.py)\n"
    assert plain_links(text, page) == (
        "the server (`deploy`) [F](../formats.md#a) [web](https://a.b)\n\n    [x](../../tools/smoke.py)\n"
    )
    folders = "[why](../explanation/), [screens](../screenshots/)"
    assert plain_links(folders, page) == "[why](../explanation/pooled-wilson.md), screens"
