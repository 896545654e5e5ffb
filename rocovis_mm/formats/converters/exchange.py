"""Annotations and results from any format to any other, by way of YouTube-VIS content."""

from __future__ import annotations

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
from rocovis_mm.formats.converters.vis_content import (
    Record,
    Settings,
    checked,
    tracks_of,
    with_file_names,
)
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import Place, as_finite


class Format(NamedTuple):
    """A format of annotations, results or both.

    Attributes:
        read: returns the content of a file or folder and adds lines about what is left out.
        write: writes content to a file or folder and adds lines about what is lost.
    """

    read: Callable[[Path, Settings, list[str]], Record]
    write: Callable[[Record, Path, Settings, list[str]], None]


FORMATS = {
    'vis': Format(vis_content.read_vis, vis_content.write_vis),
    'mots-txt': Format(mots_txt.read_mots_txt, mots_txt.write_mots_txt),
    'mots-png': Format(id_images.read_mots_png, id_images.write_mots_png),
    'davis-png': Format(id_images.read_davis, id_images.write_davis),
    'coco': Format(coco_frames.read_coco, coco_frames.write_coco),
    'cocovid': Format(coco_frames.read_coco, coco_frames.write_cocovid),
    'cvat-coco': Format(coco_frames.read_cvat_coco, coco_frames.write_cvat_coco),
    'cvat-video': Format(cvat_video.read_cvat_video, cvat_video.write_cvat_video),
    'labelme': Format(labelme.read_labelme, labelme.write_labelme),
    'sa-v': Format(sa_video.read_sa_v, sa_video.write_sa_v),
    'sa-co': Format(sa_video.read_sa_co, sa_video.write_sa_co),
}


WITH_EMPTY = ('vis', 'cocovid', 'sa-co')
"""Formats that hold tracks without any mask."""


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
    content = content if form == 'vis' else with_file_names(content)
    if form not in WITH_EMPTY:
        notes = [note for note in content['annotations'] if any(note['segmentations'])]
        dropped = len(content['annotations']) - len(notes)
        if dropped:
            lines.append(f'{form} holds no tracks without any mask: {dropped} are dropped')
        content = {**content, 'annotations': notes}
    FORMATS[form].write(content, Path(out), settings, lines)


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
