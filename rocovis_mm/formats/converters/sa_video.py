"""The json files of SA-V and of SA-Co/VEval.

SA-V has ``VIDEO_manual.json`` per video (`sav_dataset/README.md` of SAM 2): ``masklet`` holds the
run lengths of each object in each annotated frame, which is every fourth one of a video of 24
frames per second. Objects may overlap and have no classes.

SA-Co/VEval is YouTube-VIS json whose categories are noun phrases (`scripts/eval/veval/README.md`
of SAM 3). ``video_np_pairs`` lists the phrases that each video is asked for, also those without any
object. Its results are YouTube-VIS results with boxes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pycocotools import mask as mask_utils

from rocovis_mm.formats.converters.content_builder import ContentBuilder, Labelled
from rocovis_mm.formats.converters.files import require_parts, write_dataset
from rocovis_mm.formats.converters.vis_content import (
    Record,
    Settings,
    measures,
    number_of,
    numbering,
    read_vis,
    result_of,
    sources,
    tracks_of,
    video_names,
    write_json,
)
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.formats.validation import (
    MAX_SIDE,
    Place,
    as_identifier,
    as_integer,
    require,
    require_type,
)

FORM = 'SA-V json has video_id, video_height, video_width, masklet and masklet_id'
EVERY, RATE = 4, 24
"""Step between annotated frames, and frames per second of the videos."""
OBJECT = 'object'
SIZES = ((32**2, 'small'), (96**2, 'medium'), (float('inf'), 'large'))
PAIRS = 'video_np_pairs'
SA_CO = f'annotations and {PAIRS} are lists of records with video_id and category_id'


def read_sa_v(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read a json, or all ``*_manual.json`` of a folder; a video is its annotated frames."""
    videos, masks = [], []
    for index, file in enumerate(sources(path, '_manual.json', FORM).values(), start=1):
        content, place = read_json(file), Place(str(file))
        require_type(content, dict, place, FORM)
        name = str(require(content, 'video_id', place, FORM))
        masklet, ids = (
            require_type(require(content, key, place, FORM), list, place / key, FORM)
            for key in ('masklet', 'masklet_id')
        )
        video = settings.find_video(name, place) or new_video(index, name, content, place)
        videos.append(video)
        if video['length'] != len(masklet):
            (place / 'masklet').fail(
                f'{len(masklet)} annotated frames, {settings.truth_name} has {video["length"]} '
                'frames of this video',
                f'give a ground truth with the annotated frames, every {EVERY}th of SA-V, alone',
            )
        for t, codes in enumerate(masklet):
            where = place / 'masklet' / t
            if len(require_type(codes, list, where, FORM)) != len(ids):
                where.fail(f'{len(codes)} masks of {len(ids)} objects', 'write one per masklet_id')
            for position, (number, code) in enumerate(zip(ids, codes)):
                identity = as_identifier(number, place / 'masklet_id' / position, FORM)
                masks.append(Labelled(video, identity, t, code, OBJECT, where / position))
    return ContentBuilder(settings, lines).labelled(videos, masks, path)


def new_video(index: int, name: str, content: Record, place: Place) -> Record:
    """Return the entry of a video; file names are those of the frames at 24 per second."""
    height, width = (
        as_integer(require(content, key, place, FORM), place / key, FORM, 1, MAX_SIDE)
        for key in ('video_height', 'video_width')
    )
    files = [f'{name}/{t * EVERY:05d}.jpg' for t in range(len(content['masklet']))]
    return dict(id=index, height=height, width=width, length=len(files), file_names=files)


def step_of(video: Record, settings: Settings) -> int:
    """Return the step between the frames to write: 1 if the file names count in steps of 4."""
    if settings.every is not None:
        if settings.every < 1:
            raise ValueError(f'--every {settings.every}: the step between frames is 1 or more')
        return settings.every
    return 1 if step_of_names(video) == EVERY else EVERY


def step_of_names(video: Record) -> int:
    """Return the step between the numbers in the file names; 1 if they have none or several."""
    _, step = numbering(video) or (0, 1)
    return step


