"""One rule for training, testing, streams and exports: whether a checkpoint fits a model."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from rocovis_mm.checkpoints.contents import is_tensor, shorten

LEAST_SHARE = 0.25
"""Of a model's numbers, the share that a training start has to give."""
FEW = 4
"""Names that a message lists of each kind."""
WORKED_OUT = ('num_batches_tracked', 'relative_position_index')
"""Last parts of the names of tensors that a model is built with and never learns."""
OF_DETECTRON2 = re.compile(
    r'(module\.)?(sem_seg_head|vita_module|proposal_generator|roi_heads)\.'
    r'|(module\.)?backbone\.(bottom_up\.)?(stem\.conv1\.(weight|norm)|res[2-5]\.\d+\.)'
)
"""Beginning of the names that Detectron2 alone gives."""
MISMATCH = re.compile(
    r'size mismatch for (\S+): copying a param with shape torch\.Size\(\[(.*?)\]\) from '
    r'checkpoint, the shape in current model is torch\.Size\(\[(.*?)\]\)'
)
"""A line of torch's about a tensor of another shape: name, shape there, shape here."""


class MisfitError(ValueError):
    """A checkpoint does not fit the model; names the file, the differences and the remedy."""


@dataclass(frozen=True)
class Fit:
    """The result of loading weights into a model.

    Attributes:
        total: number of the model's tensors.
        missing: names of the model that the weights lack.
        reshaped: name in both -> shape there, shape here.
        surplus: names of the weights that the model lacks.
        share: of the model's numbers that were loaded, 0 to 1.
        unfilled: parts of the model (backbone, neck, ...) that got nothing at all.
    """

    total: int
    missing: tuple[str, ...]
    reshaped: dict[str, tuple[str, str]]
    surplus: tuple[str, ...]
    share: float
    unfilled: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every tensor of the model was loaded."""
        return not self.missing and not self.reshaped

    def describe(self) -> str:
        """Return the tensors that did not load as text, a long list shortened."""
        loaded = self.total - len(self.missing) - len(self.reshaped)
        parts = [
            f'{loaded} of the {self.total} tensors of the model were loaded, '
            f'{100 * self.share:.1f} % of its numbers'
        ]
        if self.missing:
            parts.append(f'{len(self.missing)} missing: {shorten(self.missing, FEW)}')
        if self.reshaped:
            shapes = [
                f'{name} ({there} there, {here} here)'
                for name, (there, here) in self.reshaped.items()
            ]
            parts.append(f'{len(self.reshaped)} of another shape: {shorten(shapes, FEW)}')
        if self.surplus:
            parts.append(
                f'{len(self.surplus)} without a place in the model: {shorten(self.surplus, FEW)}'
            )
        if any('cls_embed.' in name for name in (*self.missing, *self.reshaped)):
            parts.append('the class layer is among them (another number of classes?)')
        return '; '.join(parts)


def weights_in(checkpoint: Mapping[str, Any], path: str | Path) -> OrderedDict[str, Tensor]:
    """Return the weights of a checkpoint of MMEngine, or weights alone.

    Args:
        checkpoint: as it was read.
        path: of its file, for messages.

    Raises:
        MisfitError: there are no weights, or they are Detectron2's; the message says how to
            convert those.
    """
    entries = ('state_dict', 'model')
    entry = next((e for e in entries if isinstance(checkpoint.get(e), Mapping)), None)
    weights = checkpoint[entry] if entry else checkpoint
    names = [name for name, value in weights.items() if isinstance(name, str) and is_tensor(value)]
    if not names:
        raise MisfitError(
            f'{path}: holds no weights (its entries: {shorten(map(str, checkpoint), FEW)}); give '
            'the checkpoint of a model'
        )
    if entry == 'model' or any(OF_DETECTRON2.match(name) for name in names):
        tool = 'python tools/model_converters/detectron2_to_mm.py'
        target = Path(path).with_suffix('').name + '_mm.pth'
        option = ' --entry state_dict' if entry == 'state_dict' else ''
        raise MisfitError(
            f'{path}: is a checkpoint of Detectron2, or of a code that writes as it does (names '
            f'such as {names[0]}), and not of MMEngine; convert it first: {tool} {path} '
            f'{target}{option}'
        )
    kept = OrderedDict((re.sub(r'^module\.', '', name), weights[name]) for name in names)
    kept._metadata = getattr(weights, '_metadata', OrderedDict())
    return kept


def load_fitting(model: nn.Module, weights: Mapping[str, Tensor]) -> Fit:
    """Load all weights that fit, and return the others.

    Args:
        model: its own hooks may rename weights.
        weights: name -> tensor.

    Raises:
        RuntimeError: torch cannot load them for another reason than names and shapes.
    """
    found: dict[str, list[str]] = {}

    def remember(_: nn.Module, keys: Any) -> None:
        found.update(missing=list(keys.missing_keys), surplus=list(keys.unexpected_keys))

    handle = model.register_load_state_dict_post_hook(remember)
    reshaped = {}
    try:
        model.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # torch has loaded everything else before it raises
        matches = MISMATCH.findall(str(error))
        if not matches:
            raise
        reshaped = {bare_name(n): (f'({there})', f'({here})') for n, there, here in matches}
    finally:
        handle.remove()
    missing = [name for name in map(bare_name, found['missing']) if not name.endswith(WORKED_OUT)]
    sizes = sizes_of(model)
    loaded = {name for name in sizes if name not in missing and name not in reshaped}
    parts = dict.fromkeys(name.partition('.')[0] for name in sizes)
    filled = {name.partition('.')[0] for name in loaded}
    return Fit(
        total=len(sizes),
        missing=tuple(missing),
        reshaped=reshaped,
        surplus=tuple(map(bare_name, found['surplus'])),
        share=sum(sizes[name] for name in loaded) / max(sum(sizes.values()), 1),
        unfilled=tuple(part for part in parts if part not in filled),
    )


def sizes_of(model: nn.Module) -> dict[str, int]:
    """Return how many numbers each tensor of a model has that it cannot work out by itself.

    A model in shards has a part of each on this process, so that each counts as one there.
    """
    if in_shards(model):
        tensors = (*model.named_parameters(), *model.named_buffers())
        sizes = {bare_name(name): 1 for name, _ in tensors}
    else:
        sizes = {name: tensor.numel() for name, tensor in model.state_dict().items()}
    return {name: size for name, size in sizes.items() if not name.endswith(WORKED_OUT)}


def in_shards(model: nn.Module) -> bool:
    """Whether a model is dealt out to the processes (FSDP)."""
    return any(kind.__name__ == 'FullyShardedDataParallel' for kind in type(model).__mro__)


def bare_name(name: str) -> str:
    """Return a tensor's name without the parts that FSDP inserts."""
    return name.replace('_fsdp_wrapped_module.', '')


