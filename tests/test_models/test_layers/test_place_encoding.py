"""Places in the features of masks."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_model import images, tiny_model

from rocovis_mm.models.layers.place_encoding import PlaceEncoding


def test_each_pixel_gets_the_waves_of_its_place():
    torch.manual_seed(0)
    encoding = PlaceEncoding(4, 3).double()
    pixels = torch.randn(2, 4, 5, 7).double()
    out = encoding(pixels)
    for i in range(5):
        for j in range(7):
            angles = [
                [math.pi * 2**k * (n + 0.5) / side for k in range(3)]
                for n, side in ((i, 5), (j, 7))
            ]
            rows, columns = (
                torch.tensor([*map(math.sin, a), *map(math.cos, a)]).double() for a in angles
            )
            expected = (
                pixels[..., i, j]
                + encoding.vertical.weight @ rows
                + encoding.horizontal.weight @ columns
            )
            torch.testing.assert_close(out[..., i, j], expected, atol=1e-6, rtol=0)


def test_one_embedding_can_choose_one_of_two_equal_objects():
    """Equal pixels at two places: the product with a vector has two signs."""
    torch.manual_seed(0)
    encoding = PlaceEncoding(16, 4)
    pixels = torch.zeros(1, 16, 24, 40)
    placed = encoding(pixels)[0].flatten(1).T.double()
    columns = torch.arange(40).expand(24, 40).flatten()
    target = torch.where(columns < 20, 1.0, -1.0).double()
    embedding = torch.linalg.lstsq(placed, target[:, None]).solution
    assert ((placed @ embedding)[:, 0].sign() == target).double().mean() > 0.95


def test_masks_know_places_and_the_decoded_maps_do_not():
    plain, placed = tiny_model(), tiny_model(place_octaves=2)
    missing = placed.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing == [
        f'track_head.pixel_decoder.place.{x}.weight' for x in ('vertical', 'horizontal')
    ]
    features = plain.extract_features(images(1))
    levels = [
        model.track_head.pixel_decoder.encode(
            features, model.track_head.pixel_decoder.project(features)
        )
        for model in (plain, placed)
    ]
    for a, b in zip(levels[0][:-1], levels[1][:-1]):
        assert torch.equal(a, b)
    added = levels[1][-1] - levels[0][-1]
    torch.testing.assert_close(
        added, placed.track_head.pixel_decoder.place(torch.zeros_like(added)), atol=1e-5, rtol=0
    )
    assert added.any()


def test_no_octave_is_refused():
    with pytest.raises(ValueError, match='octaves=0'):
        PlaceEncoding(4, 0)
