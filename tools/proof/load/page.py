"""docs/load.md from docs/results/load.json."""

from typing import Any

from tools.proof.load import cost as names

WANTED_RATIO_OF_BARE = 2.2


def write(result: dict[str, Any]) -> str:
    """Write the page."""
    parts = [
        "# What an answer costs the server, and how many people may come\n",
        "Written by `make load`; the same numbers are in `docs/results/load.json`. Every section says with which command and when it "
        "was measured, and the machine's load average before and after, other work included. Drivers run in processes of their own beside the "
        "server, on the same cores. CPU is user and system time of all server processes: gunicorn and its workers, nginx, PostgreSQL. An "
        "answer counts when its reply has come; by then it is on disk (SQLite: WAL, `synchronous = FULL`; PostgreSQL: its defaults).\n",
    ]
    for name, section in (("cost", _cost), ("pace", _pace), ("full", _full), ("growth", _growth), ("memory", _memory)):
        if name in result:
            parts += [section(result[name]), _stamp(result[name])]
    return "\n".join(parts)


def _stamp(section: dict[str, Any]) -> str:
    before, after = (", ".join(map(str, section[key])) for key in ("load_average_before", "load_average_after"))
    return f"`{section['command']}`, {section['measured_at_utc']}, {section['machine']}; load average {before} before, {after} after.\n"


def _cost(section: dict[str, Any]) -> str:
    systems = section["systems"]
    bare = systems[names.BARE]["cpu_ms_per_answer"]
    lines = [
        "## CPU per durable answer\n",
        f"{section['n_participants']} participants at once, {section['n_answers_each']} answers each, no think time; all systems served in "
        "turn, round after round; the median round, all rounds in brackets. The bare insert knows no session, no plan and no next trial. "
        "psiTurk saves all data so far after each trial, as its script does. oTree live commits after its reply, so its answers are not durable "
        "when they are acknowledged; it keeps SQLite in memory, so there is no row for it. Rows with pictures fetch both pictures "
        "(256 px) of each trial before the answer, and their CPU counts.\n",
        "| | CPU ms per answer | × bare, SQLite | answers/s | answers | errors |\n|---|---|---|---|---|---|",
    ]
    for name, each in systems.items():
        rounds = ", ".join(f"{x:.2f}" for x in each["cpu_ms_by_round"])
        lines.append(
            f"| {name} | **{each['cpu_ms_per_answer']:.2f}** ({rounds}) | {each['cpu_ms_per_answer'] / bare:.2f} | "
            f"{each['answers_per_s']:.0f} | {each['n_answers']} | {len(each['errors'])} |"
        )
    return "\n".join(lines) + "\n\n" + _against(systems) + "\n"


def _against(systems: dict[str, Any]) -> str:
    """State each ratio that was promised, and whether it holds."""
    promises = (
        (names.OURS, names.BARE, WANTED_RATIO_OF_BARE),
        (names.OURS_PG, names.BARE, WANTED_RATIO_OF_BARE),
        (names.OURS, names.PSITURK, 0.5),
        (names.OURS_PG, names.PSITURK_PG, 0.5),
        (names.OURS_PG, names.OTREE_PG, 0.25),
    )
    lines = ["| of | to | ratio | wanted at most | |\n|---|---|---|---|---|"]
    for ours, other, wanted in promises:
        if ours in systems and other in systems:
            ratio = systems[ours]["cpu_ms_per_answer"] / systems[other]["cpu_ms_per_answer"]
            lines.append(
                f"| {ours} | {other} | {ratio:.2f} | {wanted:g} | {'holds' if ratio <= wanted else '**missed**'} |"
            )
    return "\n".join(lines) + "\n"


def _databases(section: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in section.items() if name in ("SQLite", "PostgreSQL")}


def _pace(section: dict[str, Any]) -> str:
    databases = _databases(section)
    first = next(iter(databases.values()))
    lines = [
        "## At a person's pace\n",
        f"{first['n_participants']} participants at once, each answering every {first['every_s']:g} s after fetching both pictures (256 px, by "
        "nginx), two gunicorn workers, the driver beside them. Milliseconds until an answer's reply.\n",
        "| | answers | median | p99 | longest | errors | server CPU s, beginning included |\n|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {p['n_answers']} | {p['p50_ms']} | **{p['p99_ms']}** | {p['max_ms']} | {p['n_errors']} | {p['server_cpu_s']} |"
        for name, p in databases.items()
    ]
    return "\n".join(lines) + "\n"


def _full(section: dict[str, Any]) -> str:
    lines = [
        "## Complete sessions, as fast as the cores allow\n",
        "From consent to the last page, 46 trials, both pictures of each (256 px) through nginx, 32 participants at a time; "
        "everything they ask for is in the CPU per answer.\n",
        "| | sessions, complete | answers | pictures, MB | errors | answers/s | sessions/min | CPU ms per answer |\n|---|---|---|---|---|---|---|---|",
    ]
    for name, f in _databases(section).items():
        cpu = " + ".join(f"{part} {ms:.2f}" for part, ms in f["cpu_ms_per_answer"].items())
        lines.append(
            f"| {name} | {f['n_sessions']}, {f['n_complete']} | {f['n_answers']} | {f['n_pictures']}, {f['picture_mb']} | {f['n_errors']} | "
            f"{f['answers_per_s']:.0f} | {f['sessions_per_min']:.0f} | {cpu} |"
        )
    return "\n".join(lines) + "\n"


def _growth(section: dict[str, Any]) -> str:
    lines = [
        "## Growth\n",
        f"No pictures; 2 workers and {section['n_participants']} participants where not varied; no think time.\n",
        "| | varied | | answers/s | CPU ms per answer | p50 ms | p99 ms | errors |\n|---|---|---|---|---|---|---|---|",
    ]
    for name, curves in _databases(section).items():
        for what, curve in curves.items():
            for value, each in curve.items():
                lines.append(
                    f"| {name} | {what} | {int(value):,} | {each['answers_per_s']:.0f} | {each['cpu_ms_per_answer']:.2f} | {each['p50_ms']} | "
                    f"{each['p99_ms']} | {len(each['errors'])} |"
                )
    return "\n".join(lines) + "\n"


def _memory(section: dict[str, Any]) -> str:
    cells = ", ".join(f"{each['pss_mb']} MB after {each['n_answers']:,}" for each in section["all_server_processes"])
    return (
        f"## Memory\n\nProportional memory (PSS) of gunicorn and its two workers, by answers served, SQLite: {cells}.\n"
    )
