"""Detects pictures that show no prediction at all."""

from __future__ import annotations

from collections.abc import Iterable


class Shown:
    """Counts the predictions whose score reaches a threshold.

    Args:
        threshold: scores below it are not shown.

    Attributes:
        number: of those shown.
        best: the highest score of all, shown or not; -1 before the first.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.number = 0
        self.best = -1.0

    def count(self, scores: Iterable[float]) -> None:
        """Count the tracks, or the instances of a frame, by their scores."""
        for score in scores:
            self.number += score >= self.threshold
            self.best = max(self.best, float(score))

    def complaint(self, place: object, setting: str) -> str | None:
        """Return a message if nothing was shown, else None.

        Args:
            place: source or target of the predictions, for the message.
            setting: that holds the threshold.
        """
        if self.number:
            return None
        if self.best < 0:
            return f'{place}: there are no tracks at all, so no prediction is drawn'
        return (
            f'{place}: no track has a score of {self.threshold:g}, so no prediction is drawn; the '
            f'best one has {self.best:.3g}: lower {setting}'
        )
