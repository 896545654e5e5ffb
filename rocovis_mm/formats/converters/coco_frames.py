"""COCO json with an entry per frame and ``track_id``, of annotations or results, and its relatives.

An image has ``video_id`` and ``frame_id``, an annotation or result ``track_id``. CVAT's 'COCO 1.0'
export has neither of the first two, and ``attributes.track_id``. CocoVID has ``instance_id``.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Optional

from rocovis_mm.formats.converters.cocovid import (
    EXTRA,
    coco_annotations,
    coco_images,
    cocovid_records,
    convert_cocovid,
    image_ids,
)
from rocovis_mm.formats.converters.content_builder import ContentBuilder
from rocovis_mm.formats.converters.cvat import convert_cvat
from rocovis_mm.formats.converters.files import write_dataset
from rocovis_mm.formats.converters.vis_content import (
    Record,
    Settings,
    number_of,
    video_names,
    write_json,
)
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import (
    Place,
    as_finite,
    as_identifier,
    require,
    require_type,
)

Votes = dict[tuple[int, int], list[tuple[int, Optional[float]]]]
RESULTS = 'each result needs image_id, category_id, segmentation, score and track_id'


def read_coco(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read COCO annotations of frames, with or without ``videos``, or results."""
    content, place = read_json(path), Place(str(path))
    if isinstance(content, list):
        return read_coco_results(content, place, settings, lines)
    if isinstance(content, dict) and content.get('videos'):
        return convert_cocovid(content, str(path))
    read, crowds = convert_cvat(content, place, keep_crowds=True)
    if crowds:
        lines.append(
            f'{crowds} masks in run lengths are crowds; if CVAT wrote them, read the file as '
            'cvat-coco, as CVAT marks masks of the brush so'
        )
    return read


