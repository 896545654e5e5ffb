"""COCO-format images as a data set: what is read, which classes it gets, what is refused."""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest
from mmcv.transforms import Compose
from pycocotools import mask as mask_utils

from rocovis_mm.datasets.draws import Draw
from rocovis_mm.formats.benchmarks import find_benchmark, map_from_coco
from rocovis_mm.formats.converters.coco_categories import check_categories
from rocovis_mm.formats.converters.cocovid import vis_to_cocovid
from rocovis_mm.registry import DATASETS
from tests.test_datasets.coco_layout import (
    CATEGORY_IDS,
    HEIGHT,
    KEPT,
    WIDTH,
    coco_content,
    mask_of,
    write_coco,
)
from tests.test_formats.test_converters.test_coco_categories import NAMES, RENAMED

CLASSES = ('dog', 'person', 'horse', 'cat', 'dragon')


def build(root, **changes):
    settings = dict(
        type='rocovis_mm.COCOPseudoVideos',
        data_root=f'{root}/coco',
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017'),
        metainfo=dict(classes=CLASSES),
        filter_cfg=dict(filter_empty_gt=True),
    )
    return DATASETS.build({**settings, **changes})


def items_of(dataset):
    return [dataset[index] for index in range(len(dataset))]


def misread(dataset):
    """Return the images whose place, ids, classes or masks are not what was drawn."""
    classes = dataset.metainfo['classes']
    found = {
        item['video_id']: {each['id']: classes[each['label']] for each in item['instances']}
        for item in items_of(dataset)
    }
    wrong = {image for image in found.keys() | KEPT.keys() if found.get(image) != KEPT.get(image)}
    for item in items_of(dataset):
        image = item['video_id']
        right = (item['height'], item['width']) == (HEIGHT, WIDTH)
        right &= item['img_path'].endswith(f'coco/train2017/{image:012d}.jpg')
        for each in item['instances']:
            mask = mask_utils.decode(each['segmentation'])
            right &= np.array_equal(mask, mask_of(image, each['id']))
        if not right:
            wrong.add(image)
    return wrong


def test_what_is_read_is_what_was_drawn(tmp_path):
    """In each form of masks; without crowds and other categories."""
    write_coco(tmp_path)
    assert not misread(build(tmp_path))
    assert len(build(tmp_path, filter_cfg=None)) == 4


def test_what_is_read_does_not_depend_on_the_files_order_or_packing(tmp_path):
    content = coco_content()
    content['annotations'].reverse()
    write_coco(tmp_path, content)
    assert not misread(build(tmp_path))
    path = tmp_path / 'coco/annotations/instances_train2017.json'
    packed = path.with_suffix('.json.gz')
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert not misread(build(tmp_path, ann_file=str(packed)))


def test_an_image_is_held_as_bytes_and_reaches_a_worker(tmp_path):
    write_coco(tmp_path)
    dataset = build(tmp_path)
    assert dataset.data_list == [] and dataset.data_bytes.dtype == np.uint8
    np.testing.assert_equal(items_of(pickle.loads(pickle.dumps(dataset))), items_of(dataset))


def test_the_pipeline_gets_an_image_as_it_gets_a_frame(tmp_path):
    write_coco(tmp_path)
    item = build(tmp_path)[1]
    load = Compose(
        [dict(type='rocovis_mm.LoadVISFrame'), dict(type='rocovis_mm.LoadVISAnnotations')]
    )
    loaded = load(item)
    assert loaded['img'].shape == (HEIGHT, WIDTH, 3)
    assert loaded['gt_instances_ids'].tolist() == [104, 105]
    np.testing.assert_array_equal(loaded['gt_masks'].masks[0], mask_of(25, 104))
    (tmp_path / 'coco/train2017/000000000025.jpg').write_bytes(b'\xff\xd8')
    with pytest.raises(ValueError, match=r'train2017\.json.* 25, .*000000000025\.jpg.*not a whole'):
        load(build(tmp_path)[1])


def test_the_draw_decides_an_item(tmp_path):
    write_coco(tmp_path)
    dataset = build(tmp_path, pipeline=[lambda item: dict(item, number=np.random.rand())])
    first, second = dataset[Draw(1, (7, 3))], dataset[Draw(1, (7, 3))]
    assert first['number'] == second['number'] != dataset[Draw(1, (7, 4))]['number']


def all_categories(tmp_path):
    """COCO with an instance of every category whose name the published maps are checked by."""
    content = coco_content()
    template = content['annotations'][0]
    content['annotations'] = [dict(template, id=key, category_id=key) for key in NAMES]
    write_coco(tmp_path, content)


