"""Which files are frames, in which order, of which size; OpenCV is the oracle of sizes."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from rocovis_mm.formats.frame_files import (
    list_folders,
    list_images,
    natural_order,
    read_header,
    turned_note,
)
from rocovis_mm.formats.images import decode_image
from rocovis_mm.visualization.media import read_image

HEIGHT, WIDTH = 12, 20
SYSTEM_FILES = ('._2.png', '.DS_Store', 'Thumbs.db', 'desktop.ini', '.hidden.png')


def picture(value=0):
    return Image.fromarray(np.full((HEIGHT, WIDTH, 3), value, np.uint8))


def encoded(kind, **kwargs):
    stream = io.BytesIO()
    picture().save(stream, kind, **kwargs)
    return stream.getvalue()


def oriented(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(kind, exif=exif)


def test_order_is_that_of_the_numbers():
    names = ['frame1.jpg', 'frame2.jpg', 'frame10.jpg', 'frame100.jpg']
    assert sorted(reversed(names), key=natural_order) == names
    paths = ['2/1.jpg', '2/10.jpg', '10/1.jpg', '10/2.jpg']
    assert sorted(reversed(paths), key=natural_order) == paths
    odd = ['1.jpg', '01.jpg', '²/1.jpg', '1²3.jpg', 'a.jpg', '١.jpg']
    assert sorted(odd, key=natural_order) == sorted(reversed(odd), key=natural_order)


def test_what_systems_leave_is_passed_over(tmp_path):
    for name in ('10.png', '2.PNG', 'note.txt', *SYSTEM_FILES):
        (tmp_path / name).write_bytes(b'')
    for name in ('v10', 'v9', '__MACOSX', '@eaDir', '.git', 'folder.png'):
        (tmp_path / name).mkdir()
    assert [path.name for path in list_images(tmp_path)] == ['2.PNG', '10.png']
    assert [path.name for path in list_folders(tmp_path)] == ['folder.png', 'v9', 'v10']


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
@pytest.mark.parametrize('orientation', [1, 3, 6, 8, 77])
def test_sizes_are_those_that_are_loaded(kind, orientation):
    content = oriented(kind, orientation)
    header = read_header(content)
    loaded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert header.size == loaded.shape[:2]
    assert (f'EXIF orientation {orientation}' in turned_note(content)) == (orientation in (6, 8))
    assert header.frames == 1


@pytest.mark.parametrize('kind', ['WEBP', 'TIFF', 'PNG', 'GIF'])
def test_several_frames_in_one_file_are_refused(kind, tmp_path):
    single = encoded(kind)
    assert decode_image(single) is not None
    several = encoded(kind, save_all=True, append_images=[picture(90), picture(180)])
    with pytest.raises(ValueError, match='holds 3 frames or pages'):
        decode_image(several)
    path = tmp_path / f'a.{kind.lower()}'
    path.write_bytes(several)
    with pytest.raises(ValueError, match=r'a\.\w+: holds 3 frames'):
        read_image(path)
    path.write_bytes(single)
    assert read_image(path).shape == (HEIGHT, WIDTH, 3)


def test_previews_of_a_camera_are_no_frames():
    several = encoded('MPO', save_all=True, append_images=[picture(90)])
    assert read_header(several).frames == 1
    assert decode_image(several) is not None
