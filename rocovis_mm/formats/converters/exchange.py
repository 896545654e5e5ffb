"""Annotations and results from any format to any other, by way of YouTube-VIS content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rocovis_mm.formats.converters import (
    coco_frames,
    cvat_video,
    id_images,
    labelme,
    mots_txt,
    sa_video,
    vis_content,
)
from rocovis_mm.formats.converters.cocovid import EXTRA
from rocovis_mm.formats.converters.vis_content import (
    Record,
    Settings,
    checked,
    has_scores,
    scored,
    tracks_of,
    with_file_names,
)
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import Place, as_finite

ANNOTATIONS = 'an annotation file'
CONVEYED = {
    *'videos categories annotations id name file_names length height width video_id'.split(),
    *'category_id track_id instance_id frame_id iscrowd score segmentations bboxes areas'.split(),
    *('noun_phrase', EXTRA),
}
"""Keys whose values are in all formats, follow from others, or have a line of their own."""


class Format(NamedTuple):
    """A format of annotations, results or both.

    Attributes:
        read: returns the content of a file or folder and adds lines about what is left out.
        write: writes content to a file or folder and adds lines about what is lost.
        name: of the format in messages.
        crowds: whether it holds crowds.
        results: whether it holds results.
        whole: whether its annotations hold tracks without any mask, and data under any key.
        apart: whether a pixel is of one track; the writer then needs the scores, if any.
        further: keys of other data that its annotations hold.
    """

    read: Callable[[Path, Settings, list[str]], Record]
    write: Callable[[Record, Path, Settings, list[str]], None]
    name: str = ANNOTATIONS
    crowds: bool = True
    results: bool = False
    whole: bool = False
    apart: bool = False
    further: tuple[str, ...] = ()


FORMATS = {
    'vis': Format(vis_content.read_vis, vis_content.write_vis, results=True, whole=True),
    'mots-txt': Format(mots_txt.read_mots_txt, mots_txt.write_mots_txt, 'MOTS', apart=True),
    'mots-png': Format(id_images.read_mots_png, id_images.write_mots_png, 'MOTS', apart=True),
    'davis-png': Format(id_images.read_davis, id_images.write_davis, 'DAVIS', apart=True),
    'coco': Format(
        coco_frames.read_coco,
        coco_frames.write_coco,
        results=True,
        further=('info', 'licenses', 'supercategory', EXTRA),
    ),
    'cocovid': Format(coco_frames.read_coco, coco_frames.write_cocovid, 'CocoVID', whole=True),
    'cvat-coco': Format(
        coco_frames.read_cvat_coco,
        coco_frames.write_cvat_coco,
        "CVAT's COCO",
        crowds=False,
        further=('supercategory', 'attributes'),
    ),
    'cvat-video': Format(
        cvat_video.read_cvat_video, cvat_video.write_cvat_video, 'CVAT for video', crowds=False
    ),
    'labelme': Format(labelme.read_labelme, labelme.write_labelme, 'labelme'),
    'sa-v': Format(sa_video.read_sa_v, sa_video.write_sa_v, 'SA-V', crowds=False),
    'sa-co': Format(sa_video.read_sa_co, sa_video.write_sa_co, results=True, whole=True),
}


def read_tracks(form: str, source: str | Path, settings: Settings, lines: list[str]) -> Record:
    """Read annotations or results of any format.

    Args:
        form: a key of `FORMATS`.
        source: file or folder.
        settings: of the conversion.
        lines: gets a line for each kind of information that is left out.

    Returns:
        Checked content, see :mod:`rocovis_mm.formats.converters.vis_content`.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it is not valid; names the file, the place in it and the remedy.
    """
    return checked(FORMATS[form].read(Path(source), settings, lines), str(source))


def write_tracks(
    form: str, content: Record, out: str | Path, settings: Settings, lines: list[str]
) -> None:
    """Write checked content in any format; `lines` gets what is lost."""
    target = FORMATS[form]
    results = has_scores(content) if settings.results is None else settings.results
    settings = replace(settings, results=results and target.results)
    content = content if form == 'vis' else with_file_names(content)
    report_further(content, form, settings, lines)
    if not target.whole:
        kept = [note for note in content['annotations'] if any(note['segmentations'])]
        content = keep(content, kept, lines, f'{form} holds no tracks without any mask: {{}} are')
    if settings.results or not target.crowds:
        name = 'a results file' if settings.results else target.name
        kept = [note for note in content['annotations'] if not note.get('iscrowd')]
        content = keep(content, kept, lines, f'{name} holds no crowds: {{}} are')
    if settings.results:
        content = scored(content, lines)
    else:
        number = sum('score' in note for note in content['annotations'])
        if number:
            lines.append(f'{target.name} holds no scores: those of {number} tracks are dropped')
        if not target.apart:
            notes = [{k: v for k, v in n.items() if k != 'score'} for n in content['annotations']]
            content = {**content, 'annotations': notes}
    target.write(content, Path(out), settings, lines)


def keep(content: Record, kept: list[Record], lines: list[str], text: str) -> Record:
    """Return content with some of its annotations, and add a line with the number of the others."""
    dropped = len(content['annotations']) - len(kept)
    if dropped:
        lines.append(f'{text.format(dropped)} dropped')
    return {**content, 'annotations': kept}


def report_further(content: Record, form: str, settings: Settings, lines: list[str]) -> None:
    """Add a line about the data that the format does not hold, under keys of its own."""
    target, found = FORMATS[form], []
    if target.whole and not settings.results:
        return
    known = CONVEYED.union(() if settings.results else target.further)
    levels = dict(tracks=content['annotations'])
    if not settings.results:
        found = [
            f'{key} of the file' for key, value in content.items() if value and key not in known
        ]
        levels.update(videos=content['videos'], categories=content['categories'])
    for level, records in levels.items():
        nested = (
            record if EXTRA in target.further else {**record.get(EXTRA, {}), **record}
            for record in records
        )
        counts = Counter(
            key
            for record in nested
            for key, value in record.items()
            if value is not None and key not in known
        )
        found += [f'{key} of {number} {level}' for key, number in counts.items()]
    if found:
        lines.append(f'{form} holds no further data: {", ".join(found)} are dropped')


def read_truth(path: str | Path, settings: Settings) -> Settings:
    """Return settings with the videos and categories of an annotation file.

    Args:
        path: YouTube-VIS json, or a json of COCO images as `write_tracks` writes it.
        settings: of the conversion.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such file; give --ground-truth the annotation file')
    content = read_json(path)
    form = 'coco' if isinstance(content, dict) and 'images' in content else 'vis'
    truth = read_tracks(form, path, Settings(), [])
    return replace(settings, truth=truth, truth_name=str(path))


