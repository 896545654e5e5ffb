"""Files, folders, globs, cameras, URLs and arrays; whole, cut off, broken and empty."""

from __future__ import annotations

import warnings
from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from rocovis_mm.apis import SourceLostError, open_source, sources
from rocovis_mm.apis.sources import Thinned
from rocovis_mm.visualization.media import write_mp4
from tests.tiny_streams import FakeCapture, frames


def equal(found, expected) -> bool:
    found = list(found)
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


@pytest.fixture
def folder(tmp_path):
    """Frames whose names are not padded, beside a file that is no image."""
    for number, image in enumerate(frames(12)):
        cv2.imwrite(str(tmp_path / f'frame_{number}.png'), image)
    (tmp_path / 'notes.txt').write_text('no image')
    return tmp_path


@pytest.mark.parametrize('form', ['{}', '{}/*.png', '{}/frame_[0-9]*.png'])
def test_folders_and_globs_are_read_in_natural_order(folder, form):
    source = open_source(form.format(folder))
    assert source.length == 12 and source.fps is None and not source.live
    assert equal(source, frames(12))


@pytest.mark.parametrize('form', ['{}', '{}/[fT]*'])
def test_what_the_system_leaves_in_a_folder_is_passed_over(folder, form):
    for name in ('._frame_0.png', '.DS_Store', 'Thumbs.db'):
        (folder / name).write_bytes(b'\0\5\26\7')
    assert equal(open_source(form.format(folder)), frames(12))


def test_an_animated_image_is_not_its_first_frame(tmp_path):
    pictures = [Image.fromarray(frame[..., ::-1]) for frame in frames(3)]
    for path in (tmp_path / 'a.webp', tmp_path / 'a.tif'):
        pictures[0].save(path, save_all=True, append_images=pictures[1:])
        with pytest.raises(ValueError, match=rf'{path.name}: holds 3 frames.*use their folder'):
            list(open_source(path))


def test_arrays_may_come_in_any_iterable():
    clip = frames(3)
    for given in (clip, tuple(clip), np.stack(clip), iter(clip), (x for x in clip)):
        assert equal(open_source(given), clip)


def test_a_single_image_is_a_video_of_one_frame(folder):
    assert equal(open_source(folder / 'frame_3.png'), [frames(12)[3]])


def test_a_video_file_is_read_as_opencv_reads_it(tmp_path):
    path = write_mp4(tmp_path / 'video.mp4', [x[..., ::-1] for x in frames(7)], fps=12.5)
    source, capture = open_source(str(path)), cv2.VideoCapture(str(path))
    expected = [capture.read()[1] for _ in range(7)]
    assert source.length == 7 and source.fps == pytest.approx(12.5) and not source.live
    assert equal(source, expected)


@pytest.mark.parametrize('target', [0, '1', np.int64(2)])
def test_a_camera_is_opened_by_its_number(fake_camera, target):
    camera = fake_camera(frames(2))
    assert open_source(target).live
    assert camera.opened == [int(target)] and type(camera.opened[0]) is int


@pytest.mark.parametrize('count', [-1.0, 5.0])
def test_a_url_without_a_number_of_frames_is_live(fake_camera, count):
    camera = fake_camera(frames(5), count=count)
    source = open_source('rtsp://camera.example/1')
    assert camera.opened == ['rtsp://camera.example/1']
    assert source.live == (count < 0) and source.length == (None if count < 0 else 5)


def test_a_camera_that_is_unplugged_is_an_error_after_its_last_frame(fake_camera):
    camera = fake_camera(frames(4))
    source, seen = open_source(0), []
    with pytest.raises(SourceLostError, match='camera 0: stopped after 4 frames'):
        for frame in source:
            seen.append(frame)
    assert equal(seen, frames(4))
    source.close()
    assert camera.released


@pytest.mark.parametrize('fps', [0.0, float('nan'), 1000.0, -1.0])
def test_a_rate_that_is_none_is_not_believed(fake_camera, fps):
    fake_camera(frames(2), fps=fps)
    assert open_source(0).fps is None


@pytest.fixture
def video_file(tmp_path):
    path = tmp_path / 'video.mp4'
    path.write_bytes(b'as good as any: the capture is not real')
    return path


def test_a_file_that_is_cut_off_gives_what_it_holds_and_says_so(fake_camera, video_file):
    fake_camera(frames(50), count=100.0)
    with pytest.warns(UserWarning, match='ended after 50 of the 100 frames that it states'):
        assert equal(open_source(video_file), frames(50))


def test_variable_frame_rate(fake_camera, video_file):
    """All frames come, at the mean rate; the count of such files is an estimate."""
    fake_camera(frames(99), count=100.0, fps=23.7)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        source = open_source(video_file)
        assert source.fps == 23.7 and equal(source, frames(99))


