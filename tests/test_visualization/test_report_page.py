"""The report on tracks: what it says, and that its page is sound."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from html_checks import PageReader
from moving_boxes import CLASSES, FRAMES, make_content, write_images
from spoiled_results import entry, spoil

from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import name_stats, percent
from rocovis_mm.evaluation.functional.tracking.summary import evaluate_tracking
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.visualization.track_report.contents import load_report
from rocovis_mm.visualization.track_report.page import draw_page
from rocovis_mm.visualization.track_report.pictures import Pictures


@pytest.fixture
def content():
    return make_content()


@pytest.fixture
def files(tmp_path, content):
    """Write annotations, spoiled results and images."""
    write_images(content, tmp_path / 'images')
    paths = tmp_path / 'results.json', tmp_path / 'truth.json', tmp_path / 'images'
    paths[0].write_text(json.dumps(spoil(content)), encoding='utf-8')
    paths[1].write_text(json.dumps(content), encoding='utf-8')
    return paths


def draw(*paths, videos=40, **options) -> str:
    return draw_page(load_report(*paths), Pictures(**options), videos, frames=5, max_tracks=30)


def by_name(report, video):
    found = next(one for one in report.videos if one.video.id == video)
    return {track.name: track for track in found.annotations + found.predictions}


def test_every_fault_is_named(files):
    report = load_report(*files)
    swapped, gaps, doubled, sound = (by_name(report, video) for video in (1, 2, 3, 4))
    assert swapped['A1'].verdict == swapped['A2'].verdict == 'missed, switched'
    assert swapped['A3'].verdict == 'found'
    assert swapped['P1'].timeline.partner_order == [0, 1]
    assert gaps['A1'].timeline.states[5:8] == ['missed'] * 3
    assert gaps['A2'].verdict == 'missed' and gaps['A2'].best_share == 0
    assert [doubled[f'P{n}'].verdict for n in (1, 2, 3, 4)] == ['correct'] * 3 + ['wrong class']
    assert doubled['P5'].verdict in ('bad mask', 'background')
    assert {track.verdict for track in sound.values()} == {'found', 'correct'}
    assert [video.hidden for video in report.videos if video.video.id == 4] == [1]
    assert report.errors['switched'] == 2 and report.errors['missed'] == 3


def test_the_worst_come_first(files):
    report = load_report(*files)
    assert report.videos[0].video.id == 2 and report.videos[-1].video.id == 4
    shares = [track.best_share for track in report.videos[0].annotations]
    assert shares == sorted(shares)


def test_figures_are_those_of_the_metric(files):
    report = load_report(*files)
    truth = load_ground_truth(files[1])
    predictions = load_predictions(files[0], truth)
    assert report.figures['AP'] == name_stats(evaluate_tracks(truth, predictions))['AP']
    for video in report.videos:
        own = [track for track in predictions if track.video_id == video.video.id]
        scores = evaluate_tracks(truth.subset([video.video.id]), own)
        assert video.figures['AP'] == name_stats(scores)['AP']
    assert percent(report.figures['AP']) in PageReader(draw(*files)).texts


@pytest.mark.parametrize('threshold', [0.3, 0.9, 2.0])
def test_hota_is_that_of_the_tracks_above_the_threshold(files, threshold):
    """Computed again by the trackers' functions themselves, video by video."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # nothing reaches 2
        report = load_report(*files, score_threshold=threshold)
    truth = load_ground_truth(files[1])
    sure = [x for x in load_predictions(files[0], truth) if x.score >= threshold]
    scores = evaluate_tracking(truth, sure)['segm']
    assert report.figures['HOTA'] == np.mean(scores.class_averaged['HOTA']['HOTA'])
    assert report.figures['IDSW'] == scores.class_averaged['CLEAR']['IDSW']
    for video in report.videos:
        subset = truth.subset([video.video.id])
        own = evaluate_tracking(subset, sure)['segm'].detection_averaged
        assert video.figures['HOTA_det'] == np.mean(own['HOTA']['HOTA'])
    page = draw_page(report, Pictures(), 0, frames=5, max_tracks=30)
    texts = ' '.join(PageReader(page).texts)
    for name in ('HOTA', 'DetA', 'AssA', 'LocA', 'MOTA', 'IDF1'):
        assert f'{100 * report.figures[name]:.2f} {name}' in texts
    assert f'{report.figures["IDSW"]} IDSW' in texts
    assert f'are of the tracks of score {threshold:g} and more.' in texts


def test_a_split_track_lowers_the_association_of_its_video_alone(files):
    swapped, sound = (
        next(one.figures for one in load_report(*files).videos if one.video.id == number)
        for number in (1, 4)
    )
    assert sound['HOTA_det'] == sound['AssA_det'] == 1 and sound['IDSW_det'] == 0
    assert swapped['AssA_det'] < 1 and swapped['IDSW_agnostic'] == 2


def test_the_page_is_sound_and_shows_all(files):
    page = PageReader(draw(*files))
    assert page.problems == []
    assert page.count('details', **{'class': 'video'}) == 4
    assert page.count('figure') == 4 * 5 and page.count('img') == 2 * 4 * 5
    assert all(given['alt'] for name, given in page.elements if name == 'img')
    for looks in ('held', 'missed', 'stray', 'lost', 'absent', 'hidden', 'switch'):
        legend = 1 + (looks in ('held',)) * 3
        assert page.count('span', **{'class': looks}) >= legend + 1, looks
    spoken = [given['aria-label'] for _, given in page.elements if given.get('role') == 'img']
    assert any('switched, covered by P2' in text for text in spoken)
    assert any('mostly occluded' in text for text in spoken)


