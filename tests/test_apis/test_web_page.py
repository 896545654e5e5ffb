"""The web page: what it writes for a video, what a webcam gets, and the page in a browser."""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile

import cv2
import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from rocovis_mm.apis.web_page import LiveView, build_page, launch, process_video
from rocovis_mm.visualization.media import write_mp4
from rocovis_mm.visualization.presence import Presence
from tests.browser import Browser, find_browser
from tests.conftest import REPOSITORY
from tests.optional import needs
from tests.tiny_streams import frames, tiny_inferencer

LENGTH = 5


@pytest.fixture(scope='module')
def inferencer():
    return tiny_inferencer()


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    pictures = [picture[..., ::-1] for picture in frames(LENGTH)]
    return write_mp4(tmp_path_factory.mktemp('video') / 'in.mp4', pictures)


def test_a_video_becomes_overlay_timeline_results_and_masks(inferencer, video, tmp_path):
    told = []
    made = process_video(inferencer, video, tmp_path, 0.0, lambda *numbers: told.append(numbers))
    assert told == [(number, LENGTH) for number in range(1, LENGTH + 1)]
    expected = inferencer(video).tracks
    assert expected
    assert json.loads(made.results.read_text()) == expected
    with zipfile.ZipFile(made.masks) as archive:
        names = sorted(archive.namelist())
        pictures = [np.array(Image.open(io.BytesIO(archive.read(name)))) for name in names]
    assert names == [f'{number:05d}.png' for number in range(LENGTH)]
    present = {value for picture in pictures for value in np.unique(picture)} - {0}
    assert present <= {track['id'] + 1 for track in expected}
    capture = cv2.VideoCapture(str(made.overlay))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == LENGTH
    assert Image.open(made.timeline).size[0] > 300
    assert made.summary.startswith(f'{LENGTH} frames')


def test_a_threshold_that_nothing_reaches_leaves_the_pictures_empty(inferencer, video, tmp_path):
    with pytest.warns(UserWarning, match='score threshold'):
        made = process_video(inferencer, video, tmp_path, 2.0)
    assert made.summary == f'{LENGTH} frames, 0 identities of score 2 or more'
    with zipfile.ZipFile(made.masks) as archive:
        for name in archive.namelist():
            assert not np.array(Image.open(io.BytesIO(archive.read(name)))).any()


def test_presence_has_a_span_for_each_unbroken_run():
    assert Presence(frames=[0, 1, 2, 5, 7, 8]).spans() == [(0, 3), (5, 1), (7, 2)]


def test_a_webcam_gets_the_pictures_of_a_stream(inferencer):
    """Pixels outside of all masks are those of the frame; inside, they are coloured."""
    view = LiveView(inferencer, 0.0)
    stream = inferencer.stream(keep_masks=False)
    for frame in frames(3):
        drawn = view.push(frame[..., ::-1])
        result = stream.push(frame)
        scale = drawn.shape[0] // frame.shape[0]
        assert drawn.shape == (frame.shape[0] * scale, frame.shape[1] * scale, 3)
        view.overlay.reset()  # trails
    assert view.push(np.zeros((96, 144, 3), np.uint8)).shape == drawn.shape
    assert result.frame == 2
    view.close()
    with pytest.raises(ValueError, match='closed'):
        view.push(frame)


def test_without_gradio_the_command_is_named(monkeypatch, inferencer):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    with pytest.raises(ImportError, match=r'pip install "rocovis_mm\[web\]"'):
        build_page(inferencer, 'a model')


def test_the_required_gradio_has_the_arguments_of_launch():
    """``launch(theme=..., footer_links=...)`` begins with gradio 6."""
    lines = (REPOSITORY / 'requirements/web.txt').read_text().splitlines()
    (needed,) = (Requirement(line) for line in lines if line.startswith('gradio'))
    assert '6.0' in needed.specifier and '5.99' not in needed.specifier


@pytest.mark.slow
def test_the_page_segments_an_upload_in_a_browser(inferencer, video, tmp_path):
    needs('gradio')
    executable = find_browser()
    if executable is None:
        pytest.skip('needs Chromium (apt-get install chromium, or set CHROMIUM to its path)')
    page = build_page(inferencer, 'A tiny model', 0.0)
    address = launch(page, '127.0.0.1', None, block=False)
    browser = Browser(executable, tmp_path / 'profile')
    try:
        browser.open(address)
        wait(browser, "document.querySelector('input[type=file]') !== null")
        assert browser.evaluate('document.body.innerText').count('A tiny model')
        document = browser.call('DOM.getDocument')['root']['nodeId']
        chooser = browser.call(
            'DOM.querySelector', nodeId=document, selector='input[type=file]'
        )['nodeId']  # fmt: skip
        browser.call('DOM.setFileInputFiles', nodeId=chooser, files=[str(video)])
        wait(browser, "document.querySelector('video') !== null")
        browser.evaluate("document.querySelector('#segment').click()")
        wait(browser, f"document.querySelector('#summary textarea').value.includes('{LENGTH} fr')")
        wait(browser, "document.querySelectorAll('#files a[href]').length >= 2")
        links = browser.evaluate(
            "[...document.querySelectorAll('#files a[href]')].map(link => link.href)"
        )
        results = next(link for link in links if link.endswith('results.json'))
        browser.evaluate(f"fetch('{results}').then(r => r.text()).then(t => window.got = t)")
        wait(browser, 'window.got !== undefined')
        assert json.loads(browser.evaluate('window.got')) == inferencer(video).tracks
        wait(browser, "document.querySelector('#timeline img')?.naturalWidth > 300")
        browser.screenshot(tmp_path / 'page.png')
        foreign = [x for x in browser.requests if not x.startswith((address, 'blob:'))]
        assert not foreign  # nothing is fetched from elsewhere
    finally:
        browser.close()
        page.close()


def wait(browser, condition, seconds=90):
    """Wait until a JavaScript condition holds in the page."""
    deadline = time.monotonic() + seconds
    while not browser.evaluate(condition):
        assert time.monotonic() < deadline, f'{condition}: {browser.complaints}'
        time.sleep(0.2)
