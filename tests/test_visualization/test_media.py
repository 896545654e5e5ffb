"""Videos, gifs and folders: what was written is whole, whatever happens after."""

from __future__ import annotations

import errno
from collections import namedtuple
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from rocovis_mm.formats import disk_space
from rocovis_mm.visualization import media
from rocovis_mm.visualization.media import GifWriter, open_writer, write_gif, write_image, write_mp4


def pictures(number: int, size=(48, 72)) -> list[np.ndarray]:
    """Return RGB pictures of smooth colours that drift."""
    rng = np.random.default_rng(0)
    start, end = rng.uniform(0, 255, (2, 6, 9, 3))
    shares = np.linspace(0, 1, max(number, 2))[:number]
    coarse = [((1 - share) * start + share * end).astype(np.uint8) for share in shares]
    return [cv2.resize(x, size[::-1], interpolation=cv2.INTER_CUBIC) for x in coarse]


def describe(path: Path) -> tuple[str, str, int, tuple[int, int]]:
    """Return codec, pixel format, number of decoded frames and size, by PyAV."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        number = sum(1 for _ in container.decode(stream))
        return context.name, context.pix_fmt, number, (context.width, context.height)


def read_video(path: Path) -> list[np.ndarray]:
    capture, found = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        found.append(read[1][..., ::-1])
    return found


def read_gif(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Return pictures and how long each stays, in ms."""
    found, times = [], []
    with Image.open(path) as image:
        for n in range(image.n_frames):
            image.seek(n)
            found.append(np.asarray(image.convert('RGB')))
            times.append(image.info['duration'])
    return found, times


def read_any(path: Path) -> list[np.ndarray]:
    return read_gif(path)[0] if path.suffix == '.gif' else read_video(path)


def close_to(one, other, tolerance: float) -> bool:
    return np.abs(one.astype(int) - other.astype(int)).mean() < tolerance


def test_an_mp4_holds_all_pictures(tmp_path):
    path = tmp_path / 'new' / 'out.mp4'
    writer = open_writer(path, 12.0)
    for picture in pictures(9):
        writer.write(picture)
    assert not path.exists()  # until it can be read
    writer.close()
    found = read_video(path)
    assert len(found) == 9 and list(path.parent.iterdir()) == [path]
    assert all(close_to(a, b, 12) for a, b in zip(found, pictures(9)))
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(12)
    assert describe(path) == ('h264', 'yuv420p', 9, (72, 48))


def test_the_index_of_an_mp4_is_in_front(tmp_path):
    """So a browser plays it while it loads."""
    content = write_mp4(tmp_path / 'out.mp4', pictures(5)).read_bytes()
    assert 0 < content.index(b'moov') < content.index(b'mdat')


@pytest.mark.parametrize('ending', ['.mp4', '.MOV', '.avi'])
@pytest.mark.parametrize('encoder', ['libx264', None])
def test_video_files_of_odd_sizes(tmp_path, monkeypatch, ending, encoder):
    """The last column and row are repeated; nothing is cut off."""
    monkeypatch.setattr(media, 'h264_encoder', lambda: encoder)
    path = tmp_path / f'a: 100% out{ending}'
    kept = pictures(4, (47, 71))
    if encoder:
        write_mp4(path, kept, 29.97)
        assert describe(path) == ('h264', 'yuv420p', 4, (72, 48))
    else:
        with pytest.warns(UserWarning, match='browsers do not play: .*pip install av'):
            write_mp4(path, kept, 29.97)
    assert [x.name for x in tmp_path.iterdir()] == [path.name]
    found = read_video(path)
    assert len(found) == 4 and found[0].shape == (48, 72, 3)
    assert all(close_to(a[:47, :71], b, 12) for a, b in zip(found, kept))
    assert all(close_to(a[47, :71], a[46, :71], 6) for a in found)
    rate = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS)
    assert rate == pytest.approx(29.97, rel=1e-3)


@pytest.mark.filterwarnings('ignore:.*browsers do not play')
@pytest.mark.parametrize('encoder', ['libx264', None])
@pytest.mark.parametrize('rate', [0.5, 24000 / 1001, 60000 / 1001, 120000 / 1001, 240])
def test_rates_of_videos(tmp_path, monkeypatch, encoder, rate):
    monkeypatch.setattr(media, 'h264_encoder', lambda: encoder)
    path = write_mp4(tmp_path / 'out.mp4', pictures(4), rate)
    found = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS)
    assert found == pytest.approx(rate, rel=1e-4)


