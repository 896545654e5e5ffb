"""Classes and colours of the benchmarks, and the published maps from COCO to them.

Names and ids are those of the published annotation files, spelling included; the maps from COCO
are those of VITA and GenVIS (`COCO_TO_...` in `vita/data/datasets/ytvis.py` and `ovis.py`). A data
set names its benchmark in its metainfo as `dict(benchmark='ovis')`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Benchmark:
    """The classes of one benchmark, in the order of their labels.

    Attributes:
        name: as configs and tools call it.
        table: id in the json, name and RGB colour of each class.
        coco_to_vis: COCO category id -> this benchmark's, for the classes that COCO has.
    """

    name: str
    table: tuple[tuple[int, str, Color], ...]
    coco_to_vis: Mapping[int, int] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each class."""
        return tuple(name for _, name, _ in self.table)

    @property
    def palette(self) -> list[Color]:
        """RGB colour of each class."""
        return [color for _, _, color in self.table]

    @property
    def categories(self) -> list[dict[str, Any]]:
        """The classes as an annotation file lists them."""
        return [dict(id=key, name=name, color=list(color)) for key, name, color in self.table]


def find_benchmark(name: str) -> Benchmark:
    """Return the benchmark of that name.

    Raises:
        ValueError: there is none. The message lists the known names.
    """
    if name not in BENCHMARKS:
        raise ValueError(f'no benchmark is called {name!r}; choose one of {", ".join(BENCHMARKS)}')
    return BENCHMARKS[name]


def map_from_coco(name: str) -> Mapping[int, int]:
    """Return the published map of COCO's category ids to those of the benchmark of that name.

    Raises:
        ValueError: no such map has been published. The message lists the benchmarks with one.
    """
    mapping = find_benchmark(name).coco_to_vis
    if not mapping:
        known = [each for each, benchmark in BENCHMARKS.items() if benchmark.coco_to_vis]
        raise ValueError(
            f'no map from COCO to {name} has been published; there is one for {", ".join(known)}'
        )
    return mapping


