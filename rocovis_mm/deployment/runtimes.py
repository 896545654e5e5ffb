"""The packages that run exported files: onnxruntime for .onnx, OpenVINO for .xml."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rocovis_mm.deployment.file_metadata import METADATA

if TYPE_CHECKING:
    import openvino

Arrays = dict[str, np.ndarray]
"""Name -> tensor."""
PRECISIONS = ('float32', 'bf16')
"""Types in which a runtime may compute."""
REQUIREMENTS = 'pip install -r requirements/export.txt'


class Runtime(Protocol):
    """A graph that is ready to run.

    Attributes:
        metadata: text under `METADATA`, None without.
        inputs: name -> zeros of each input's shape and type, in the file's order.
    """

    metadata: str | None
    inputs: Arrays

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs in the file's order, as arrays of their own. Threads may call it."""

    def layer_times(self) -> dict[str, float]:
        """Return the seconds of each kind of layer, of all runs of a graph that was profiled."""


class OnnxRuntime:
    """An .onnx file in onnxruntime; see :class:`Runtime` and :func:`open_runtime`."""

    def __init__(
        self, path: Path, device: str, precision: str, threads: int | None, profile: bool
    ) -> None:
        require_packages('onnxruntime')
        import onnxruntime

        if precision != 'float32':
            raise ValueError(
                f'{path}: onnxruntime has no precision {precision!r} on a CPU; export the model '
                'as .xml for OpenVINO'
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.enable_profiling = profile
        if profile:
            self.folder = TemporaryDirectory()
            options.profile_file_prefix = str(Path(self.folder.name, 'layers'))
        providers = [onnx_provider(device)]
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # its errors have no common class but Exception
            raise ValueError(f'{path}: onnxruntime cannot load it ({last_line(error)})') from None
        self.metadata = self.session.get_modelmeta().custom_metadata_map.get(METADATA)

    @cached_property
    def inputs(self) -> Arrays:
        """See :class:`Runtime`."""
        types = {'tensor(int64)': np.int64, 'tensor(uint8)': np.uint8}
        inputs = self.session.get_inputs()
        return {x.name: np.zeros(x.shape, types.get(x.type, np.float32)) for x in inputs}

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """See :class:`Runtime`."""
        return self.session.run(None, dict(inputs))

    def layer_times(self) -> dict[str, float]:
        """See :class:`Runtime`. No further run is counted."""
        events = json.loads(Path(self.session.end_profiling()).read_text('utf-8'))
        found: Counter[str] = Counter()
        for event in events:
            name, kind = event.get('name', ''), event.get('args', {}).get('op_name')
            if event.get('cat') == 'Node' and name.endswith('_kernel_time') and kind:
                found[kind] += event['dur'] / 1e6
        return dict(found)


class OpenVINORuntime:
    """An .xml file in OpenVINO; see :class:`Runtime` and :func:`open_runtime`."""

    def __init__(
        self, path: Path, device: str, precision: str, threads: int | None, profile: bool
    ) -> None:
        require_packages('openvino')
        core = openvino_core()
        place = openvino_device(device, core.available_devices)
        able = core.get_property(place, 'OPTIMIZATION_CAPABILITIES')
        if precision == 'bf16' and 'BF16' not in able:
            raise ValueError(
                f'precision={precision!r}: this {place} has no bfloat16 ({", ".join(able)}); take '
                "precision='float32', or an int8 file of tools/deployment/quantize.py"
            )
        weights = path.with_suffix('.bin')
        if not weights.is_file():
            raise FileNotFoundError(f'{weights}: no such file; copy {path.name} together with it')
        try:
            model = core.read_model(str(path))
            self.metadata = openvino_metadata(model)
            if precision == 'bf16' and is_quantised(model):
                raise ValueError(
                    f'{path} is quantised, and beside integers OpenVINO computes wrong results in '
                    "bfloat16: take precision='float32', or the float file for bfloat16"
                )
            # without the hint OpenVINO takes bfloat16 where a CPU has it
            settings = {'INFERENCE_PRECISION_HINT': 'bf16' if precision == 'bf16' else 'f32'}
            if threads:
                settings['INFERENCE_NUM_THREADS'] = threads
            if profile:
                settings['PERF_COUNT'] = True
            self.graph = core.compile_model(model, place, settings)
        except RuntimeError as error:
            raise ValueError(f'{path}: OpenVINO cannot load it ({last_line(error)})') from None
        self.request = self.graph.create_infer_request()
        self.lock = threading.Lock()
        self.times: Counter[str] = Counter()
        self.profile = profile

    @cached_property
    def inputs(self) -> Arrays:
        """See :class:`Runtime`."""
        return {
            x.get_any_name(): np.zeros(tuple(x.shape), x.element_type.to_dtype())
            for x in self.graph.inputs
        }

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """See :class:`Runtime`."""
        with self.lock:
            found = self.request.infer(dict(inputs), share_inputs=True, share_outputs=True)
            outputs = [np.array(x) for x in found.values()]  # the next run overwrites them
            if self.profile:
                for layer in self.request.profiling_info:
                    self.times[layer.node_type] += layer.real_time.total_seconds()
        return outputs

    def layer_times(self) -> dict[str, float]:
        """See :class:`Runtime`."""
        return {kind: seconds for kind, seconds in self.times.items() if seconds}


RUNTIMES = {'.onnx': OnnxRuntime, '.xml': OpenVINORuntime}
"""Ending of a file -> what runs it."""


def is_exported(path: object) -> bool:
    """Whether a path names an exported file that :func:`open_runtime` takes."""
    return isinstance(path, (str, Path)) and Path(path).suffix.lower() in RUNTIMES


def open_runtime(
    path: str | Path,
    device: str = 'auto',
    precision: str | None = None,
    threads: int | None = None,
    profile: bool = False,
) -> Runtime:
    """Return a file in its runtime.

    Args:
        path: of an .onnx or .xml file.
        device: 'auto' and 'cpu' are the CPU. Others are 'cuda' for .onnx, and the devices of
            OpenVINO for .xml, such as 'gpu'.
        precision: 'float32', or 'bf16' for an .xml file where the device has it; None is
            'float32'.
        threads: of the CPU; None leaves their number to the runtime.
        profile: whether the time of each layer is measured, which costs some time.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: the runtime is not installed.
        ValueError: the file cannot be loaded, the device or the precision is not there, or the
            file is quantised and `precision` is 'bf16'.
    """
    path = Path(path)
    if path.suffix.lower() not in RUNTIMES:
        raise ValueError(f'{path}: give an exported file that ends in {" or ".join(RUNTIMES)}')
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; tools/deployment/export.py writes one')
    if precision not in (None, *PRECISIONS):
        raise ValueError(f'precision={precision!r}: choose one of {PRECISIONS}')
    kind = RUNTIMES[path.suffix.lower()]
    return kind(path, device, precision or 'float32', threads, profile)


@cache
def openvino_core() -> openvino.Core:
    """Return the one core of this process.

    A core gives its thread another stack for signals, and the former one back when it ends. Where
    two cores end in the order in which they began, the stack of the first one stays in use though
    its memory is gone, and the next signal, such as Ctrl-C, ends the process with a segmentation
    fault (OpenVINO, ``src/plugins/intel_cpu/src/sigstack_manager.cpp``).
    """
    import openvino

    return openvino.Core()


def onnx_provider(device: str) -> str:
    """Return the provider of onnxruntime for a device.

    Raises:
        ValueError: this onnxruntime has none.
    """
    import onnxruntime

    known = {'auto': 'CPU', 'cpu': 'CPU', 'cuda': 'CUDA'}
    able = onnxruntime.get_available_providers()
    provider = f'{known.get(device, device)}ExecutionProvider'
    if provider not in able:
        names = sorted(name for name, short in known.items() if f'{short}ExecutionProvider' in able)
        raise ValueError(
            f'device={device}: this onnxruntime has no such device; give one of {", ".join(names)}'
        )
    return provider


def openvino_device(device: str, able: list[str]) -> str:
    """Return OpenVINO's name of a device.

    Raises:
        ValueError: OpenVINO sees no such device.
    """
    name = 'CPU' if device == 'auto' else device.upper()
    if name not in able:
        raise ValueError(
            f'device={device}: OpenVINO sees no such device; give one of '
            f'{", ".join(["auto", *map(str.lower, able)])}'
        )
    return name


def openvino_metadata(model: Any) -> str | None:
    """Return the text under `METADATA` of an OpenVINO model, None without."""
    return model.get_rt_info([METADATA]).astype(str) if model.has_rt_info([METADATA]) else None


def is_quantised(model: openvino.Model) -> bool:
    """Whether some inputs of layers are rounded to integers.

    OpenVINO 2026.4 returns garbage of such a model in bfloat16, or ends the process.
    """
    return any(x.get_type_name() == 'FakeQuantize' for x in model.get_ops())


def last_line(error: BaseException) -> str:
    """Return the last line of an error's text, which names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def require_packages(*names: str) -> None:
    """Check that packages for exported files are installed.

    Raises:
        ModuleNotFoundError: names the missing ones and the command that installs them.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(f'exported files need {", ".join(missing)}: {REQUIREMENTS}')