def test_a_video_of_no_frames_is_an_error(fake_camera, video_file, tmp_path):
    fake_camera([], count=0.0)
    with pytest.raises(ValueError, match='holds no frame'):
        list(open_source(video_file))
    with pytest.raises(ValueError, match='there is none'):
        list(open_source([]))
    with pytest.raises(ValueError, match='no image in it'):
        (tmp_path / 'empty').mkdir()
        open_source(tmp_path / 'empty')


def test_what_cannot_be_opened_is_named(tmp_path):
    (tmp_path / 'broken.mp4').write_bytes(bytes(range(256)) * 9)
    (tmp_path / 'empty.mp4').touch()
    with pytest.raises(ValueError, match=r'broken\.mp4: OpenCV cannot open it'):
        open_source(tmp_path / 'broken.mp4')
    with pytest.raises(ValueError, match=r'empty\.mp4: the file is empty'):
        open_source(tmp_path / 'empty.mp4')
    for missing in ('none.mp4', '*.png'):
        with pytest.raises(FileNotFoundError, match='no such file or folder'):
            open_source(tmp_path / missing)
    with pytest.raises(ValueError, match='a video of type float'):
        open_source(0.5)


@pytest.mark.parametrize('kept', [0, 40, -12])
def test_a_broken_image_is_an_error_after_the_frames_before_it(folder, kept):
    content = (folder / 'frame_5.png').read_bytes()
    (folder / 'frame_5.png').write_bytes(content[:kept])
    seen = []
    with pytest.raises(ValueError, match=r'frame_5\.png: is not a whole image'):
        for frame in open_source(folder):
            seen.append(frame)
    assert equal(seen, frames(12)[:5])


@pytest.mark.parametrize(
    ('max_fps', 'numbers'),
    [(10, [0, 3, 6, 9]), (30, range(12)), (60, range(12)), (20, [0, 2, 3, 5, 6, 8, 9, 11])],
)
def test_frames_of_a_file_are_left_out_by_their_number(fake_camera, video_file, max_fps, numbers):
    fake_camera(frames(12), count=12.0, fps=30.0)
    source = Thinned(open_source(video_file), max_fps)
    assert source.length == len(numbers) and source.fps == min(max_fps, 30)
    assert equal(source, [frames(12)[n] for n in numbers])


def test_frames_of_a_camera_are_left_out_by_the_clock(fake_camera, monkeypatch):
    times = [9.0, 9.05, 9.11, 9.12, 9.30, 9.31]
    clock = SimpleNamespace(monotonic=iter(times).__next__)
    monkeypatch.setattr('rocovis_mm.apis.sources.time', clock)
    fake_camera(frames(6), fps=float('nan'))
    source, seen = Thinned(open_source(0), 10), []
    assert source.fps == 10 and source.live
    with pytest.raises(SourceLostError):
        for frame in source:
            seen.append(frame)
    assert equal(seen, [frames(6)[n] for n in (0, 2, 4)])


def test_a_rate_means_nothing_without_one(folder):
    with pytest.raises(ValueError, match='states no frames per second'):
        Thinned(open_source(folder), 5)
    with pytest.raises(ValueError, match='max_fps=0'):
        Thinned(open_source(folder), 0)


@pytest.mark.parametrize(('max_fps', 'kept'), [(20, 200), (30, 300), (15, 150), (7, 70)])
def test_frames_of_a_steady_camera_come_at_the_rate_asked_for(
    fake_camera, monkeypatch, max_fps, kept
):
    times = (n / 30 + 1e-6 * (n % 2) for n in range(301))
    monkeypatch.setattr('rocovis_mm.apis.sources.time', SimpleNamespace(monotonic=times.__next__))
    fake_camera(frames(1) * 300)
    seen = []
    with pytest.raises(SourceLostError):
        for frame in Thinned(open_source(0), max_fps):
            seen.append(frame)
    assert abs(len(seen) - kept) <= 2


@pytest.mark.parametrize('form', ['frame_%d.png', 'padded/%03d.png'])
def test_a_pattern_stands_for_numbers(folder, form):
    """In the order of the numbers; those of fewer digits than the pattern's do not count."""
    (folder / 'padded').mkdir()
    for number, image in enumerate(frames(12)):
        cv2.imwrite(str(folder / 'padded' / f'{number * 5:03d}.png'), image)
        cv2.imwrite(str(folder / 'padded' / f'{number % 10}.png'), image)
    source = open_source(folder / form)
    assert source.length == 12 and equal(source, frames(12))
    with pytest.raises(FileNotFoundError, match=r'none_%05d\.png: no such file or folder'):
        open_source(folder / 'none_%05d.png')


@pytest.mark.parametrize('form', [list, tuple, iter])
def test_a_list_of_images_is_read_in_its_own_order(folder, form):
    numbers = [3, 11, 0]
    paths = [str(folder / f'frame_{n}.png') for n in numbers]
    paths[1] = folder / 'frame_11.png'
    assert equal(open_source(form(paths)), [frames(12)[n] for n in numbers])


