"""Renaming of weights by rules that work in both directions.

A rule is a pair of templates, ``res4.{i}.conv1.weight`` and ``layer3.{i}.conv1.weight``,
where a letter in braces is the same number on both sides.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Rule:
    """One kind of tensor, under both names.

    Attributes:
        theirs: template of the name in Detectron2.
        ours: template of the name here.
        group: tensors of a group come together: where one is, all are.
        optional: a model may be without the group.
        to_ours: change of the tensor's layout; None for none.
        to_theirs: its inverse.
    """

    theirs: str
    ours: str
    group: str
    optional: bool = False
    to_ours: Change | None = None
    to_theirs: Change | None = None


def inside(rules: Iterable[Rule], theirs: str, ours: str) -> list[Rule]:
    """Return the rules of a part whose names have these prefixes."""
    return [replace(rule, theirs=theirs + rule.theirs, ours=ours + rule.ours) for rule in rules]


@dataclass(frozen=True)
class Renamed:
    """A set of weights after the renaming.

    Attributes:
        weights: new name -> tensor.
        unknown: names that no rule knows.
        missing: names that are absent though others of their group are present.
    """

    weights: dict[str, Tensor]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]


def rename(weights: Mapping[str, Tensor], rules: Sequence[Rule], back: bool = False) -> Renamed:
    """Rename weights by rules.

    Args:
        weights: name -> tensor.
        rules: of all parts of the model.
        back: from our names to Detectron2's.

    Raises:
        ValueError: two weights would get the same name.
    """
    patterns = [(pattern(rule.ours if back else rule.theirs), rule) for rule in rules]
    renamed, unknown = {}, []
    found: dict[Rule, set[tuple[str, ...]]] = defaultdict(set)
    for name, tensor in weights.items():
        matches = ((template.fullmatch(name), rule) for template, rule in patterns)
        match, rule = next(((match, rule) for match, rule in matches if match), (None, None))
        if match is None:
            unknown.append(name)
            continue
        target = (rule.theirs if back else rule.ours).format(**match.groupdict())
        if target in renamed:
            raise ValueError(f'two of the tensors are {target}, one of them {name}')
        change = rule.to_theirs if back else rule.to_ours
        renamed[target] = change(tensor) if change else tensor
        found[rule].add(tuple(match.groupdict().values()))
    return Renamed(renamed, tuple(unknown), tuple(missing_names(rules, found, back)))


def pattern(template: str) -> re.Pattern[str]:
    """Return the expression that a template's names match, its numbers as groups."""
    parts = re.split(r'\{(\w)\}', template)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = (f'(?P<{letter}>0|[1-9][0-9]*)' for letter in parts[1::2])
    return re.compile(''.join(parts))


def missing_names(
    rules: Sequence[Rule], found: Mapping[Rule, set[tuple[str, ...]]], back: bool
) -> list[str]:
    """Return the names that are absent though others of their group or row are present."""
    groups: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        groups[rule.group].append(rule)
    missing = []
    for members in groups.values():
        seen = set().union(*(found.get(rule, ()) for rule in members))
        wanted = {*seen, *gaps(seen)} if not members[0].optional else seen
        if not wanted and not members[0].optional:
            letters = re.findall(r'\{(\w)\}', members[0].theirs)
            wanted = {('0',) * len(letters)}
        for rule in members:
            template = rule.ours if back else rule.theirs
            letters = re.findall(r'\{(\w)\}', template)
            for numbers in sorted(wanted - found.get(rule, set())):
                missing.append(template.format(**dict(zip(letters, numbers))))
    return missing


def gaps(seen: Iterable[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return the numbers of all rows from 0 to their highest, at each depth."""
    rows: dict[tuple[str, ...], int] = defaultdict(int)
    depth = 0
    for numbers in seen:
        depth = len(numbers)
        for place, number in enumerate(numbers):
            rows[numbers[:place]] = max(rows[numbers[:place]], int(number) + 1)
    full: set[tuple[str, ...]] = {()}
    for _ in range(depth):
        full = {(*start, str(number)) for start in full for number in range(rows.get(start, 1))}
    return full if depth else set()
