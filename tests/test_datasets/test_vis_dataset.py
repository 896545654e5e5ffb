from __future__ import annotations

import pickle

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset

from rocovis_mm.datasets import VISDataset
from rocovis_mm.datasets.draws import Draw
from rocovis_mm.registry import DATASETS


def build(path, **kwargs):
    settings = dict(
        type='rocovis_mm.VISDataset',
        data_root=str(path.parent),
        ann_file=path.name,
        data_prefix=dict(img='img'),
    )
    return DATASETS.build({**settings, **kwargs})


def test_training_items_are_videos_without_crowds(content, write):
    path = write(content)
    dataset = build(path)
    assert len(dataset) == 2
    item = dataset[0]
    assert item['video_id'] == 7
    assert [instance['id'] for instance in item['instances']] == [11]
    assert item['instances'][0]['label'] == 0
    assert item['img_paths'][2] == str(path.parent / 'img/v7/2.png')
    assert dataset[1]['instances'][0]['areas'].tolist() == [0, 16, 0, 0]


def test_test_items_are_frames_in_order(content, write):
    del content['annotations']
    dataset = build(write(content), test_mode=True)
    items = [dataset[index] for index in range(len(dataset))]
    assert [(item['video_id'], item['frame_id']) for item in items] == [
        (video, frame) for video in (7, 3) for frame in range(4)
    ]
    assert [item['img_id'] for item in items] == list(range(8))
    assert {item['ori_video_length'] for item in items} == {4}
    assert dataset.video_lengths == [4, 4]
    with pytest.raises(ValueError, match='test_mode'):
        _ = build(write({**content, 'annotations': []})).video_lengths


def test_img_ids_do_not_depend_on_the_mode(content, write):
    path = write(content)
    assert build(path)[1]['first_img_id'] == build(path, test_mode=True)[4]['img_id'] == 4


def test_classes_default_to_the_files_own(content, write):
    meta = build(write(content)).metainfo
    assert meta['classes'] == ('cat', 'dog')
    assert meta['category_ids'] == [5, 9]
    assert len(set(meta['palette'])) == 2


def test_named_classes_are_kept_in_their_order_and_others_dropped(content, write):
    path = write(content)
    dataset = build(path, metainfo=dict(classes=('dog', 'cat')))
    assert dataset[0]['instances'][0]['label'] == 1
    assert dataset.metainfo['category_ids'] == [9, 5]
    subset = build(path, metainfo=dict(classes=['dog']))
    assert subset[0]['instances'] == []
    assert subset[1]['instances'][0]['label'] == 0
    assert subset.metainfo['palette'] == [(1, 2, 3)]  # the json's own colour
    assert len(build(path, metainfo=dict(classes=['dog']), filter_cfg=FILTER)) == 1


FILTER = dict(filter_empty_gt=True)


def test_training_videos_without_any_instance_of_the_classes_are_an_error(content, write):
    content['categories'].append(dict(id=1, name='fish'))
    for filter_cfg in (None, dict(filter_empty_gt=True)):
        with pytest.raises(ValueError, match=r"ann\.json: no video holds an instance.*\['fish'\]"):
            build(write(content), metainfo=dict(classes=['fish']), filter_cfg=filter_cfg)
    assert len(build(write(content), metainfo=dict(classes=['fish']), test_mode=True)) == 8


def test_other_categories_can_be_an_error(content, write):
    with pytest.raises(ValueError, match=r'ann\.json: video 7, annotation 11: category 5.*classes'):
        build(write(content), metainfo=dict(classes=['dog']), other_categories='error')
    with pytest.raises(ValueError, match="'drop' or 'error'"):
        build(write(content), other_categories='keep')


def test_a_misspelt_class_is_an_error(content, write):
    with pytest.raises(ValueError, match=r"ann\.json: classes \['dgo'\].*\['cat', 'dog'\]"):
        build(write(content), metainfo=dict(classes=('cat', 'dgo')))


def test_two_datasets_have_their_own_classes(content, write, tmp_path):
    first = build(write(content), metainfo=dict(classes=['dog'], palette=[(9, 9, 9)]))
    second = build(write(content))
    assert first.metainfo['classes'] == ('dog',)
    assert first.metainfo['palette'] == [(9, 9, 9)]
    assert second.metainfo['classes'] == ('cat', 'dog')
    assert VISDataset.METAINFO == {}


def test_missing_images_are_named(content, write):
    path = write(content)
    (path.parent / 'img/v3/2.png').unlink()
    with pytest.raises(ValueError, match=r'ann\.json: video 3: 1 of 4 images.*v3/2\.png.*prefix'):
        build(path)
    assert len(build(path, check_images=False)) == 2
    with pytest.raises(ValueError, match=r'video 7: 4 of 4 images'):
        build(path, data_prefix=dict(img='elsewhere'))


@pytest.mark.parametrize('test_mode', [False, True])
def test_serialised_and_sent_to_a_worker(content, write, test_mode):
    path = write(content)
    dataset = build(path, test_mode=test_mode)
    assert dataset.data_list == []  # one array of bytes, shared by forked workers
    plain = build(path, test_mode=test_mode, serialize_data=False)
    copy = pickle.loads(pickle.dumps(dataset))
    for index in range(len(dataset)):
        np.testing.assert_equal(copy[index], plain[index])


def test_lengths_of_a_subset_and_of_joined_sets(content, write):
    from rocovis_mm.datasets.samplers.video_frame_sampler import frames_per_video

    dataset = build(write(content), test_mode=True)
    assert frames_per_video(ConcatDataset([dataset, dataset])) == [4, 4, 4, 4]
    assert build(write(content), test_mode=True, indices=6).video_lengths == [4, 2]


def test_a_draw_decides_the_item_even_where_another_is_fetched(content, write):
    path = write(content)
    first_tries = []

    def refuse_the_first(item):
        first_tries.append(item['sample_idx'])
        return None if len(first_tries) % 2 else dict(item, number=np.random.rand())

    dataset = build(path, pipeline=[refuse_the_first])
    one, other = dataset[Draw(1, (7, 3))], dataset[Draw(1, (7, 3))]
    assert (one['video_id'], one['number']) == (other['video_id'], other['number'])
    joined = ConcatDataset([build(path), dataset])
    assert joined[Draw(3, (7, 3))]['number'] == one['number']


def test_videos_in_which_someone_comes_or_goes(content, write):
    masks = content['annotations'][0]['segmentations']
    masks[1] = masks[0]  # now present throughout video 7
    path = write(content)
    assert build(path).event_videos == [1]
    with pytest.raises(ValueError, match='test_mode'):
        _ = build(path, test_mode=True).event_videos
