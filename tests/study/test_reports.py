"""Reports as jobs build them: from the start, whatever a dead worker left, and each failure with its reason."""

import io

import pytest
from conftest import NOW

from study import reports
from study.reports import ReportError, build_asked


class Analysis:
    """The analysis as far as its caller sees it: lines on standard error, a status, and perhaps a report."""

    def __init__(self, lines, code, has_report):
        self.lines, self.code, self.has_report = lines, code, has_report

    def __call__(self, command, **_):
        if self.has_report:
            out = reports.Path(command[command.index("--out") + 1])
            out.mkdir()
            (out / "report.html").write_text("<h1>Report</h1>")
        self.stderr = io.StringIO("\n".join(self.lines) + "\n")
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_): ...
    def wait(self):
        return self.code

    def kill(self): ...


@pytest.fixture
def asked(desk, settings, study):
    """A report that somebody asked for: its folder, and what builds it with an analysis in the place of ours."""
    state, is_new = reports.ask(desk, settings, study.id, by="me@example.org", now=NOW)
    assert is_new
    folder = settings.reports / "small" / state.report_id
    told = []

    def build(*lines, code=0, has_report=True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reports.subprocess, "Popen", Analysis(lines, code, has_report))
            tell = lambda text, progress: told.append((text, round(progress, 3)))  # noqa: E731
            return build_asked(desk, settings, study.id, state.report_id, now=NOW, tell=tell)

    return folder, build, told


def test_a_report_is_built_from_the_start(asked):
    """What a dead worker left goes; each step is told; blank lines are none."""
    folder, build, told = asked
    (folder / "tables").mkdir()
    (folder / "report.html").write_text("half a rep")
    assert build("step 1 of 2: drawing", "", "a warning", "step 2 of 2: writing") == "0 sessions, 0 trials"
    assert (folder / "report.html").read_text() == "<h1>Report</h1>"
    assert not (folder / "tables").exists()
    assert told[2:4] == [("drawing the report", 0.5), ("writing the report", 0.75)]
    assert reports.read_state(folder).status == "done"


@pytest.mark.parametrize(
    ("lines", "code", "reason"),
    [
        (["step 1 of 2: drawing", "error: rows contradict themselves"], 2, "error: rows contradict themselves"),
        ([], -9, "it ended with status -9"),
        ([], 0, "it ended with status 0"),
    ],
)
def test_a_report_that_fails_keeps_the_reason(asked, lines, code, reason):
    """In its state and in the job's line; a report without its page is none."""
    folder, build, _ = asked
    with pytest.raises(ReportError) as caught:
        build(*lines, code=code, has_report=False)
    assert str(caught.value) == reason
    assert (reports.read_state(folder).status, reports.read_state(folder).message) == ("failed", reason)


def test_a_report_whose_folder_is_gone_is_one_line(asked):
    """Somebody tidied up."""
    folder, build, _ = asked
    reports.shutil.rmtree(folder)
    with pytest.raises(ReportError, match="its folder is gone; ask for a new one"):
        build()
    assert not folder.exists()
