"""Tracks in submission form."""

from __future__ import annotations

import json

import numpy as np

from rocovis_mm.structures import VideoTracks


def test_results_are_json_with_the_categories_of_the_file():
    rle = {'size': [2, 3], 'counts': '06'}
    tracks = VideoTracks(
        video_id=8,
        length=2,
        scores=np.array([0.75, 0.5]),
        labels=np.array([1, 0]),
        identities=np.array([4, 4]),
        segmentations=[[rle, None], [None, rle]],
    )
    results = json.loads(json.dumps(tracks.to_results(category_ids=[3, 12])))
    assert results == [
        dict(video_id=8, category_id=12, score=0.75, segmentations=[rle, None]),
        dict(video_id=8, category_id=3, score=0.5, segmentations=[None, rle]),
    ]
