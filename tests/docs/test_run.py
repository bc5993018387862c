"""A page is run as a reader would run it.  All pages of the documentation: `make test-docs`."""

from pathlib import Path

from tools.docs.running import run_page


def test_a_page_is_run_and_what_is_wrong_on_it_is_told(tmp_path: Path) -> None:
    """Variables last from block to block, output is compared, statuses are expected, the first wrong line is named."""
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n```sh\nNAME=mystudy\nmkdir new && cd new\n```\n\n"
        "```console\n$ echo $NAME $(basename $PWD)\nmystudy new\n```\n\n"
        "<!-- test: exit 2 -->\n\n```sh\nflask --app study validate nothing.toml\n```\n\n"
        "```python\nfrom pathlib import Path\nPath('made').write_text('by Python')\n```\n\n"
        "```console\n$ cat ../made\nby Python\n$ echo one two\none …\n$ false\n```\n"
    )
    empty = tmp_path / "photographs"
    empty.mkdir()
    failures = list(run_page(page, empty))
    assert [failure.command.strip() for failure in failures] == ["false"]
    assert "expected exit status 0, got 1" in failures[0].told
    page.write_text(page.read_text().replace("one …", "other …"))
    assert [failure.command.strip() for failure in run_page(page, empty)] == ["echo one two"]