@pytest.mark.parametrize('ending', ['.mp4', '.mov', '.avi'])
def test_a_list_or_glob_of_one_video_is_that_video(tmp_path, ending):
    path = write_mp4(tmp_path / f'video{ending}', [x[..., ::-1] for x in frames(5)])
    for video in (path, [path], tmp_path / 'v*'):
        source = open_source(video)
        assert source.length == 5 and len(list(source)) == 5


def test_a_list_of_something_else_is_refused(folder, tmp_path):
    video = write_mp4(tmp_path / 'video.mp4', [x[..., ::-1] for x in frames(2)])
    with pytest.raises(ValueError, match=r'video\.mp4: is no image file \(the list of 2 paths\)'):
        open_source([folder / 'frame_3.png', video])
    with pytest.raises(FileNotFoundError, match=r'frame_99\.png: no such file'):
        open_source([folder / 'frame_3.png', folder / 'frame_99.png'])


def times_of(source) -> list:
    return [source.time for _ in source]


def test_times_of_a_file_are_its_time_stamps(tmp_path):
    """They are not evenly apart where the rate varies."""
    stamps = [0, 40, 80, 200, 240, 1000]  # ms
    path = tmp_path / 'video.mp4'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=30)
        stream.width, stream.height = 64, 48
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp, image in zip(stamps, frames(6, (48, 64))):
            frame = av.VideoFrame.from_ndarray(image, format='bgr24')
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert times_of(open_source(path)) == pytest.approx([x / 1000 for x in stamps], abs=2e-3)


def test_times_by_the_rate_or_not_at_all(fake_camera, video_file, folder):
    fake_camera(frames(4), count=4.0, fps=8.0)
    assert times_of(open_source(video_file)) == [0, 0.125, 0.25, 0.375]
    fake_camera(frames(4), count=4.0, fps=8.0)
    assert times_of(Thinned(open_source(video_file), 4)) == [0, 0.25]
    assert times_of(open_source(folder / 'frame_1*.png')) == [None] * 3


def test_times_of_a_camera_are_by_the_clock(fake_camera, monkeypatch):
    clock = SimpleNamespace(monotonic=iter([9.0, 9.5, 11.0]).__next__)
    monkeypatch.setattr('rocovis_mm.apis.sources.time', clock)
    fake_camera(frames(3))
    source, seen = open_source(0), []
    with pytest.raises(SourceLostError):
        for _ in source:
            seen.append(source.time)
    assert seen == [0, 0.5, 2.0]


@pytest.fixture
def hiccups(monkeypatch):
    """A camera that is lost again and again; returns a function that sets what each try gives."""
    monkeypatch.setattr(sources, 'RETRY', 0.01)
    captures = []

    def set_up(*tries):
        """Take a list of frames for each time the camera is opened, None where it is not there."""
        given = iter(tries)

        def capture(target):
            images = next(given, None)
            captures.append(FakeCapture(images or [], fps=float('nan')))
            captures[-1].released = images is None
            return captures[-1]

        monkeypatch.setattr('rocovis_mm.apis.sources.cv2.VideoCapture', capture)
        return captures

    return set_up


@pytest.mark.filterwarnings('ignore:.*is connected again')
@pytest.mark.parametrize('target', [0, 'rtsp://camera.example/1'])
def test_a_live_source_is_connected_to_again(hiccups, target):
    """After a refusal, and after a connection without a frame, too."""
    clip = frames(6)
    captures = hiccups(clip[:2], None, [], clip[2:5], clip[5:])
    source, seen = open_source(target, reconnect=30), []
    for frame in source:
        seen.append(frame)
        if len(seen) == 6:
            source.stop()
    assert equal(seen, clip) and all(x.released for x in captures[:-1])


def test_a_source_that_stays_lost_is_an_error_when_the_time_is_over(hiccups):
    hiccups(frames(2))
    seen = []
    with pytest.raises(SourceLostError, match='camera 0: stopped after 2 frames'):
        for frame in open_source(0, reconnect=0.05):
            seen.append(frame)
    assert len(seen) == 2


def test_connecting_again_is_said(hiccups):
    hiccups(frames(2), None, frames(1))
    source = open_source(0, reconnect=0.1)
    with pytest.warns(UserWarning, match='camera 0: was lost after 2 frames and is connected'):
        with pytest.raises(SourceLostError):
            list(source)


def test_what_ends_by_itself_is_not_connected_to_again(folder, fake_camera, video_file):
    fake_camera(frames(2), count=2.0)
    for video in (folder, frames(2), video_file):
        with pytest.raises(ValueError, match='ends by itself; reconnect=5 is for cameras'):
            open_source(video, reconnect=5)
    fake_camera(frames(2))
    with pytest.raises(ValueError, match='reconnect=0: give a number of seconds above 0'):
        open_source(0, reconnect=0)