def test_where_ap_is_lost_is_a_bar(files):
    page = PageReader(draw(*files))
    widths = [
        float(given['style'].split('width:')[1].split('%')[0])
        for name, given in page.elements
        if name == 'span' and 'width:' in (given.get('style') or '') and 'lost' in given['title']
    ]
    report = load_report(*files)
    assert sum(widths) == pytest.approx(100 * (1 - report.figures['AP']), abs=0.01)
    assert report.gaps['lost_to_tracking'] > 0 and report.gaps['lost_to_classes'] > 0
    assert report.consistency['matched_tracks'] == report.errors['correct']
    assert any('are lost to tracking' in text for text in page.texts)


def test_texts_are_escaped(files):
    page = draw(*files)
    assert PageReader(page).count('b') == draw_count(page)
    for name in CLASSES:
        assert any(name in text for text in PageReader(page).texts)
    assert '<b>cat' not in page and 'v0<&>' not in page


def draw_count(page: str) -> int:
    """Elements b of the page itself: one for each card and each video."""
    return PageReader(page).count('li') - 7 + 4


def test_the_policy_allows_this_script_and_nothing_else(files):
    page = PageReader(draw(*files))
    policies = [
        given['content']
        for name, given in page.elements
        if given.get('http-equiv') == 'Content-Security-Policy'
    ]
    assert len(policies) == 1 and "default-src 'none'" in policies[0]
    assert 'http' not in policies[0]


def test_without_annotations_tracks_are_shown_unjudged(tmp_path, files, content):
    for given in ({**content, 'annotations': []}, None):
        paths = [files[0]]
        if given is not None:
            (tmp_path / 'bare.json').write_text(json.dumps(given), encoding='utf-8')
            paths += [tmp_path / 'bare.json', files[2]]
        report = load_report(*paths)
        assert not report.judged and report.figures == {}
        assert by_name(report, 2)['P1'].timeline.breaks == 1
        page = PageReader(draw(*paths))
        assert page.problems == []
        assert page.count('img') == 4 * 5
        assert page.count('span', **{'class': 'present'}) > 3
        assert any('nothing is judged' in text for text in page.texts)


@pytest.mark.parametrize('judged', [True, False])
def test_no_tracks_at_all(tmp_path, files, judged):
    files[0].write_text('[]', encoding='utf-8')
    page = PageReader(draw(files[0], files[1]) if judged else draw(files[0]))
    assert page.problems == []
    assert page.count('figure') == (4 * 5 if judged else 0)
    assert judged or any('There are no videos' in text for text in page.texts)


def test_tracks_without_any_mask_do_no_harm(files):
    empty = [entry(1, 10, 0.9, [None] * FRAMES), entry(1, 11, 0.8, [None] * FRAMES)]
    files[0].write_text(json.dumps(empty), encoding='utf-8')
    assert PageReader(draw(*files)).problems == []
    assert PageReader(draw(files[0])).problems == []


def test_missing_and_damaged_images_are_counted_and_said(files):
    names = sorted((files[2] / 'v1<&>').iterdir())
    names[0].unlink()
    names[-1].write_bytes(names[-1].read_bytes()[:40])
    pictures = Pictures()
    page = draw_page(load_report(*files), pictures, 40, frames=5, max_tracks=30)
    assert pictures.missing == 2
    assert any('2 images are missing or damaged' in text for text in PageReader(page).texts)


def test_images_are_found_by_the_videos_id_without_annotations(tmp_path, files):
    (files[2] / 'v0<&>').rename(tmp_path / '1')
    report = load_report(files[0], None, tmp_path)
    lengths = {video.video.id: len(video.images) for video in report.videos}
    assert lengths == {1: FRAMES, 2: 0, 3: 0, 4: 0}


def test_only_the_worst_videos_have_pictures(files):
    page = PageReader(draw(*files, videos=1))
    assert page.problems == []
    assert page.count('details', **{'class': 'video'}) == 1
    assert any('The worst 1 of 4 videos' in text for text in page.texts)


def test_pictures_are_small(files):
    assert len(draw(*files, width=120, quality=40)) < 0.7 * len(draw(*files))


def test_crowds_are_shown_and_not_judged(files, content):
    content['annotations'][0]['iscrowd'] = 1
    files[1].write_text(json.dumps(content), encoding='utf-8')
    report = load_report(*files)
    assert by_name(report, 1)['A1'].verdict == 'crowd'
    assert PageReader(draw(*files)).problems == []


def test_polygons_alone_do_not_tell_a_videos_size(files):
    polygons = [entry(1, 10, 0.9, [[[1, 1, 9, 1, 9, 9]]] * FRAMES)]
    files[0].write_text(json.dumps(polygons), encoding='utf-8')
    with pytest.raises(ValueError, match='give the annotation file'):
        load_report(files[0])
    assert by_name(load_report(files[0], files[1]), 1)['P1'].track.tube.area > 0
