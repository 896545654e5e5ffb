"""SeqFormer and VMT give what the published codes give, with weights made by a rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from detectron2_weights import facts, normalized
from peer_fixtures import assert_near, check_tracks, published_peer
from tiny_model import stream_sample

from rocovis_mm.apis import RoCoVISInferencer


def converted(name, shared_dir, **options):
    """Return the model with converted weights and the fixture."""
    model, fixture = published_peer(name, shared_dir, **options)
    model.labels = range(model.track_head.num_classes)
    return model, fixture


def padded(model, frames):
    """Return normalised frames, padded as the model's data preprocessor pads them."""
    divisor = 32 if model.track_rule.resize == 'input' else 1
    bottom, right = (-side % divisor for side in frames.shape[-2:])
    return F.pad(normalized(frames.float()), (0, right, 0, bottom))


def sample_of(images, size, ori_shape=None):
    length = len(images)
    shape = tuple(images.shape[-2:])
    return stream_sample(3, list(range(length)), length, shape, size, ori_shape)


def tracks_of(model, frames, ori_shape=None):
    images, size = padded(model, frames), tuple(frames.shape[-2:])
    sample = sample_of(images, size, ori_shape)
    model.predict({'img': [images]}, [sample])
    return sample


@torch.no_grad()
def check_network(model, fixture):
    images, size = padded(model, fixture['frames']), tuple(fixture['frames'].shape[-2:])
    frames, pixels = model.encode(images, size)
    decoded = model.track_head.decode(frames, len(images))
    assert_near(decoded.class_logits[-1][0], fixture['video_logits'])
    assert_near(decoded.queries[-1][0], fixture['video_embeds'])
    assert_near(decoded.box_queries[-1][0], fixture['frame_embeds'])
    assert_near(decoded.references[-1][0], fixture['reference_boxes'])
    return decoded, pixels, size


@pytest.fixture(scope='module')
def original(shared_dir):
    return converted('seqformer_original', shared_dir)


@pytest.fixture(scope='module')
def vmt(shared_dir):
    return converted('vmt', shared_dir)


@torch.no_grad()
@pytest.mark.parametrize('name', ['seqformer', 'seqformer_original'])
def test_seqformer_on_a_whole_video(name, shared_dir, request):
    if name == 'seqformer':
        model, fixture = converted(name, shared_dir)
    else:
        model, fixture = request.getfixturevalue('original')
    decoded, pixels, size = check_network(model, fixture)
    assert_near(decoded.boxes[-1][0], fixture['frame_boxes'])
    assert_near(model.track_head.controller(decoded.queries[-1])[0], fixture['mask_params'])
    every = torch.arange(model.num_queries)
    assert_near(model.track_head.masks(decoded, pixels, 0, every, size), fixture['raw_masks'])
    sample = tracks_of(model, fixture['frames'])
    check_tracks(sample.video_tracks, fixture)
    check_frames(sample)


def check_frames(sample):
    """Check a frame's instances against the video's tracks: each identity once."""
    tracks = sample.video_tracks
    for t, frame in enumerate(sample.video_data_samples):
        found = frame.pred_track_instances
        ids = found.instances_id.tolist()
        best = {}
        for identity, label, score, codes in zip(
            tracks.identities, tracks.labels, tracks.scores, tracks.segmentations
        ):
            if codes[t] is not None and score > best.get(identity, (0,))[0]:
                best[identity] = (score, label)
        assert ids == sorted(best)
        assert found.labels.tolist() == [best[identity][1] for identity in ids]
        assert found.masks.flatten(1).any(1).all()


@torch.no_grad()
def test_seqformer_links_clips(shared_dir):
    settings = facts('seqformer_clips', shared_dir)['inference']
    options = {key: settings[key] for key in ('clip_length', 'clip_stride')}
    model, fixture = converted('seqformer_clips', shared_dir, **options)
    images, size = padded(model, fixture['frames']), tuple(fixture['frames'].shape[-2:])
    for start, logits, boxes, masks in zip(
        (0, 2, 3), fixture['clip_logits'], fixture['clip_boxes'], fixture['clip_masks']
    ):
        frames, pixels = model.encode(images[start : start + 4], size)
        decoded = model.track_head.decode(frames, 4)
        assert_near(decoded.class_logits[-1][0], logits)
        assert_near(decoded.boxes[-1][0], boxes)
        every = torch.arange(model.num_queries)
        assert_near(model.track_head.masks(decoded, pixels, 0, every, size), masks)
    found = facts('seqformer_clips', shared_dir)['overrides']
    ori_shape = (found['out_h'], found['out_w'])
    check_tracks(tracks_of(model, fixture['frames'], ori_shape).video_tracks, fixture)


@torch.no_grad()
def test_vmt(vmt):
    model, fixture = vmt
    decoded, pixels, size = check_network(model, fixture)
    selected = fixture['selected']
    chosen = model.track_rule.choose_queries(decoded.class_logits[-1][0].sigmoid())
    assert sorted(chosen.tolist()) == selected.tolist()
    assert_near(decoded.boxes[-1][0][:, selected], fixture['frame_boxes'])
    masks = model.track_head.refine(decoded, pixels, 0, selected, size)
    assert_near(masks.coarse, fixture['masks_coarse'])
    assert_near(masks.middle, fixture['masks_middle'])
    assert_near(masks.fine, fixture['masks_fine'])
    assert torch.equal(masks.band != 0, fixture['band'].bool())
    check_tracks(tracks_of(model, fixture['frames']).video_tracks, fixture)


def test_class_outputs_beyond_the_labels_are_left_out(original):
    """The published class outputs are category ids; a label is one less."""
    model, fixture = original
    model.labels = range(1, 41)
    tracks = tracks_of(model, fixture['frames']).video_tracks
    model.labels = range(42)
    order = fixture['video_scores'].argsort(descending=True)
    labels = fixture['video_labels'][order]
    expected = labels[(labels > 0) & (labels < 41)] - 1
    assert tracks.labels.tolist() == expected.tolist()


def test_frames_read_together_do_not_change_a_video(original):
    model, fixture = original
    whole = tracks_of(model, fixture['frames']).video_tracks
    model.frames_at_once = 2
    parts = tracks_of(model, fixture['frames']).video_tracks
    model.frames_at_once = 10
    np.testing.assert_allclose(whole.scores, parts.scores, atol=1e-6)
    assert whole.labels.tolist() == parts.labels.tolist()


def test_a_part_of_a_video_is_refused(original):
    model, fixture = original
    images = padded(model, fixture['frames'])[:3]
    sample = stream_sample(3, [0, 1, 2], 5, tuple(images.shape[-2:]))
    with pytest.raises(ValueError, match='frames 0 to 2 came .* set whole_videos=True'):
        model.predict({'img': [images]}, [sample])


def test_a_live_session_is_refused(original):
    with pytest.raises(ValueError, match='SeqFormer is no online model'):
        RoCoVISInferencer(original[0])


def test_vmt_refines_at_most_so_many_places_and_always_the_same(vmt):
    model, fixture = vmt
    refinement = model.track_head.refinement
    refinement.point_limit = 50
    first = tracks_of(model, fixture['frames'][:2])
    again = tracks_of(model, fixture['frames'][:2])
    refinement.point_limit = 12000
    assert first.video_tracks.segmentations == again.video_tracks.segmentations
