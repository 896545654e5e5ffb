"""Child registries of MMEngine's roots under the scope ``rocovis_mm``.

``type='rocovis_mm.RoCoVIS'`` resolves from any OpenMMLab tool: MMEngine imports
this module when it meets the scope, and ``locations`` says what to import next.
"""

from rocovis_mm.compat import checked  # noqa: F401, I001  (first: it says what is missing)

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOG_PROCESSORS as MMENGINE_LOG_PROCESSORS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import STRATEGIES as MMENGINE_STRATEGIES
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import Registry

from rocovis_mm.compat.config_lookup import announce_configs
from rocovis_mm.compat.deformable_kernels import use_own_deformable_attention
from rocovis_mm.compat.safe_globals import allow_mmengine_checkpoints

SCOPE = 'rocovis_mm'

use_own_deformable_attention()
allow_mmengine_checkpoints()
announce_configs()


def _child(parent: Registry, *packages: str) -> Registry:
    locations = [f'{SCOPE}.{package}' for package in packages]
    return Registry(parent.name, parent=parent, scope=SCOPE, locations=locations)


MODELS = _child(MMENGINE_MODELS, 'models')
TASK_UTILS = _child(MMENGINE_TASK_UTILS, 'models')
DATASETS = _child(MMENGINE_DATASETS, 'datasets')
DATA_SAMPLERS = _child(MMENGINE_DATA_SAMPLERS, 'datasets')
TRANSFORMS = _child(MMENGINE_TRANSFORMS, 'datasets')
METRICS = _child(MMENGINE_METRICS, 'evaluation.metrics')
HOOKS = _child(MMENGINE_HOOKS, 'engine', 'visualization.vis_visualization_hook')
LOOPS = _child(MMENGINE_LOOPS, 'engine')
OPTIM_WRAPPERS = _child(MMENGINE_OPTIM_WRAPPERS, 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS, 'engine')
STRATEGIES = _child(MMENGINE_STRATEGIES, 'engine.sharded_strategy')  # imported when asked for
VISUALIZERS = _child(MMENGINE_VISUALIZERS, 'visualization.vis_visualizer')
LOG_PROCESSORS = _child(MMENGINE_LOG_PROCESSORS, 'registry')  # nothing of its own