def convert(
    source_form: str,
    target_form: str,
    source: str | Path,
    out: str | Path,
    settings: Settings | None = None,
    ground_truth: str | Path | None = None,
    score_thr: float | None = None,
) -> list[str]:
    """Convert annotations or results.

    Args:
        source_form: key of `FORMATS` that `source` has.
        target_form: key of `FORMATS` to write.
        source: file or folder.
        out: file or folder to write.
        settings: of the conversion.
        ground_truth: annotation file with the videos and categories of the source. Results, and
            formats without file names, need it.
        score_thr: tracks of a lower score are dropped.

    Returns:
        Lines that report the result and all that is lost.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it is not valid, or the target cannot hold it.
    """
    settings, lines = settings or Settings(), []
    if ground_truth is not None:
        settings = read_truth(ground_truth, settings)
    content = read_tracks(source_form, source, settings, lines)
    if score_thr is not None:
        as_finite(score_thr, Place('score threshold'), 'give a finite number')
        kept = [note for note in content['annotations'] if note.get('score', 1) >= score_thr]
        dropped = len(content['annotations']) - len(kept)
        lines.append(f'{dropped} tracks with a score below {score_thr} are dropped')
        content = {**content, 'annotations': kept}
    report_empty(content, lines)
    write_tracks(target_form, content, out, settings, lines)
    return lines


def report_empty(content: Record, lines: list[str]) -> None:
    """Add a line if any video has no tracks."""
    empty = sum(not notes for _, notes in tracks_of(content))
    if empty:
        lines.append(f'{empty} of {len(content["videos"])} videos have no tracks')
