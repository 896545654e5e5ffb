"""Linked clips against tables of the whole video, as IFC keeps them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from rocovis_mm.models.task_modules.clip_matching import ClipTracks, clip_windows, soft_iou

LENGTH, SIZE, K = 9, (3, 4), 2


def test_windows_cover_a_video_and_end_with_it():
    assert clip_windows(7, 4, 2) == [(0, 4), (2, 6), (3, 7)]
    assert clip_windows(6, 4, 2) == [(0, 4), (2, 6)]
    assert clip_windows(3, 5, 1) == [(0, 3)]
    assert clip_windows(5, 5, 1) == [(0, 5)]


def draw_clips(seed, clip_length, stride):
    """Clips of objects that look alike in each clip; one enters late, and some clips miss one."""
    generator = torch.Generator().manual_seed(seed)
    objects = torch.randn(4, LENGTH, *SIZE, generator=generator) * 3
    clips = []
    for number, (start, end) in enumerate(clip_windows(LENGTH, clip_length, stride)):
        seen = [g for g in range(4) if (g < 3 or start > 2) and (g + number) % 4 != 1]
        order = torch.randperm(len(seen), generator=generator).tolist()
        seen = [seen[i] for i in order]
        noise = torch.randn(len(seen), end - start, *SIZE, generator=generator)
        scores = torch.rand(len(seen), K, generator=generator)
        clips.append((start, scores, objects[seen, start:end] + noise * 0.5))
    return clips


def best_pairs(scores):
    """The best one-to-one pairs of rows and columns, by trying all."""
    rows, columns = scores.shape
    if rows > columns:
        return {(r, c) for c, r in best_pairs(scores.T)}
    choices = itertools.permutations(range(columns), rows)
    best = max(choices, key=lambda chosen: sum(scores[r, c] for r, c in enumerate(chosen)))
    return set(enumerate(best))


def link(clips, clip_length):
    """Plain tables: of each clip, video instance -> (frame -> logits, scores)."""
    tables, total = [], 0
    for start, scores, logits in clips:
        similar = np.zeros((total, len(logits)))
        for old, new in itertools.product(range(total), range(len(logits))):
            found = []
            for table in tables[-clip_length:]:
                frames = table.get(old, ({},))[0]
                shared = [t for t in range(logits.shape[1]) if start + t in frames]
                if shared:
                    p = torch.stack([frames[start + t].sigmoid() for t in shared])
                    q = logits[new, shared].sigmoid()
                    found.append(float((p * q).sum() / ((p + q - p * q).sum() + 1e-6)))
            similar[old, new] = sum(found) / (len(found) + 1e-6)
        similar[similar <= 0.01] = 0
        numbers = {new: old for old, new in best_pairs(similar) if similar[old, new] > 0}
        for new in range(len(logits)):
            if new not in numbers:
                numbers[new] = total
                total += 1
        tables.append(
            {
                numbers[new]: ({start + t: logits[new, t] for t in range(logits.shape[1])}, s)
                for new, s in enumerate(scores)
            }
        )
    return tables, total


@pytest.mark.parametrize(('clip_length', 'stride'), [(4, 1), (4, 2), (5, 3)])
def test_linked_clips_equal_plain_tables(clip_length, stride):
    clips = draw_clips(clip_length + stride, clip_length, stride)
    tables, total = link(clips, clip_length)
    tracks, handed = ClipTracks(), []
    starts = [start for start, *_ in clips]
    for (start, scores, logits), following in zip(clips, [*starts[1:], LENGTH]):
        tracks.add(start, scores, logits)
        handed += tracks.hand_out(following)
        assert len(tracks._logits) <= clip_length
        assert len(tracks._past) <= clip_length + 1
    assert len(tracks) == total
    for number in range(total):
        mine = [table[number][1] for table in tables if number in table]
        torch.testing.assert_close(tracks.scores[number], torch.stack(mine).mean(0))
    assert len(handed) == LENGTH
    for frame, (numbers, logits) in enumerate(handed):
        expected = {
            number: torch.stack(
                [t[number][0][frame] for t in tables if frame in t.get(number, ({},))[0]]
            ).mean(0)
            for number in range(total)
            if any(frame in table.get(number, ({},))[0] for table in tables)
        }
        assert sorted(numbers.tolist()) == sorted(expected)
        for number, mean in zip(numbers.tolist(), logits):
            torch.testing.assert_close(mean, expected[number])


def test_a_clip_before_frames_that_were_handed_out_is_refused():
    tracks = ClipTracks()
    start, scores, logits = draw_clips(0, 4, 2)[0]
    tracks.add(start, scores, logits)
    tracks.hand_out(2)
    with pytest.raises(ValueError, match='begins at frame 1, but the frames before 2'):
        tracks.add(1, scores, logits)


def test_the_iou_of_large_masks_under_autocast():
    """Sums of 120000 pixels are above the largest float16."""
    masks = torch.rand(2, 2, 200, 300, generator=torch.Generator().manual_seed(0))
    first, second = masks.double()
    shared = (first * second).sum()
    expected = float(shared / ((first + second).sum() - shared))
    with torch.autocast('cpu', torch.float16):
        found = soft_iou(masks[:1], masks[1:])
    assert found.item() == pytest.approx(expected, rel=1e-5)