def test_colours_are_those_that_the_file_states(tmp_path):
    """Players convert by the matrix and range in the file."""
    levels = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
    path = write_mp4(tmp_path / 'out.mp4', [np.full((32, 32, 3), x, np.uint8) for x in levels])
    with av.open(str(path)) as container:
        for frame, level in zip(container.decode(video=0), levels):
            assert (frame.colorspace, frame.color_range) == (6, 1)
            red, green, blue = np.array(level) / 255
            luma = 16 + 219 * (0.299 * red + 0.587 * green + 0.114 * blue)  # BT.601
            assert frame.to_ndarray()[16, 16] == pytest.approx(luma, abs=2)


def test_a_video_has_the_frames_before_a_failure(tmp_path):
    def frames():
        yield from pictures(3)
        raise ValueError('no more')

    with pytest.raises(ValueError, match='no more'):
        write_mp4(tmp_path / 'out.mp4', frames())
    assert describe(tmp_path / 'out.mp4')[2] == 3
    with pytest.raises(ValueError, match='no frames to write'):
        write_mp4(tmp_path / 'none.mp4', [])
    with pytest.raises(ValueError, match=r'x\.webm: the ending of a video is \.mp4, \.mov, \.avi'):
        write_mp4(tmp_path / 'x.webm', pictures(1))
    assert [x.name for x in tmp_path.iterdir()] == ['out.mp4']


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(media, 'check_room', lambda path, needed: None)
    (tmp_path / 'out.part.mp4').mkdir()
    with pytest.raises(OSError, match=r'out\.part\.mp4'):
        write_mp4(tmp_path / 'out.mp4', pictures(1))


def test_an_mp4_has_one_size(tmp_path):
    writer = open_writer(tmp_path / 'out.mp4', 12.0)
    writer.write(pictures(1)[0])
    with pytest.raises(ValueError, match=r'\(64, 40\) \(width, height\) after ones of \(72, 48\)'):
        writer.write(pictures(1, (40, 64))[0])
    writer.close()
    assert len(read_video(tmp_path / 'out.mp4')) == 1


def own_colors(picture: np.ndarray) -> np.ndarray:
    """Return a picture in 255 colours of its own."""
    colors = Image.fromarray(picture).quantize(255, dither=Image.Dither.NONE)
    return np.asarray(colors.convert('RGB'))


def test_a_gif_can_be_read_while_it_grows(tmp_path):
    """Also where the process is killed, nothing but the last picture is lost."""
    path = tmp_path / 'out.gif'
    writer = GifWriter(path, 30.0)
    for n, picture in enumerate(pictures(7)):
        writer.write(picture)
        if n:
            found, _ = read_gif(tmp_path / 'out.part.gif')  # while it is still open
            assert len(found) == n and np.array_equal(found[-1], own_colors(pictures(7)[n - 1]))
    assert not path.exists()
    writer.close()
    assert list(tmp_path.iterdir()) == [path]
    found, times = read_gif(path)
    for picture, shown in zip(pictures(7), found):
        assert np.array_equal(shown, own_colors(picture))
        assert close_to(shown, picture, 9)
    assert len(found) == 7 and sum(times) == pytest.approx(1000 * 7 / 30, abs=10)
    assert Image.open(path).info['loop'] == 0


def test_a_gif_of_pictures_that_come_again(tmp_path):
    """Each has its own palette, so equal indices are not equal colours."""
    levels = [(0, 0, 0), (128, 9, 9), (0, 0, 0), (9, 255, 9), (128, 9, 9), (128, 9, 9)]
    flat = [np.full((20, 30, 3), level, np.uint8) for level in levels]
    writer = GifWriter(tmp_path / 'out.gif', 100.0)
    for picture in flat:
        writer.write(picture)
    writer.close()
    found, times = read_gif(tmp_path / 'out.gif')
    assert np.array_equal(found, flat) and times == [20] * 6  # players slow down faster ones


def test_a_gif_of_one_palette_has_its_colours_in_every_picture(tmp_path):
    """Also where only what differs from the picture before is stored."""
    rng = np.random.default_rng(0)
    kept = [np.kron(rng.integers(0, 3, (12, 18, 3)), np.ones((4, 4, 1))) * 100 for _ in range(4)]
    kept = [picture.astype(np.uint8) for picture in kept]
    kept = [kept[0], kept[0], *kept, np.where(kept[0] > 150, kept[0], kept[3])]
    found, _ = read_gif(write_gif(tmp_path / 'out.gif', kept))
    assert np.array_equal(found, kept)


@pytest.mark.parametrize('size', [(1, 1), (5, 3), (200, 300)])
def test_gifs_of_any_size_and_few_colours(tmp_path, size):
    flat = [np.full((*size, 3), level, np.uint8) for level in (0, 128, 255)]
    writer = GifWriter(tmp_path / 'out.gif', 10.0)
    for picture in flat:
        writer.write(picture)
    writer.close()
    found, _ = read_gif(tmp_path / 'out.gif')
    assert len(found) == 3 and all(close_to(a, b, 2) for a, b in zip(found, flat))