def write_sa_v(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write a ``VIDEO_manual.json`` per video into a folder."""
    if [category['name'] for category in content['categories']] != [OBJECT]:
        lines.append(
            f'SA-V holds no classes: those of {len(content["annotations"])} tracks are lost'
        )
    names, between, hidden = video_names(content['videos']), 0, 0
    for video, notes in tracks_of(content):
        step = step_of(video, settings)
        frames = range(0, video['length'], step)
        masks = sum(code is not None for note in notes for code in note['segmentations'])
        seen = [note for note in notes if any(note['segmentations'][t] for t in frames)]
        kept = sum(note['segmentations'][t] is not None for note in seen for t in frames)
        between, hidden = between + masks - kept, hidden + len(notes) - len(seen)
        seen.sort(key=number_of)
        name = names[video['id']]
        write_json(path / f'{name}_manual.json', sa_v_record(name, video, seen, frames), settings)
    if between:
        lines.append(
            f'{between} masks between the annotated frames are dropped, {hidden} tracks are in no '
            'annotated frame (--every 1 writes all frames)'
        )
    lines.append(f'{len(names)} videos, {len(content["annotations"]) - hidden} masklets -> {path}')


def sa_v_record(name: str, video: Record, notes: list[Record], frames: range) -> Record:
    """Return the content of a video's json, without data of the recording and its annotators."""
    size = (video['height'], video['width'])
    empty = encode_mask(np.zeros(size, np.uint8))
    masklet = [[note['segmentations'][t] or empty for note in notes] for t in frames]
    areas = np.array([[mask_utils.area(code) for code in codes] for codes in masklet], float)
    areas = areas.reshape(len(frames), len(notes))
    visible = areas > 0
    means = [float(areas[visible[:, n], n].mean()) for n in range(len(notes))]
    first = [int(visible[:, n].argmax()) for n in range(len(notes))]
    count = max(video['length'] - 1, 0) * max(step_of_names(video), 1) + min(video['length'], 1)
    return dict(
        video_id=name,
        video_duration=count / RATE,
        video_frame_count=float(count),
        video_height=float(video['height']),
        video_width=float(video['width']),
        video_resolution=float(video['height'] * video['width']),
        masklet=masklet,
        masklet_id=[number_of(note) for note in notes],
        masklet_size_rel=[mean / (size[0] * size[1]) for mean in means],
        masklet_size_abs=means,
        masklet_size_bucket=[next(kind for most, kind in SIZES if mean < most) for mean in means],
        masklet_visibility_changes=[
            int(np.count_nonzero(np.diff(visible[start:, n]))) for n, start in enumerate(first)
        ],
        masklet_first_appeared_frame=first,
        masklet_frame_count=[len(frames)] * len(notes),
        masklet_type=['manual'] * len(notes),
        masklet_num=len(notes),
    )


def read_sa_co(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read SA-Co/VEval annotations or results."""
    content = read_vis(path, settings, lines)
    place = Place(str(path))
    keys = [key for key in ('annotations', PAIRS) if content.get(key) is not None]
    need = dict.fromkeys(keys, ('video_id', 'category_id'))
    require_parts(content, dict(need, categories=('id', 'name')), place, SA_CO)
    names = {
        as_identifier(category['id'], place / 'categories' / index / 'id', SA_CO): category['name']
        for index, category in enumerate(content['categories'])
    }
    for key in keys:
        for index, record in enumerate(content[key]):
            where, phrase = place / key / index, record.get('noun_phrase')
            known = names.get(as_identifier(record['category_id'], where / 'category_id', SA_CO))
            as_identifier(record['video_id'], where / 'video_id', SA_CO)
            if phrase is not None and phrase != known:
                where.fail(
                    f'noun_phrase is {phrase!r}, its category {known!r}', 'correct one of the two'
                )
    return content


def write_sa_co(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write SA-Co/VEval annotations, with the pairs that the source has, or results."""
    if settings.results:
        results = [{**result_of(note), **measures(note)} for note in content['annotations']]
        write_json(path, results, settings)
        lines.append(f'{len(results)} results -> {path}')
        return
    names = {category['id']: category['name'] for category in content['categories']}
    sizes = {video['id']: (video['height'], video['width']) for video in content['videos']}
    notes = []
    for note in content['annotations']:
        height, width = sizes[note['video_id']]
        more = dict(height=height, width=width, noun_phrase=names[note['category_id']])
        notes.append({**measures(note), **note, **more})
    pairs = content.get(PAIRS)
    if pairs is None:
        found = dict.fromkeys((note['video_id'], note['category_id']) for note in notes)
        pairs = [
            dict(id=index, video_id=video, category_id=category, noun_phrase=names[category])
            for index, (video, category) in enumerate(found, start=1)
        ]
        lines.append(f'{PAIRS} holds the {len(pairs)} pairs with objects; none without are known')
    head = {'info': content.get('info', {}), **content, 'annotations': notes, PAIRS: pairs}
    lines.append(write_dataset(path, head, settings.overwrite))
