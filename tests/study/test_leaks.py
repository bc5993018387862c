"""Nothing but the pixels tells real from fake."""

import io
import json

import pytest
from PIL import Image

from study import sessions
from study.manifest import REAL, pixels_sha256


def get(participant, url):
    reply = participant.client.get(url)
    assert reply.status_code == 200
    return reply


def test_all_pictures_have_one_length_and_identical_headers(participant):
    """Over a whole session, real and fake, practice and control."""
    participant.begin()
    seen = set()
    while participant.turn["trial"]:
        for picture in participant.turn["trial"]["pictures"]:
            reply = get(participant, picture["url"])
            seen.add((len(reply.data), tuple(reply.headers)))
        participant.answer()
    assert len(seen) == 1
    ((_, headers),) = seen
    names = {name.lower() for name, _ in headers}
    assert not names & {"etag", "last-modified", "date", "expires", "set-cookie", "content-disposition"}
    assert ("Cache-Control", "no-store") in headers


def test_decoded_pixels_are_the_manifests(participant, study):
    """Bit-identical for everybody: left and right, first and second are what the plan says."""
    participant.begin()
    while participant.turn["trial"]:
        planned = participant.outstanding.in_order
        for picture, (stimulus, side) in zip(participant.turn["trial"]["pictures"], planned, strict=True):
            with Image.open(io.BytesIO(get(participant, picture["url"]).data)) as image:
                image.load()
                assert pixels_sha256(image) == stimulus.pixels_sha256
                assert set(image.info) == {"srgb"}
            assert picture["side"] == side
        participant.answer()


def test_addresses_live_for_their_trial_and_the_one_before_it(participant):
    """The next trial's pictures may be fetched ahead; answered ones are gone; nobody else has them."""
    participant.begin()
    state = participant.state
    addresses = [
        sessions.picture_addresses(participant.desk, state.session_id, index, trial)
        for index, trial in enumerate(state.shown)
    ]
    for n in range(len(addresses)):
        status = [
            {participant.client.get(f"{participant.here}image/{address}").status_code for address in pair}
            for pair in addresses
        ]
        assert status == [{200} if n <= index <= n + 1 else {404} for index in range(len(addresses))]
        participant.answer()
    for pair in addresses:
        assert participant.client.get(f"{participant.here}image/{pair[0]}").status_code == 404


@pytest.mark.parametrize("address", ["", "x", "../../secret_key", "%00", "é", "0" * 32, "A" * 5000])
def test_invented_addresses_are_not_found(participant, address):
    """404, whatever it is."""
    participant.begin()
    assert participant.client.get(f"{participant.here}image/{address}").status_code in {404, 405, 308}


def test_addresses_differ_between_sessions(make_participant, study):
    """The same picture has another name for everybody, and none is a part of another."""
    seen = []
    for _ in range(5):
        person = make_participant().begin()
        seen += [p["url"].rsplit("/", 1)[1] for p in person.turn["trial"]["pictures"]]
    assert len(set(seen)) == 10
    assert {len(address) for address in seen} == {32}


def test_the_answer_key_is_in_nothing_that_is_sent_before_the_answer(participant, study):
    """Two sessions that differ in the key alone send the same JSON, but for names that are keyed hashes."""
    participant.begin()
    secret = {s.stimulus_id for s in study.manifest.stimuli} | {s.image_id for s in study.manifest.stimuli}
    secret |= set(study.manifest.conditions) - {REAL} | set(study.served.values())
    texts = [participant.client.get(participant.here).text]
    while participant.turn["trial"]:
        text = json.dumps(participant.turn)
        texts.append(text)
        assert set(participant.turn) == {"trial", "next_url", "feedback", "progress", "prefetch"}
        trial = participant.turn["trial"]
        assert {key for p in trial["pictures"] for key in p} == {"url", "side"}
        participant.answer()
    # The token, which every address holds, is drawn: in 2 of 100,000 sessions it spells one of these words.
    texts = [text.replace(participant.token, "TOKEN") for text in texts]
    assert all("TOKEN" in text for text in texts[:-1])
    for text in texts:
        for word in secret:
            assert word not in text
        for word in ("condition", "fooled", "stimulus", "low_anchor", "plan_index", "catch"):
            assert word not in text.lower()


def test_turns_have_one_shape(participant):
    """Control trials look like test trials, but for the instruction that is meant to be read."""
    participant.begin()
    lengths = set()
    while participant.turn["trial"]:
        trial = dict(participant.turn["trial"])
        if trial["instruction"] is None and not trial["is_practice"]:
            sides = [p["side"] for p in trial["pictures"]]
            assert sorted(sides) == ["left", "right"]
            lengths.add(len(json.dumps(trial)))
        participant.answer()
    assert len(lengths) == 1


def test_prefetched_addresses_do_not_tell_the_order(make_participant, study):
    """Sorted by address, so independent of which is shown first."""
    person = make_participant().begin()
    while person.turn["trial"]:
        assert person.turn["prefetch"] == sorted(person.turn["prefetch"])
        ahead = set(person.turn["prefetch"])
        person.answer()
        if person.turn["trial"]:
            assert {p["url"] for p in person.turn["trial"]["pictures"]} == ahead


def test_names_on_disk_are_random_and_the_folder_is_private(study, settings):
    """Even a listing of the folder pairs nothing."""
    names = [path.name for path in (settings.stimuli / study.folder / "served").iterdir()]
    assert sorted(names) == sorted(study.served.values())
    assert all(len(name) == 36 for name in names)
    assert (settings.instance / "secret_key").stat().st_mode & 0o777 == 0o600
    assert settings.instance.stat().st_mode & 0o777 == 0o700


def test_x_accel_redirect_hands_the_bytes_to_nginx(participant, settings, monkeypatch):
    """The header names the file, the body is empty, the other headers stay the same."""
    import dataclasses

    here = participant.client.application.extensions["truehue"]
    participant.begin()
    url = participant.turn["trial"]["pictures"][0]["url"]
    plain = get(participant, url)
    monkeypatch.setattr(here, "settings", dataclasses.replace(settings, accel_prefix="/pictures"))
    reply = get(participant, url)
    path = reply.headers["X-Accel-Redirect"]
    assert path.startswith("/pictures/test-set-")
    assert (settings.stimuli / path.removeprefix("/pictures/")).read_bytes() == plain.data
    assert reply.data == b""


def test_pages_are_strict(participant):
    """No inline script or style, nowhere to be framed, nothing kept, no referrer."""
    participant.begin()
    urls = ["/", "/s/small/", participant.here, "/console/sign-in", "/nothing", "/p/none/"]
    for url in urls:
        reply = participant.client.get(url)
        policy = reply.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
        assert "<script>" not in reply.text
        assert "style=" not in reply.text
        if not url.startswith("/console"):
            assert "Set-Cookie" not in reply.headers


def test_a_researchers_markdown_runs_nothing(make_study, make_participant):
    """HTML in the texts is shown as text, links to scripts are dropped."""
    from conftest import SMALL

    evil = "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) **bold**"
    make_study(SMALL + f"[words]\nconsent = '''{evil}'''\n", slug="evil")
    text = make_participant("evil").client.get("/s/evil/").text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert 'href="javascript' not in text
    assert "<strong>bold</strong>" in text
