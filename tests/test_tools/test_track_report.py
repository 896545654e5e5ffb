"""tools/analysis_tools/track_report.py as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'track_report.py'
MASK = {'size': [4, 6], 'counts': [5, 2, 17]}


def run(folder, *arguments):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_page_from_any_results_and_mistakes_in_one_line(tmp_path):
    track = dict(video_id=1, category_id=2, score=0.9, segmentations=[MASK, None])
    content = dict(
        videos=[dict(id=1, height=4, width=6, length=2, file_names=['a/0.jpg', 'a/1.jpg'])],
        categories=[dict(id=2, name='cat')],
        annotations=[dict(id=1, iscrowd=0, **{k: v for k, v in track.items() if k != 'score'})],
    )
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    (tmp_path / 'results.json').write_text(json.dumps([track]))
    done = run(tmp_path, 'results.json', 'truth.json', '--out', 'new/report.html')
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith('new/report.html: 1 videos')
    page = (tmp_path / 'new' / 'report.html').read_text()
    assert '<b>100.00</b>AP50' in page and 'src="http' not in page
    (tmp_path / 'results.json').write_text(json.dumps([{**track, 'score': 0.01}]))
    done = run(tmp_path, 'results.json', 'truth.json', '--out', 'new/report.html')
    assert done.returncode == 0
    assert 'results.json: no track has a score of 0.3' in done.stderr and '0.01' in done.stderr
    (tmp_path / 'results.json').write_text(json.dumps([{**track, 'video_id': 7}]))
    done = run(tmp_path, 'results.json', 'truth.json', '--out', 'other.html')
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert 'results.json' in done.stderr and 'video 7' in done.stderr
    assert not (tmp_path / 'other.html').exists()


def test_a_fault_of_the_annotation_file_names_it(tmp_path):
    (tmp_path / 'truth.json').write_text('{"videos": []}')
    (tmp_path / 'results.json').write_text('[]')
    done = run(tmp_path, 'results.json', 'truth.json', '--out', 'report.html')
    assert done.returncode == 2 and 'truth.json' in done.stderr and 'categories' in done.stderr


def test_images_without_names_are_in_the_order_of_their_numbers(tmp_path):
    from rocovis_mm.formats.vis_annotations import VISVideo
    from rocovis_mm.visualization.result_tracks import find_images

    (tmp_path / '7').mkdir()
    for name in ('10.png', '9.png', '._9.png', 'Thumbs.db'):
        (tmp_path / '7' / name).write_bytes(b'')
    found = find_images(VISVideo(7, 1, 1, 2), tmp_path)
    assert [path.name for path in found] == ['9.png', '10.png']
