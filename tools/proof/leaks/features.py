"""What was seen, as numbers for a classifier: nothing is left out but the pixels."""

import zlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tools.proof.leaks.collect import SeenPicture, SeenTrial, Watched

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


def of_picture(picture: SeenPicture) -> list[float]:
    """Describe one picture: address (nibbles and bits set), length, headers, time, places."""
    nibbles = [int(c, 16) for c in picture.address]
    return [
        *nibbles,
        *((n >> bit) & 1 for n in nibbles for bit in range(4)),
        sum(n.bit_count() for n in nibbles),
        picture.length,
        len(picture.headers),
        zlib.crc32(repr(picture.headers).encode()) % 9973,
        sum(len(k) + len(v) for k, v in picture.headers),
        picture.ms,
        picture.place_in_prefetch,
        picture.place_in_fetching,
    ]


def of_trial(seen: SeenTrial, history: Sequence[SeenTrial]) -> list[float]:
    """Describe a trial by its pictures, their differences, its page and reply, and the trials before it."""
    first, second = (of_picture(picture) for picture in seen.pictures)
    left, right = (first, second) if seen.first_side == "left" else (second, first)
    earlier = [known for known in map(practice_truth, history) if known is not None]
    last = history[-1] if history else None
    return [
        *first,
        *second,
        *np.subtract(first, second),
        *np.sign(np.subtract(first, second)[-8:]),
        *np.subtract(left, right),
        *np.sign(np.subtract(left, right)[-8:]),
        float(seen.pictures[0].address < seen.pictures[1].address),
        float(seen.first_side == "left"),
        *(int(c, 16) for c in seen.trial_id),
        seen.index,
        seen.is_practice,
        seen.is_instructed,
        seen.turn_chars,
        len(seen.turn_headers),
        zlib.crc32(repr(seen.turn_headers).encode()) % 9973,
        seen.turn_ms,
        seen.page_chars,
        seen.n_cookies,
        # What practice told: how often the fake was first and left so far, and on the last such trial.
        sum(fake_first for fake_first, _ in earlier),
        sum(fake_left for _, fake_left in earlier),
        len(earlier),
        *(earlier[-1] if earlier else (0.5, 0.5)),
        sum(t.first_side == "left" for t in history),
        float(last.first_side == "left") if last else 0.5,
        float(last.response == "left") if last else 0.5,
    ]


def practice_truth(seen: SeenTrial) -> tuple[bool, bool] | None:
    """Work out from an answer and its feedback whether the fake was first, and left; None without feedback."""
    if seen.feedback is None:
        return None
    is_fake_left = (seen.response == "left") == seen.feedback  # the question was which one is fake
    return (seen.first_side == "left") == is_fake_left, is_fake_left


def table(watched: Sequence[Watched]) -> tuple[Matrix, dict[str, Labels], npt.NDArray[np.int64]]:
    """Give features of the scored test trials, their labels, and the session of each."""
    history: dict[int, list[SeenTrial]] = defaultdict(list)
    rows, first, left, session = [], [], [], []
    for each in watched:
        if each.truth.kind == "test":
            rows.append(of_trial(each.seen, history[each.seen.session]))
            first.append(each.truth.is_fake_first)
            left.append(each.truth.is_fake_left)
            session.append(each.seen.session)
        history[each.seen.session].append(each.seen)
    labels = {"the first picture is the fake": np.array(first), "the left picture is the fake": np.array(left)}
    return np.array(rows, dtype=np.float64), labels, np.array(session)


def remembered(watched: Sequence[Watched]) -> tuple[Matrix, Labels]:
    """Give the pictures of practice trials with what feedback said of each: whether it is the fake."""
    rows, labels = [], []
    for each in watched:
        known = practice_truth(each.seen)
        if known is not None:
            is_fake_first, _ = known
            rows += [of_picture(each.seen.pictures[0]), of_picture(each.seen.pictures[1])]
            labels += [is_fake_first, not is_fake_first]
    return np.array(rows, dtype=np.float64), np.array(labels)


def test_pictures(watched: Sequence[Watched]) -> tuple[Matrix, Matrix, Labels, npt.NDArray[np.int64]]:
    """Give the first and the second pictures of test trials, whether the first is the fake, and the session."""
    tests = [each for each in watched if each.truth.kind == "test"]
    first = np.array([of_picture(e.seen.pictures[0]) for e in tests], dtype=np.float64)
    second = np.array([of_picture(e.seen.pictures[1]) for e in tests], dtype=np.float64)
    return first, second, np.array([e.truth.is_fake_first for e in tests]), np.array([e.seen.session for e in tests])


def n_recognised(watched: Sequence[Watched]) -> int:
    """Count pictures of test trials whose very bytes were in anybody's practice, where feedback gave them away."""
    practised = {p.fingerprint for e in watched if e.truth.kind == "practice" for p in e.seen.pictures}
    return sum(p.fingerprint in practised for e in watched if e.truth.kind == "test" for p in e.seen.pictures)