@pytest.mark.parametrize('benchmark', [*RENAMED, 'youtube_vis_2022', 'hq_ytvis'])
@pytest.mark.parametrize('with_classes', [True, False])
def test_the_published_maps(tmp_path, benchmark, with_classes):
    renamed = RENAMED[
        dict(youtube_vis_2022='youtube_vis_2021', hq_ytvis='youtube_vis_2019').get(
            benchmark, benchmark
        )
    ]
    all_categories(tmp_path)
    meta = dict(benchmark=benchmark) if with_classes else None
    dataset = build(tmp_path, metainfo=meta, category_map=benchmark)
    assert dataset.metainfo['classes'] == find_benchmark(benchmark).classes
    (item,) = items_of(dataset)
    found = {each['id']: dataset.metainfo['classes'][each['label']] for each in item['instances']}
    expected = {key: renamed.get(name, name) for key, name in NAMES.items()}
    expected = {key: name for key, name in expected.items() if name is not None}
    assert {key: name.lower() for key, name in found.items()} == {
        key: name.lower() for key, name in expected.items()
    }


def test_a_part_of_a_benchmarks_classes(tmp_path):
    write_coco(tmp_path)
    meta = dict(benchmark='ovis', classes=('Cat', 'Person'))
    dataset = build(tmp_path, metainfo=meta, category_map='ovis')
    assert [[each['label'] for each in item['instances']] for item in items_of(dataset)] == [
        [1],
        [0],
    ]


def test_a_map_of_ones_own(tmp_path):
    write_coco(tmp_path)
    chosen = dict(horse='dragon', cat='dragon', dog='dog')
    dataset = build(tmp_path, category_map=chosen)
    labels = [[CLASSES[each['label']] for each in item['instances']] for item in items_of(dataset)]
    assert labels == [['dog'], ['dragon', 'dragon']]
    alone = build(tmp_path, category_map=chosen, metainfo=None)
    assert alone.metainfo['classes'] == ('dragon', 'dog')


def test_classes_default_to_the_files_own(tmp_path):
    write_coco(tmp_path)
    dataset = build(tmp_path, metainfo=None)
    assert dataset.metainfo['classes'] == tuple(CATEGORY_IDS)
    assert len(dataset) == 3


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(metainfo=dict(classes=('a', 'b'))),
            r"none of its categories .*\['a', 'b'\].*category_map",
        ),
        (dict(category_map=dict(hors='dragon')), r"categories \['hors'\] .*correct category_map"),
        (dict(category_map=dict(horse='dragoon')), r"has the classes \['dragoon'\].*'dragon'"),
        (dict(category_map='vipseg_things'), 'no map from COCO to vipseg_things'),
        (dict(category_map='coco'), "no benchmark is called 'coco'"),
        (
            dict(category_map=dict(bus='dragon')),
            r"no image holds an instance of the classes .*'dragon'",
        ),
        (dict(test_mode=True), 'test_mode'),
    ],
)
def test_categories_that_do_not_fit(tmp_path, changes, message):
    write_coco(tmp_path)
    with pytest.raises(ValueError, match=message):
        build(tmp_path, **changes)


def test_a_published_map_wants_cocos_own_ids(tmp_path):
    content = coco_content()
    new = {key: number for number, key in enumerate(CATEGORY_IDS.values(), start=1)}
    for category in content['categories']:
        category['id'] = new[category['id']]
    for each in content['annotations']:
        each['category_id'] = new[each['category_id']]
    write_coco(tmp_path, content)
    with pytest.raises(ValueError, match=r"categories: id 16 is 'cat', .* it is 'bird'.*1 to 90"):
        build(tmp_path, metainfo=None, category_map='youtube_vis_2021')
    with pytest.raises(ValueError, match=r"categories: id 17 is 'dog', .* it is 'cat'"):
        build(tmp_path, metainfo=None, category_map='ovis')
    assert not misread(build(tmp_path))
    content['categories'] = content['categories'][:40]
    with pytest.raises(ValueError, match=r'categories: it has no ids \[41, 42, 43\]'):
        check_categories(content['categories'], map_from_coco('youtube_vis_2021'), 'x.json')


def image(content, identifier):
    return next(each for each in content['images'] if each['id'] == identifier)


def note(content, identifier):
    return next(each for each in content['annotations'] if each['id'] == identifier)


