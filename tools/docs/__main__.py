"""Test pages, or build the site.

python -m tools.docs test [PAGE …]     run the commands on these pages (default: all); --parse only checks them
python -m tools.docs build             the site, into out/docs/site; a broken link is an error
python -m tools.docs serve             the same, shown on this machine; to see a change, start it again
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tools.docs.blocks import PageError, pages, relative
from tools.docs.checking import wrong_commands, wrong_links, wrong_mentions
from tools.docs.folder import make_photographs
from tools.docs.running import run_page


def main() -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    test = commands.add_parser("test", help="run the commands on pages")
    test.add_argument("pages", nargs="*", type=Path, metavar="PAGE")
    test.add_argument("--parse", action="store_true", help="run nothing; check commands, links, paths")
    commands.add_parser("build", help="build the site into out/docs/site")
    serve = commands.add_parser("serve", help="build the site and show it here; to see a change, start it again")
    serve.add_argument("--port", type=int, default=8001)
    arguments = parser.parse_args()
    try:
        if arguments.command == "test":
            return _test([path.resolve() for path in arguments.pages] or pages(), only_parse=arguments.parse)
        from tools.docs import site

        return site.build() if arguments.command == "build" else site.serve(arguments.port)
    except (PageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _test(chosen: list[Path], *, only_parse: bool) -> int:
    is_wrong = False
    with tempfile.TemporaryDirectory(prefix="truehue-photos-") as name:
        photographs = Path(name)
        if not only_parse:
            make_photographs(photographs)
        for page in chosen:
            began = time.monotonic()
            wrong = [str(line) for find in (wrong_commands, wrong_links, wrong_mentions) for line in find(page)]
            if not wrong and not only_parse:
                wrong = [str(failure) for failure in run_page(page, photographs)]
            print(f"{'wrong' if wrong else 'fine':<6}{time.monotonic() - began:6.1f} s  {relative(page)}", flush=True)
            for line in wrong:
                print(f"  {line}")
            is_wrong |= bool(wrong)
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