def read_cvat_coco(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read CVAT's export, whose crowds are masks that were drawn with the brush."""
    content, place = read_json(path), Place(str(path))
    read, brushed = convert_cvat(content, place, settings.keep_crowds)
    if brushed and not settings.keep_crowds:
        lines.append(f'{brushed} crowds are instances, as CVAT marks masks of the brush so')
    return read


def read_coco_results(content: list, place: Place, settings: Settings, lines: list[str]) -> Record:
    """Return results of frames as tracks.

    The score of a track is the mean of its masks' scores. Its category is the one with the highest
    sum of scores.
    """
    truth = settings.need_truth(place.file)
    ids = image_ids(truth['videos'])
    videos = {video['id']: video for video in truth['videos']}
    spot = {
        image: (videos[key], t) for key, images in ids.items() for t, image in enumerate(images)
    }
    builder = ContentBuilder(settings, lines)
    votes: Votes = defaultdict(list)
    for index, record in enumerate(content):
        where = place / index
        require_type(record, dict, where, RESULTS)
        image, category, number = (
            as_identifier(require(record, key, where, RESULTS), where / key, RESULTS)
            for key in ('image_id', 'category_id', 'track_id')
        )
        score = as_finite(require(record, 'score', where, RESULTS), where / 'score', RESULTS)
        if image not in spot:
            (where / 'image_id').fail(
                f'{settings.truth_name} has no image {image}, its frames are images '
                f'{min(spot)} to {max(spot)}',
                'give as --ground-truth the file that the images are numbered by',
            )
        video, frame = spot[image]
        mask = require(record, 'segmentation', where, RESULTS)
        builder.add(video, number, frame, mask, 0, where)
        votes[video['id'], number].append((category, score))
    settle(builder, votes, lines)
    return builder.content(truth['videos'], truth['categories'])


def settle(builder: ContentBuilder, votes: Votes, lines: list[str]) -> None:
    """Give each track the mean of its masks' scores, and the class with the highest sum of them.

    Args:
        builder: with the masks of the tracks.
        votes: (video id, number) -> category id and score of each mask, None for no score.
        lines: gets a line for tracks whose masks differ.

    Raises:
        ValueError: masks of a track have a score in some frames only.
    """
    several = dict(scores=0, classes=0)
    for (video, number), cast in votes.items():
        note, sums = builder.notes[video, number], defaultdict(float)
        scores, classes = ({vote[part] for vote in cast} for part in (1, 0))
        if None in scores and len(scores) > 1:
            Place(f'video {video}', f'track {number}').fail(
                'it has a score in some frames only', 'give all of its masks a score, or none'
            )
        for category, score in cast:
            sums[category] += 1 if score is None else score
        note['category_id'] = max(sums, key=sums.__getitem__)
        if None not in scores:
            note['score'] = sum(score for _, score in cast) / len(cast)
        several['scores'] += len(scores) > 1
        several['classes'] += len(classes) > 1
    if several['scores']:
        lines.append(f'{several["scores"]} tracks have a score per frame and get the mean')
    if several['classes']:
        lines.append(
            f'{several["classes"]} tracks have several classes and get the class with the highest '
            'sum of scores'
        )


def numbered(content: Record) -> Record:
    """Return content whose annotations hold their track's number where CocoVID's writer looks."""
    notes = []
    for note in content['annotations']:
        extra = {**note.get(EXTRA, {}), 'instance_id': number_of(note)}
        notes.append({**{k: v for k, v in note.items() if k != 'track_id'}, EXTRA: extra})
    return {**content, 'annotations': notes}


def write_cocovid(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write CocoVID, as `rocovis_mm.formats.converters.cocovid` does."""
    records = cocovid_records(numbered(content), str(path))
    lines.append(write_dataset(path, records, settings.overwrite))


def frame_annotations(content: Record) -> list[Record]:
    """Return an annotation for each mask, with ``track_id`` and the score, if any."""
    scores = {
        (note['video_id'], number_of(note)): note['score']
        for note in content['annotations']
        if 'score' in note
    }
    found = []
    for note in coco_annotations(content['videos'], numbered(content)['annotations']):
        number = note.pop('instance_id')
        key = (note['video_id'], number)
        found.append({**note, 'track_id': number, **({'score': scores[key]} if scores else {})})
    return found


def write_coco(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write COCO annotations of frames, or results."""
    notes = frame_annotations(content)
    if settings.results:
        keys = ('image_id', 'category_id', 'segmentation', 'score', 'track_id')
        write_json(path, [{key: note[key] for key in keys} for note in notes], settings)
        kept = any(video.get(EXTRA, {}).get('id') for video in content['videos'])
        whose = 'are those of the ground truth' if kept else 'count the frames of all videos'
        lines.append(f'{len(notes)} results -> {path}; image ids {whose}')
        return
    records = dict(images=coco_images(content['videos']), annotations=notes)
    head = {key: content[key] for key in ('info', 'licenses', 'categories') if key in content}
    lines.append(write_dataset(path, {**head, **records}, settings.overwrite))


def write_cvat_coco(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write COCO annotations as CVAT's 'COCO 1.0' has them."""
    names = video_names(content['videos'])
    folders = [{PurePosixPath(each).parent for each in v['file_names']} for v in content['videos']]
    if max(map(len, folders), default=1) > 1 or len(set().union(*folders)) < len(names):
        Place('videos').fail(
            "their frames are not in a folder of each, by which CVAT's COCO tells videos apart",
            'convert each video by itself, with its frames in one folder',
        )
    if len(names) > 1:
        lines.append(f'{len(names)} videos are in one file; CVAT has a task per video')
    notes = []
    for note in frame_annotations(content):
        attributes = dict(occluded=False, keyframe=True)
        attributes.update(note.get('attributes') or {}, track_id=note['track_id'])
        kept = ('id', 'image_id', 'category_id', 'segmentation', 'area', 'bbox', 'iscrowd')
        notes.append({**{key: note[key] for key in kept}, 'attributes': attributes})
    images = [
        {key: image[key] for key in ('id', 'file_name', 'height', 'width')}
        for image in coco_images(content['videos'])
    ]
    records = dict(categories=content['categories'], images=images, annotations=notes)
    lines.append(write_dataset(path, records, settings.overwrite))