SPOILT = {
    'no annotations': (lambda c: c.pop('annotations'), "missing key 'annotations'.*images, annot"),
    'a video data set': (
        lambda c: c.update(videos=c.pop('images')),
        r"holds 'videos' and no images.*VISDataset.*--reverse",
    ),
    'height missing': (
        lambda c: image(c, 9).pop('height'),
        r"image 9: missing key 'height'; each image needs",
    ),
    'file_name missing': (
        lambda c: image(c, 9).pop('file_name'),
        "image 9: missing key 'file_name'",
    ),
    'an image twice': (
        lambda c: image(c, 25).update(id=9),
        r'images\[1\]\.id: duplicate image id 9',
    ),
    'an annotation twice': (
        lambda c: note(c, 104).update(id=101),
        r'annotations\[\d\]\.id: duplicate annotation id 101 \(also annotations\[\d\]\); number',
    ),
    'no such image': (
        lambda c: note(c, 104).update(image_id=77),
        r'image 77, annotation 104: there is no such image; remove',
    ),
    'no such category': (
        lambda c: note(c, 104).update(category_id=12),
        r'image 25, annotation 104: unknown category 12',
    ),
    'a category twice': (
        lambda c: c['categories'].append(c['categories'][0]),
        r'categories\[80\]\.id: duplicate category id 1',
    ),
    'an id that is text': (
        lambda c: note(c, 104).update(id='x'),
        r"annotations\[\d\]\.id: expected a whole number, found 'x'",
    ),
    'no mask': (
        lambda c: note(c, 101).pop('segmentation'),
        r"image 9, annotation 101: missing key 'segmentation'",
    ),
    'an odd polygon': (
        lambda c: note(c, 101)['segmentation'][0].append(3),
        r'image 9, annotation 101\.segmentation\[0\]: a polygon of 9 numbers; a polygon is',
    ),
    'a number that is none': (
        lambda c: note(c, 101)['segmentation'][0].__setitem__(3, float('nan')),
        r'image 9, annotation 101\.segmentation\[0\]\[3\]: expected a finite number',
    ),
    'far outside': (
        lambda c: note(c, 101)['segmentation'][0].__setitem__(3, 61),
        r'image 9, annotation 101\.segmentation\[0\]\[3\]: 61 is far outside',
    ),
    'run lengths of another size': (
        lambda c: note(c, 102)['segmentation'].update(size=[40, 30]),
        r'image 9, annotation 102\.segmentation\.size: \[40, 30\] where the frame is \[30, 40\]',
    ),
    'run lengths that do not add up': (
        lambda c: note(c, 105)['segmentation'].update(counts='1234'),
        r'image 25, annotation 105\.segmentation\.counts: ',
    ),
}


@pytest.mark.parametrize('name', SPOILT)
def test_what_is_wrong_is_named(tmp_path, name):
    spoil, message = SPOILT[name]
    content = coco_content()
    spoil(content)
    write_coco(tmp_path, content)
    with pytest.raises(ValueError, match=rf'instances_train2017\.json: .*{message}'):
        build(tmp_path)


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    content = coco_content()
    for key in (101, 104):
        note(content, key)['segmentation'][0].append(1)
    note(content, 102)['segmentation']['counts'][0] += 1
    image(content, 42).pop('width')
    note(content, 106)['image_id'] = 42  # of an image that is noted already
    write_coco(tmp_path, content)
    with pytest.raises(ValueError) as raised:
        build(tmp_path)
    lines = str(raised.value).splitlines()
    assert [line.partition('json: ')[2].partition(':')[0].split('.')[0] for line in lines] == [
        'image 42',
        'image 9, annotation 101',
        'image 9, annotation 102',
        'image 25, annotation 104',
    ]


def test_masks_that_are_not_used_are_not_looked_at(tmp_path):
    content = coco_content()
    note(content, 103)['segmentation'] = 'nothing'
    note(content, 900100000009)['segmentation'] = None
    write_coco(tmp_path, content)
    assert not misread(build(tmp_path))


def test_polygons_without_an_area_cover_nothing(tmp_path):
    content = coco_content()
    note(content, 101)['segmentation'] += [[4, 4, 8, 8], []]
    note(content, 103).update(category_id=1, segmentation=[[4, 4, 8, 8]])
    note(content, 106).update(category_id=1, segmentation=[])
    write_coco(tmp_path, content)
    assert not misread(build(tmp_path))


def test_missing_images(tmp_path):
    write_coco(tmp_path)
    (tmp_path / 'coco/train2017/000000000025.jpg').unlink()
    with pytest.raises(
        ValueError, match=r'1 of 2 images are missing from .*image 25, 0+25\.jpg.*pref'
    ):
        build(tmp_path)
    assert len(build(tmp_path, check_images=False)) == 2
    (tmp_path / 'coco/train2017/000000000042.jpg').unlink()  # which holds no instance
    with pytest.raises(ValueError, match='1 of 2 images'):
        build(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'nowhere\.json: no such annotation file; set'):
        build(tmp_path, ann_file='nowhere.json')


def test_the_frames_of_a_video_data_set(content, write):
    """CocoVID is COCO-format too: that is how the frames of any video become images."""
    path = write(content)
    vis_to_cocovid(path, path.parent / 'images.json')
    dataset = DATASETS.build(
        dict(
            type='rocovis_mm.COCOPseudoVideos',
            data_root=str(path.parent),
            ann_file='images.json',
            data_prefix=dict(img='img'),
        )
    )
    items = items_of(dataset)
    assert len(items) == 8
    assert [[each['label'] for each in item['instances']] for item in items] == [
        [0], [], [0], [0], [], [1], [], [],
    ]  # fmt: skip
    areas = [int(mask_utils.area(each['segmentation'])) for i in items for each in i['instances']]
    assert areas == [24, 24, 240, 16]
