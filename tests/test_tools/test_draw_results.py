"""tools/analysis_tools/draw_results.py on a generated data set."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from rocovis_mm.datasets.embedded import make_tiny_dataset

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'draw_results.py'


def call(monkeypatch, *arguments: object) -> None:
    spec = importlib.util.spec_from_file_location('draw_results', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
    tool.main()


def test_results_are_drawn_and_mistakes_end_in_one_line(monkeypatch, tmp_path, recwarn):
    data = make_tiny_dataset(tmp_path / 'data', val_videos=2, val_frames=3)
    annotations = json.loads(data.val_json.read_text())['annotations']
    results = [
        dict(score=0.9, **{key: a[key] for key in ('video_id', 'category_id', 'segmentations')})
        for a in annotations
    ]
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(results))
    options = ['--images', data.images, '--out-dir', tmp_path / 'out', '--work-dir', tmp_path]
    call(monkeypatch, data.val_json, path, *options)
    names = sorted(p.name for p in (tmp_path / 'out').iterdir())
    assert names == ['contact_sheet.png', 'curves.png', 'overlay.gif', 'overlay.mp4']
    assert not [one for one in recwarn if 'track' in str(one.message)]
    path.write_text(json.dumps([{**track, 'score': 0.2} for track in results]))
    with pytest.warns(UserWarning, match=r'results.json: no track has a score of 0.3.* has 0.2: '):
        call(monkeypatch, data.val_json, path, *options)
    path.write_text('[]')
    with pytest.warns(UserWarning, match='results.json: there are no tracks at all'):
        call(monkeypatch, data.val_json, path, *options)
    path.write_text(json.dumps([{**results[0], 'video_id': 99}]))
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, data.val_json, path, *options)
    text = str(stopped.value.code)
    assert text.startswith('error: ') and '99' in text and '\n' not in text