def check_use(fit: Fit, path: str | Path) -> None:
    """Check that a model can be tested, exported or resumed.

    Raises:
        MisfitError: some of its weights would be random.
    """
    if not fit.whole:
        raise MisfitError(
            f'{path}: is of another model than the config: {fit.describe()}. Give the config that '
            'it was trained with (a run leaves it in its work folder); --allow-missing leaves '
            'these at random'
        )


def check_resume(fit: Fit, path: str | Path) -> None:
    """Check that a training run can resume with a state of the optimizer for each weight.

    Raises:
        MisfitError: the checkpoint is of another model.
    """
    if not fit.whole or fit.surplus:
        raise MisfitError(
            f'{path}: is of another model than the config: {fit.describe()}. Resume with the '
            'config that the run began with (it is in its work folder); to start from the weights '
            'give the file as load_from'
        )


def check_start(fit: Fit, path: str | Path, pretrained: bool = False) -> None:
    """Check that a training would not start from noise.

    Args:
        fit: of the start.
        path: of its file.
        pretrained: the backbone has weights from elsewhere (``init_cfg``).

    Raises:
        MisfitError: little of the model, or nothing of its backbone, was loaded.
    """
    bare = 'backbone' in fit.unfilled and not pretrained
    if fit.share >= LEAST_SHARE and not bare:
        return
    hint = ''
    if any(name.startswith('backbone.') for name in fit.missing) and any(
        f'backbone.{name}' in set(fit.missing) for name in fit.surplus
    ):
        hint = (
            ' The file holds a backbone alone: give it as '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE)."
        )
    what = 'nothing of the backbone' if bare and fit.share else 'too little'
    raise MisfitError(
        f'{path}: {what} fits the model of the config, so that training would start from noise: '
        f'{fit.describe()}.{hint} Leave load_from away to start at random, or give '
        '--allow-missing'
    )


def load_model(model: nn.Module, path: str, allow_missing: bool = False) -> tuple[dict, Fit]:
    """Load a checkpoint into a model that is to be used, not trained.

    Args:
        model: of the config.
        path: of the file, or a URL.
        allow_missing: leave weights that the file lacks as they are.

    Returns:
        the checkpoint and how it fits.

    Raises:
        MisfitError: it has no weights, those of Detectron2, or (unless allowed) not all.
    """
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    fit = load_fitting(model, weights_in(checkpoint, path))
    if not allow_missing:
        check_use(fit, path)
    return checkpoint, fit