def test_a_folder_holds_a_picture_each(tmp_path):
    writer = open_writer(tmp_path / 'out', 10.0)
    for picture in pictures(3):
        writer.write(picture)
    writer.close()
    names = sorted(x.name for x in (tmp_path / 'out').iterdir())
    assert names == ['00000.jpg', '00001.jpg', '00002.jpg']
    found = np.asarray(Image.open(tmp_path / 'out' / '00002.jpg'))
    assert close_to(found, pictures(3)[2], 6)


def test_a_pattern_names_the_pictures(tmp_path):
    writer = open_writer(tmp_path / 'new' / 'frame_%03d.png', 10.0)
    for picture in pictures(2):
        writer.write(picture)
    names = sorted(x.name for x in (tmp_path / 'new').iterdir())
    assert names == ['frame_000.png', 'frame_001.png']
    assert np.array_equal(Image.open(tmp_path / 'new' / names[1]), pictures(2)[1])


@pytest.mark.parametrize('name', ['out.jpg', 'out%s.exe', '50%.jpg', '%d.webm', '%d_%d.jpg'])
def test_a_picture_is_no_place_for_a_video(tmp_path, name):
    with pytest.raises(ValueError, match='the ending is .*or none for a folder'):
        open_writer(tmp_path / name, 10.0)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r'out\.webm: the ending is \.mp4, \.mov, \.avi, \.gif'):
        open_writer(tmp_path / 'out.webm', 10.0)


def test_nothing_written_leaves_no_file(tmp_path):
    for name in ('out.mp4', 'out.gif'):
        open_writer(tmp_path / name, 10.0).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', ['out.mp4', 'out.gif'])
def test_a_video_is_closed_while_there_is_room(tmp_path, monkeypatch, name):
    usage = namedtuple('usage', 'total used free')
    free = [1 << 30]
    monkeypatch.setattr('shutil.disk_usage', lambda path: usage(0, 0, free[0]))
    writer = open_writer(tmp_path / name, 10.0)
    for picture in pictures(4):
        writer.write(picture)
    free[0] = 1 << 20
    with pytest.raises(OSError, match=r'only 1\.0 MiB are left .*out\.part\.') as error:
        writer.write(pictures(1)[0])
    assert error.value.errno == errno.ENOSPC
    writer.close()
    assert len(read_any(tmp_path / name)) == 4 and len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def file_limit():
    """Sets how large a file of this process may grow: the kernel itself refuses more."""
    resource = pytest.importorskip('resource')
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize('name', ['out.mp4', 'out.gif'])
def test_a_file_that_may_not_grow_is_closed_whole(tmp_path, monkeypatch, file_limit, name):
    file_limit(900_000)
    monkeypatch.setattr(disk_space, 'RESERVE', 400_000)
    writer, rng = open_writer(tmp_path / name, 10.0), np.random.default_rng(0)
    written = 0
    with pytest.raises(OSError):
        while written < 1000:
            writer.write(rng.integers(0, 256, (96, 144, 3), dtype=np.uint8))
            written += 1
    writer.close()
    found = read_any(tmp_path / name)
    assert 10 < written < 999 and len(found) == written


@pytest.mark.filterwarnings('ignore:.*browsers do not play')
@pytest.mark.parametrize(
    ('name', 'encoder', 'frames'),
    [('out.mp4', 'libx264', 100), ('out.mp4', None, 100), ('out.gif', None, 20)],
)
def test_a_video_that_lost_pictures_is_not_given_its_name(
    tmp_path, monkeypatch, file_limit, name, encoder, frames
):
    """Where something else filled the disk first."""
    monkeypatch.setattr(media, 'h264_encoder', lambda: encoder)
    monkeypatch.setattr(disk_space, 'RESERVE', -1e9)
    writer, rng = open_writer(tmp_path / name, 10.0), np.random.default_rng(0)
    for _ in range(frames):
        writer.write(rng.integers(0, 256, (96, 144, 3), dtype=np.uint8))
    file_limit(100_000)
    with pytest.raises(OSError, match=r'File too large.*out\.part\.'):
        writer.close()
    assert not (tmp_path / name).exists()


def test_a_picture_appears_when_it_is_whole(tmp_path, file_limit):
    noise = np.random.default_rng(0).integers(0, 256, (96, 144, 3), dtype=np.uint8)
    assert np.array_equal(Image.open(write_image(tmp_path / 'new' / 'a.PNG', noise)), noise)
    file_limit(5_000)
    with pytest.raises(OSError, match='File too large'):
        write_image(tmp_path / 'new' / 'b.png', noise)
    with pytest.raises(ValueError, match=r'a\.exe: no format of pictures has this ending'):
        write_image(tmp_path / 'new' / 'a.exe', noise)
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.PNG']
