from __future__ import annotations

import os

import pytest
import torch

from rocovis_mm.checkpoints.resuming import check_resumable, find_whole_checkpoint


def write(folder, name, age=0, **left_out):
    content = dict(meta=dict(iter=1), message_hub={}, optimizer={}, state_dict={'a': torch.ones(9)})
    path = folder / name
    torch.save({k: v for k, v in content.items() if k not in left_out}, path)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def test_the_checkpoint_that_the_run_points_to_comes_first(tmp_path):
    write(tmp_path, 'iter_9.pth')  # of a longer run in the same folder, say
    wanted = write(tmp_path, 'iter_4.pth', age=50)
    (tmp_path / 'last_checkpoint').write_text(str(wanted))
    assert find_whole_checkpoint(tmp_path) == (str(wanted), [])


def test_a_moved_folder(tmp_path):
    wanted = write(tmp_path, 'iter_4.pth')
    (tmp_path / 'last_checkpoint').write_text('/where/it/was/iter_4.pth')
    assert find_whole_checkpoint(tmp_path) == (str(wanted), [])


def test_a_run_killed_before_it_pointed_to_its_first_checkpoint(tmp_path):
    wanted = write(tmp_path, 'iter_2.pth')
    write(tmp_path, 'best_AP_iter_2.pth')
    assert find_whole_checkpoint(tmp_path) == (str(wanted), [])
    (tmp_path / 'last_checkpoint').write_text('')
    assert find_whole_checkpoint(tmp_path) == (str(wanted), [])


@pytest.mark.parametrize(
    ('damage', 'said'),
    [
        (cut, 'damaged or cut short'),
        (lambda path: path.write_bytes(b''), 'the file is empty'),
        (lambda path: path.write_text('no checkpoint'), 'cannot be read as a checkpoint'),
        (lambda path: torch.save({'a': torch.ones(1)}, path), 'no state of a training run'),
        (lambda path: path.unlink(), None),
    ],
)
def test_a_damaged_or_foreign_one_is_reported_and_the_one_before_taken(tmp_path, damage, said):
    wanted = write(tmp_path, 'iter_2.pth', age=60)
    write(tmp_path, 'iter_1.pth', age=90)
    bad = write(tmp_path, 'iter_3.pth')
    (tmp_path / 'last_checkpoint').write_text(str(bad))
    damage(bad)
    found, problems = find_whole_checkpoint(tmp_path)
    assert found == str(wanted)
    assert len(problems) == (said is not None)
    assert all(str(bad) in problem and said in problem for problem in problems)


def test_a_flipped_bit_is_seen(tmp_path):
    path = write(tmp_path, 'iter_2.pth')
    content = bytearray(path.read_bytes())
    at = content.index(torch.ones(9).numpy().tobytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match='iter_2.pth'):
        check_resumable(path)


def test_nothing_yet_is_a_start_but_only_damaged_ones_are_an_error(tmp_path):
    assert find_whole_checkpoint(tmp_path) == (None, [])
    assert find_whole_checkpoint(tmp_path / 'none') == (None, [])
    cut(write(tmp_path, 'iter_2.pth'))
    with pytest.raises(ValueError, match='no whole checkpoint to resume from'):
        find_whole_checkpoint(tmp_path)
