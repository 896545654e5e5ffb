"""The drawn scene in each benchmark's published layout and json dialect.

Video 'one' is the training set (and HQ-YTVIS' validation set), 'two' the validation set.
"""

from __future__ import annotations

import copy

import numpy as np
from PIL import Image
from pycocotools import mask as mask_utils

from rocovis_mm.formats.benchmarks import find_benchmark
from rocovis_mm.formats.converters.vipseg import convert_vipseg
from tests.test_datasets.drawn_scene import LENGTH, masks_of, vis_json, write_images, write_json
from tests.test_datasets.vis_content import plain_rle

OBJECTS = dict(red='person', blue='dog', green='cat')
"""Class of each object; OVIS writes them with a capital."""


def class_of(name, benchmark):
    label = OBJECTS[name]
    return label.capitalize() if benchmark == 'ovis' else label


def compressed(mask):
    code = mask_utils.encode(np.asfortranarray(mask))
    return dict(size=code['size'], counts=code['counts'].decode())


def grown(mask):
    """The mask and the pixel to the left of each run: what a coarser annotation would have."""
    return mask | np.roll(mask, -1, axis=1)


def content_of(benchmark, videos, encode=plain_rle, with_tracks=True, stem='{:05d}'):
    """The json of some of the scene's videos with a benchmark's categories."""
    ids = {name: key for key, name, _ in find_benchmark(benchmark).table}
    labels = {name: ids[class_of(name, benchmark)] for name in OBJECTS}
    categories = [
        dict(id=key, name=name, supercategory='object')
        for key, name, _ in find_benchmark(benchmark).table
    ]
    content = copy.deepcopy(vis_json(categories, labels, encode))
    kept = [v for v in content['videos'] if v['file_names'][0].split('/')[0] in videos]
    for video in kept:
        folder = video['file_names'][0].split('/')[0]
        video['file_names'] = [f'{folder}/{stem.format(t)}.jpg' for t in range(LENGTH)]
    numbers = {video['id'] for video in kept}
    notes = [note for note in content['annotations'] if note['video_id'] in numbers]
    content.update(videos=kept, annotations=notes, info={}, licenses=[])
    if not with_tracks:
        del content['annotations']
    return content


def write_youtube_vis(root, benchmark):
    """train.json and valid.json, the latter without masks; plain run lengths."""
    folder = root / benchmark
    write_json(folder / 'train.json', content_of(benchmark, ['one']))
    write_json(folder / 'valid.json', content_of(benchmark, ['two'], with_tracks=False))
    write_images(folder / 'train/JPEGImages', ['one'])
    write_images(folder / 'valid/JPEGImages', ['two'])


def write_youtube_vis_2022(root):
    """2021's training set; a validation file of both videos, their masks in one file each."""
    write_youtube_vis(root, 'youtube_vis_2021')
    folder = root / 'youtube_vis_2022'
    both = content_of('youtube_vis_2022', ['one', 'two'], with_tracks=False)
    write_json(folder / 'valid.json', both)
    write_json(folder / 'valid_short.json', content_of('youtube_vis_2022', ['one']))
    write_json(folder / 'valid_long.json', content_of('youtube_vis_2022', ['two']))
    write_images(folder / 'valid/JPEGImages')


def write_ovis(root):
    """Compressed run lengths; images called img_0000001.jpg and so on."""
    folder, stem = root / 'ovis', 'img_{:07d}'
    for name, images, video in (
        ('annotations_train.json', 'train', 'one'),
        ('validGT.json', 'valid', 'two'),
    ):
        write_json(folder / name, content_of('ovis', [video], compressed, stem=stem))
        write_images(folder / images, [video], stem=stem)


def write_hq_ytvis(root):
    """Coarse masks in segmentations, the drawn ones in segmentations_refined."""
    folder = root / 'hq_ytvis'
    for split, video in (('train', 'one'), ('val', 'one'), ('test', 'two')):
        content = content_of('hq_ytvis', [video])
        for note, masks in zip(content['annotations'], masks_of(video).values()):
            note['segmentations_refined'] = note['segmentations']
            note['segmentations'] = [plain_rle(grown(m)) if m.any() else None for m in masks]
        write_json(folder / f'ytvis_hq-{split}.json', content)
    write_images(folder / 'JPEGImages')


def write_vipseg(root, height=None):
    """VIPSeg as released, converted; images of the size they have unless `height` is given."""
    source = root / 'VIPSeg'
    write_images(source / 'imgs')
    ids = {name: key for key, name, _ in find_benchmark('vipseg_things').table}
    for split, video in (('train', 'one'), ('val', 'two')):
        (source / f'{split}.txt').write_text(video)
        (source / 'panomasks' / video).mkdir(parents=True)
        for t in range(LENGTH):
            pixels = np.ones(masks_of('one')['red'].shape[1:], np.uint16)
            for number, (name, masks) in enumerate(masks_of(video).items()):
                pixels[masks[t] > 0] = 100 * (ids[OBJECTS[name]] + 1) + number
            Image.fromarray(pixels).save(source / 'panomasks' / video / f'{t:05d}.png')
    convert_vipseg(source, root / 'vipseg_things', height=height or pixels.shape[0])


WRITERS = dict(
    youtube_vis_2019=lambda root: write_youtube_vis(root, 'youtube_vis_2019'),
    youtube_vis_2021=lambda root: write_youtube_vis(root, 'youtube_vis_2021'),
    youtube_vis_2022=write_youtube_vis_2022,
    ovis=write_ovis,
    hq_ytvis=write_hq_ytvis,
    vipseg_things=write_vipseg,
)


def write_benchmark(root, name):
    """Write a benchmark under `root`; return the options that lead its config there."""
    WRITERS[name](root)
    if name == 'youtube_vis_2022':
        return dict(data_root=f'{root}/youtube_vis_2021/', val_root=f'{root}/{name}/')
    return dict(data_root=f'{root}/{name}/')