def expand_benchmark(metainfo: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a data set's metainfo with the classes and colours of its benchmark.

    ``classes`` and ``palette`` replace ``benchmark``. Each can also be given beside it, for
    example to use some of its classes only.

    Raises:
        ValueError: an unknown benchmark, or classes that it does not have.
    """
    metainfo = dict(metainfo or {})
    if 'benchmark' not in metainfo:
        return metainfo
    benchmark = find_benchmark(metainfo.pop('benchmark'))
    colors = dict(zip(benchmark.classes, benchmark.palette))
    classes = tuple(metainfo.setdefault('classes', benchmark.classes))
    strange = [name for name in classes if name not in colors]
    if strange:
        raise ValueError(
            f"metainfo: {benchmark.name} has no classes {strange}; correct 'classes' or leave "
            "'benchmark' out"
        )
    metainfo.setdefault('palette', [colors[name] for name in classes])
    return metainfo


YOUTUBE_VIS_2019 = (
    (1, 'person', (220, 20, 60)), (2, 'giant_panda', (0, 82, 0)), (3, 'lizard', (119, 11, 32)),
    (4, 'parrot', (165, 42, 42)), (5, 'skateboard', (134, 134, 103)), (6, 'sedan', (0, 0, 142)),
    (7, 'ape', (255, 109, 65)), (8, 'dog', (0, 226, 252)), (9, 'snake', (5, 121, 0)),
    (10, 'monkey', (0, 60, 100)), (11, 'hand', (250, 170, 30)), (12, 'rabbit', (100, 170, 30)),
    (13, 'duck', (179, 0, 194)), (14, 'cat', (255, 77, 255)), (15, 'cow', (120, 166, 157)),
    (16, 'fish', (73, 77, 174)), (17, 'train', (0, 80, 100)), (18, 'horse', (182, 182, 255)),
    (19, 'turtle', (0, 143, 149)), (20, 'bear', (174, 57, 255)), (21, 'motorbike', (0, 0, 230)),
    (22, 'giraffe', (72, 0, 118)), (23, 'leopard', (255, 179, 240)), (24, 'fox', (0, 125, 92)),
    (25, 'deer', (209, 0, 151)), (26, 'owl', (188, 208, 182)), (27, 'surfboard', (145, 148, 174)),
    (28, 'airplane', (106, 0, 228)), (29, 'truck', (0, 0, 70)), (30, 'zebra', (199, 100, 0)),
    (31, 'tiger', (166, 196, 102)), (32, 'elephant', (110, 76, 0)),
    (33, 'snowboard', (133, 129, 255)), (34, 'boat', (0, 0, 192)), (35, 'shark', (183, 130, 88)),
    (36, 'mouse', (130, 114, 135)), (37, 'frog', (107, 142, 35)), (38, 'eagle', (0, 228, 0)),
    (39, 'earless_seal', (174, 255, 243)), (40, 'tennis_racket', (255, 208, 186)),
)  # fmt: skip
YOUTUBE_VIS_2021 = (
    (1, 'airplane', (106, 0, 228)), (2, 'bear', (174, 57, 255)), (3, 'bird', (255, 109, 65)),
    (4, 'boat', (0, 0, 192)), (5, 'car', (0, 0, 142)), (6, 'cat', (255, 77, 255)),
    (7, 'cow', (120, 166, 157)), (8, 'deer', (209, 0, 151)), (9, 'dog', (0, 226, 252)),
    (10, 'duck', (179, 0, 194)), (11, 'earless_seal', (174, 255, 243)),
    (12, 'elephant', (110, 76, 0)), (13, 'fish', (73, 77, 174)),
    (14, 'flying_disc', (250, 170, 30)), (15, 'fox', (0, 125, 92)), (16, 'frog', (107, 142, 35)),
    (17, 'giant_panda', (0, 82, 0)), (18, 'giraffe', (72, 0, 118)), (19, 'horse', (182, 182, 255)),
    (20, 'leopard', (255, 179, 240)), (21, 'lizard', (119, 11, 32)), (22, 'monkey', (0, 60, 100)),
    (23, 'motorbike', (0, 0, 230)), (24, 'mouse', (130, 114, 135)), (25, 'parrot', (165, 42, 42)),
    (26, 'person', (220, 20, 60)), (27, 'rabbit', (100, 170, 30)), (28, 'shark', (183, 130, 88)),
    (29, 'skateboard', (134, 134, 103)), (30, 'snake', (5, 121, 0)),
    (31, 'snowboard', (133, 129, 255)), (32, 'squirrel', (188, 208, 182)),
    (33, 'surfboard', (145, 148, 174)), (34, 'tennis_racket', (255, 208, 186)),
    (35, 'tiger', (166, 196, 102)), (36, 'train', (0, 80, 100)), (37, 'truck', (0, 0, 70)),
    (38, 'turtle', (0, 143, 149)), (39, 'whale', (0, 228, 0)), (40, 'zebra', (199, 100, 0)),
)  # fmt: skip
OVIS = (
    (1, 'Person', (220, 20, 60)), (2, 'Bird', (255, 109, 65)), (3, 'Cat', (255, 77, 255)),
    (4, 'Dog', (0, 226, 252)), (5, 'Horse', (182, 182, 255)), (6, 'Sheep', (255, 208, 186)),
    (7, 'Cow', (120, 166, 157)), (8, 'Elephant', (110, 76, 0)), (9, 'Bear', (174, 57, 255)),
    (10, 'Zebra', (199, 100, 0)), (11, 'Giraffe', (72, 0, 118)), (12, 'Poultry', (107, 142, 35)),
    (13, 'Giant_panda', (0, 82, 0)), (14, 'Lizard', (119, 11, 32)), (15, 'Parrot', (165, 42, 42)),
    (16, 'Monkey', (0, 60, 100)), (17, 'Rabbit', (100, 170, 30)), (18, 'Tiger', (166, 196, 102)),
    (19, 'Fish', (73, 77, 174)), (20, 'Turtle', (0, 143, 149)), (21, 'Bicycle', (134, 134, 103)),
    (22, 'Motorcycle', (0, 0, 230)), (23, 'Airplane', (106, 0, 228)), (24, 'Boat', (0, 0, 192)),
    (25, 'Vehical', (0, 0, 142)),
)  # fmt: skip
VIPSEG_THINGS = (
    (2, 'door', (6, 230, 230)), (4, 'ladder', (4, 200, 3)), (8, 'window', (230, 230, 230)),
    (10, 'goal', (224, 5, 255)), (41, 'sculpture', (0, 255, 20)), (43, 'flag', (255, 5, 153)),
    (44, 'parasol_or_umbrella', (6, 51, 255)), (46, 'tent', (160, 150, 20)),
    (47, 'roadblock', (0, 163, 255)), (48, 'car', (140, 140, 140)), (49, 'bus', (250, 10, 15)),
    (50, 'truck', (20, 255, 0)), (51, 'bicycle', (31, 255, 0)), (52, 'motorcycle', (255, 31, 0)),
    (54, 'ship_or_boat', (153, 255, 0)), (55, 'raft', (0, 0, 255)), (56, 'airplane', (255, 71, 0)),
    (60, 'person', (11, 200, 200)), (61, 'cat', (255, 82, 0)), (62, 'dog', (0, 255, 245)),
    (63, 'horse', (0, 61, 255)), (64, 'cattle', (0, 255, 112)), (65, 'other_animal', (0, 255, 133)),
    (72, 'skateboard', (0, 82, 255)), (74, 'ball', (0, 255, 173)), (76, 'box', (173, 255, 0)),
    (77, 'traveling_case_or_trolley_case', (0, 255, 153)), (78, 'basket', (255, 92, 0)),
    (79, 'bag_or_package', (255, 0, 255)), (82, 'plate', (255, 173, 0)),
    (83, 'tub_or_bowl_or_pot', (255, 0, 20)), (84, 'bottle_or_cup', (255, 184, 184)),
    (85, 'barrel', (0, 31, 255)), (86, 'fishbowl', (0, 255, 61)), (87, 'bed', (0, 71, 255)),
    (88, 'pillow', (255, 0, 204)), (89, 'table_or_desk', (0, 255, 194)),
    (90, 'chair_or_seat', (0, 255, 82)), (91, 'bench', (0, 10, 255)), (92, 'sofa', (0, 112, 255)),
    (95, 'gun', (0, 122, 255)), (96, 'commode', (0, 255, 163)), (97, 'roaster', (255, 153, 0)),
    (99, 'refrigerator', (255, 112, 0)), (100, 'washing_machine', (143, 255, 0)),
    (101, 'Microwave_oven', (82, 0, 255)), (102, 'fan', (163, 255, 0)),
    (106, 'painting_or_poster', (0, 255, 92)), (107, 'mirror', (184, 0, 255)),
    (108, 'flower_pot_or_vase', (255, 0, 31)), (109, 'clock', (0, 184, 255)),
    (114, 'screen_or_television', (112, 224, 255)), (115, 'computer', (70, 184, 160)),
    (116, 'printer', (163, 0, 255)), (117, 'Mobile_phone', (153, 0, 255)),
    (118, 'keyboard', (71, 255, 0)), (122, 'instrument', (0, 255, 235)),
    (123, 'train', (133, 255, 0)),
)  # fmt: skip
COCO_NAMES = {
    1: 'person', 2: 'bicycle', 3: 'car', 4: 'motorcycle', 5: 'airplane', 6: 'bus', 7: 'train',
    8: 'truck', 9: 'boat', 16: 'bird', 17: 'cat', 18: 'dog', 19: 'horse', 20: 'sheep', 21: 'cow',
    22: 'elephant', 23: 'bear', 24: 'zebra', 25: 'giraffe', 34: 'frisbee', 35: 'skis',
    36: 'snowboard', 41: 'skateboard', 42: 'surfboard', 43: 'tennis racket',
}  # fmt: skip
"""COCO's categories that a map starts from."""
COCO_TO_YOUTUBE_VIS_2019 = {
    1: 1, 2: 21, 3: 6, 4: 21, 5: 28, 7: 17, 8: 29, 9: 34, 17: 14, 18: 8, 19: 18, 21: 15,
    22: 32, 23: 20, 24: 30, 25: 22, 35: 33, 36: 33, 41: 5, 42: 27, 43: 40,
}  # fmt: skip
COCO_TO_YOUTUBE_VIS_2021 = {
    1: 26, 2: 23, 3: 5, 4: 23, 5: 1, 7: 36, 8: 37, 9: 4, 16: 3, 17: 6, 18: 9, 19: 19, 21: 7,
    22: 12, 23: 2, 24: 40, 25: 18, 34: 14, 35: 31, 36: 31, 41: 29, 42: 33, 43: 34,
}  # fmt: skip
COCO_TO_OVIS = {
    1: 1, 2: 21, 3: 25, 4: 22, 5: 23, 6: 25, 8: 25, 9: 24, 17: 3, 18: 4, 19: 5, 20: 6, 21: 7,
    22: 8, 23: 9, 24: 10, 25: 11,
}  # fmt: skip
BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark('youtube_vis_2019', YOUTUBE_VIS_2019, COCO_TO_YOUTUBE_VIS_2019),
        Benchmark('youtube_vis_2021', YOUTUBE_VIS_2021, COCO_TO_YOUTUBE_VIS_2021),
        Benchmark('youtube_vis_2022', YOUTUBE_VIS_2021, COCO_TO_YOUTUBE_VIS_2021),
        Benchmark('ovis', OVIS, COCO_TO_OVIS),
        Benchmark('hq_ytvis', YOUTUBE_VIS_2019, COCO_TO_YOUTUBE_VIS_2019),
        Benchmark('vipseg_things', VIPSEG_THINGS),
    )
}
