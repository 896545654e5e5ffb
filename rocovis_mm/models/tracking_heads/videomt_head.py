"""VidEoMT's network, as transformers has it, one frame at a time (Norouzi et al., CVPR 2026).

B streams, N queries, C channels, K classes, P prefix and patch tokens, S x S an input image.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from rocovis_mm.registry import MODELS
from rocovis_mm.structures import FramePrediction, StreamState

INSTALL = "install it with: pip install 'transformers>=5.4'"


@MODELS.register_module()
class VidEoMTHead(BaseModule):
    """A Vision Transformer whose last blocks also read queries, which go on to the next frame.

    The layers are those of ``VideomtForUniversalSegmentation``. Its own ``forward`` takes a
    whole clip and keeps all outputs. Here the queries of the next frame are the state, so a
    stream takes the memory of one frame. The frames of a clip give equal values
    (transformers 5.24, ``models/videomt/modeling_videomt.py``, ``forward``).

    Args:
        weights: folder with ``config.json`` and the weights, as ``save_pretrained`` writes
            them. Nothing is downloaded. None takes random weights.
        config: fields of transformers' ``VideomtConfig``, in place of `weights`.

    Attributes:
        network: ``VideomtForUniversalSegmentation``.
        num_queries: N.
        num_classes: K.
        image_size: S.
        class_names: K names of the weights, None where they have none.

    Raises:
        ImportError: transformers is missing or too old.
        FileNotFoundError: there is no such folder or it has no ``config.json``.
        ValueError: the folder is of another model or its weights do not fit its config; or
            both or none of `weights` and `config` are given.
    """

    def __init__(
        self, weights: str | Path | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        if (weights is None) == (config is None):
            raise ValueError(
                'VidEoMTHead: give the folder of the weights (weights=), or the fields of a '
                'VideomtConfig (config=) for random weights'
            )
        transformers = import_transformers()
        if weights is not None:
            self.network = load_network(transformers, Path(weights))
        else:
            fields = transformers.VideomtConfig(**config)
            self.network = transformers.VideomtForUniversalSegmentation(fields)
        self.is_init = True  # or MMEngine would draw other weights
        fields = self.network.config
        self.num_queries = fields.num_queries
        self.num_classes = fields.num_labels
        self.image_size = fields.image_size
        names = tuple(fields.id2label[label] for label in range(self.num_classes))
        unnamed = all(name == f'LABEL_{label}' for label, name in enumerate(names))
        self.class_names = None if unnamed else names

    def decode(self, images: Tensor, state: StreamState) -> FramePrediction:
        """Predict one frame of B streams.

        Args:
            images: (B, 3, S, S), normalised.
            state: their past; its ``queries`` (B, N, C) are read beside the patches.

        Raises:
            ValueError: the images are of another size.
        """
        size = (self.image_size, self.image_size)
        if tuple(images.shape[-2:]) != size:
            raise ValueError(
                f'VidEoMT got images of {tuple(images.shape[-2:])} pixels (height, width, padded), '
                f'its positions are learned for {size}: resize the frames to scale={size} with '
                'keep_ratio=False in the test pipeline'
            )
        tokens = self.network.embeddings(images)  # (B, P, C)
        first = len(self.network.layers) - self.network.config.num_blocks
        for layer in self.network.layers[:first]:
            tokens = layer(tokens)
        queries = state.queries
        if queries is None:
            queries = self.first_queries().expand(len(images), -1, -1)
        tokens = torch.cat([queries, tokens], dim=1)  # (B, N + P, C)
        for layer in self.network.layers[first:]:
            tokens = layer(tokens)
        masks, classes = self.network.predict(self.network.layernorm(tokens))
        return FramePrediction((classes,), (masks,), tokens[:, : self.num_queries])

    def advance(self, prediction: FramePrediction) -> StreamState:
        """Return the past of the next frame: the queries that it reads."""
        return StreamState(self.first_queries() + self.network.query_updater(prediction.queries))

    def first_queries(self) -> Tensor:
        """Return the learned queries (N, C)."""
        return self.network.query.weight


def import_transformers() -> ModuleType:
    """Return the package, or raise an ImportError that says how to install it."""
    try:
        import transformers
    except ModuleNotFoundError as error:
        if error.name != 'transformers':
            raise
        raise ImportError(f'VidEoMT needs transformers; {INSTALL}') from None
    if not hasattr(transformers, 'VideomtForUniversalSegmentation'):
        raise ImportError(f'transformers {transformers.__version__} has no VidEoMT; {INSTALL}')
    return transformers


def load_network(transformers: ModuleType, folder: Path) -> nn.Module:
    """Return the network of a folder of weights, all of which must fit.

    Raises:
        FileNotFoundError: there is no such folder or it has no ``config.json``.
        ValueError: it is of another model, or its weights do not fit its config.
    """
    if not (folder / 'config.json').is_file():
        raise FileNotFoundError(
            f'{folder}/config.json: no such file; give the folder into which the weights were '
            'downloaded, with config.json and model.safetensors'
        )
    fields, _ = transformers.VideomtConfig.get_config_dict(folder, local_files_only=True)
    if fields.get('model_type') != 'videomt':
        raise ValueError(
            f"{folder}/config.json: model_type is {fields.get('model_type')!r}, not 'videomt'; "
            'give the folder of a VidEoMT'
        )
    try:
        network, found = transformers.VideomtForUniversalSegmentation.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f'{folder}: the weights cannot be loaded ({reason})') from error
    wrong = {
        kind: sorted(map(str, found.get(f'{kind}_keys') or ()))
        for kind in ('missing', 'unexpected', 'mismatched')
    }
    if any(wrong.values()):
        said = '; '.join(f'{len(n)} {kind}, such as {n[0]}' for kind, n in wrong.items() if n)
        raise ValueError(
            f'{folder}: the weights do not fit config.json ({said}); download both again from one '
            'place'
        )
    return network.eval()
