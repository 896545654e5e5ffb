"""Video in, video out: masks and identities over a file, images, a camera or a URL.

    python demo/video_demo.py INPUT CONFIG CHECKPOINT --out out.mp4 --json tracks.json
    python demo/video_demo.py INPUT model.xml --out out.mp4    # an exported file, or model.onnx

Reading, the model, and drawing and writing overlap. Ctrl-C ends it after the frame at work
with everything so far written whole; twice gives up. Exit status 0 when all was done (a
camera has no other end than Ctrl-C), 130 when a file was interrupted, 1 with one line on
stderr when something failed: what was written before is whole then, too.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # torch comes in once the arguments are found to be in order
    from tqdm import tqdm

    from rocovis_mm.apis import Outputs, RoCoVISInferencer, VideoResult, VideoRun
    from rocovis_mm.visualization.rerun_stream import RerunStream

WINDOW = 'rocovis_mm: q ends'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Segment and track the instances of a video, live or from a file',
        usage='%(prog)s INPUT [INPUT ...] {CONFIG CHECKPOINT | FILE.onnx | FILE.xml} [options]',
    )
    parser.add_argument(
        'input',
        nargs='+',
        help='video file, image folder, quoted glob, pattern (frames/%%05d.jpg), several image '
        'files (taken in natural order), URL, or number of a camera',
    )
    parser.add_argument(
        'model',
        nargs='+',
        action=ModelFiles,
        help='config file and checkpoint file, or one exported .onnx or .xml file',
    )
    parser.add_argument(
        '--out',
        help='drawn frames: .mp4, .mov, .avi, .gif, a folder of pictures, or folder/%%05d.png',
    )
    parser.add_argument('--masks', help='folder for a palette PNG of identities per frame')
    parser.add_argument('--json', help="the video's tracks in YouTube-VIS submission form, and ids")
    parser.add_argument(
        '--results-jsonl',
        help='new file for the masks, a line per frame as they come; with it, none are kept in '
        'memory (tools/misc/jsonl_to_results.py reads it, whole or cut off)',
    )
    parser.add_argument(
        '--rerun',
        nargs='?',
        const='',
        metavar='FILE.rrd',
        help='log frames, masks, ids and scores to Rerun: a file, HOST:PORT of a running viewer, '
        'or without a value a new viewer',
    )
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='for --out, --masks and --rerun'
    )
    parser.add_argument('--font', help='font file to take first for names of classes')
    parser.add_argument('--fps', type=float, help='rate of an input that states none, as images')
    parser.add_argument('--max-fps', type=float, help='leave out frames closer together')
    parser.add_argument(
        '--reconnect',
        type=float,
        metavar='SECONDS',
        help='connect again to a camera or live stream that is lost, for so long each time (inf: '
        'for ever)',
    )
    parser.add_argument('--show', action='store_true', help='show the drawn frames in a window')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, ...')
    parser.add_argument(
        '--release-after', type=int, help='frames of absence that give an identity up (never)'
    )
    parser.add_argument(
        '--memory-frames', type=int, help="most past frames to remember (the config's number)"
    )
    parser.add_argument(
        '--on-size-change',
        choices=['error', 'resize'],
        default='error',
        help='what becomes of a frame of another size than the first',
    )
    parser.add_argument(
        '--allow-missing', action='store_true', help='weights that the checkpoint lacks stay random'
    )
    parser.add_argument(
        '--precision', choices=['float32', 'bf16'], help='of an exported .xml file (float32)'
    )
    parser.add_argument('--cfg-options', nargs='+', help='key=value ...')
    return parser.parse_args()


class ModelFiles(argparse.Action):
    """Sets ``config`` and ``checkpoint``, or ``exported``, from the last words of the input."""

    def __call__(
        self, parser: argparse.ArgumentParser, args: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        """Split the words anew: the input took all but the last one."""
        words = [*args.input, *values]
        exported = Path(words[-1]).suffix.lower() in ('.onnx', '.xml')
        if len(words) < 2 + (not exported):
            parser.error('give the input, then config and checkpoint, or one exported file')
        args.input, model = (words[:-1], words[-1:]) if exported else (words[:-2], words[-2:])
        args.exported = model[0] if exported else None
        args.config, args.checkpoint = (None, None) if exported else model


def check_arguments(args: argparse.Namespace) -> None:
    """Find what is wrong with the arguments before torch is loaded, and choose the video.

    Raises:
        OSError: a file is missing, or one cannot be written.
        ValueError: an argument is impossible.
    """
    check_numbers(args)
    files = (args.out, args.masks, args.json, args.results_jsonl)
    if not (any(files) or args.show or args.rerun is not None):
        raise ValueError(
            'the results would go nowhere: give --out, --masks, --json, --results-jsonl, --rerun '
            'or --show'
        )
    names = [Path(x).resolve() for x in (args.out, args.json, args.results_jsonl) if x]
    if len(set(names)) < len(names):
        raise ValueError('--out, --json and --results-jsonl: give each a file of its own')
    from rocovis_mm.apis import video_arguments as check

    args.video = check.chosen_video(args.input)
    inputs = check.check_video(args.video)
    check_model(args)
    if args.font:
        check.check_exists(args.font, 'font file')
    if args.rerun is not None:
        check_rerun(args.rerun or None, inputs)
    if args.out:
        check.check_drawing(args.out, inputs)
    if args.masks:
        check.check_folder(args.masks, inputs)
    for path in filter(None, (args.json, args.results_jsonl)):
        check.check_file(path, inputs)
    if args.results_jsonl and Path(args.results_jsonl).exists():
        raise FileExistsError(
            f'{args.results_jsonl}: is there already and would have to be overwritten; give '
            'another name, or move it away'
        )


def check_model(args: argparse.Namespace) -> None:
    """Check that the files of the model exist and that its options belong to it.

    Raises:
        OSError: a file is missing.
        ValueError: an option is of no use to the model.
    """
    from rocovis_mm.apis.video_arguments import check_exists

    if args.exported:
        check_exists(args.exported, 'exported file; tools/deployment/export.py writes one')
        for name in ('cfg_options', 'allow_missing'):
            if getattr(args, name):
                raise ValueError(f'{name}: {args.exported} is exported; leave the option out')
        return
    if args.precision:
        raise ValueError('precision belongs to an exported file; leave the option out')
    check_exists(args.config, 'config file; see configs/ for those that exist')
    check_exists(args.checkpoint, 'checkpoint; training writes them into --work-dir')


def load_inferencer(args: argparse.Namespace) -> RoCoVISInferencer:
    """Return the model of the command line."""
    from rocovis_mm.apis import RoCoVISInferencer, check_device
    from rocovis_mm.utils import load_config

    if args.exported:
        return RoCoVISInferencer(args.exported, device=args.device, precision=args.precision)
    check_device(args.device)
    config = load_config(args.config, config_options(args.cfg_options))
    return RoCoVISInferencer(config, args.checkpoint, args.device, allow_missing=args.allow_missing)


def check_rerun(target: str | None, inputs: list[Path]) -> None:
    """Check that a recording of Rerun can go to its target.

    Raises:
        OSError: the file cannot be written.
        ValueError: Rerun is not installed, or the target is impossible.
    """
    from rocovis_mm.apis.video_arguments import check_file
    from rocovis_mm.visualization.rerun_log import check_target, target_options

    options = target_options(target)
    try:
        check_target(**options)
    except ImportError as error:
        raise ValueError(f'--rerun: {error}') from None
    if options['save']:
        check_file(options['save'], inputs)


def check_numbers(args: argparse.Namespace) -> None:
    """Check that numbers are in their ranges.

    Raises:
        ValueError: one is not.
    """
    for name in ('fps', 'max_fps', 'reconnect', 'release_after', 'memory_frames'):
        value = getattr(args, name)
        if value is not None and not (value > 0 and (value < math.inf or name == 'reconnect')):
            raise ValueError(f'{name}={value}: give a number above 0')
    if math.isnan(args.score_thr):
        raise ValueError('score_thr=nan: give a number from 0 to 1')


def stream_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return how the stream is to be opened."""
    return dict(
        keep_masks=bool(args.json) and not args.results_jsonl,
        results_jsonl=args.results_jsonl,
        release_after=args.release_after,
        on_size_change=args.on_size_change,
        **({} if args.fps is None else dict(fps=args.fps)),
        **({} if args.memory_frames is None else dict(memory_frames=args.memory_frames)),
    )


@contextmanager
def stopped_by_signals(run: VideoRun) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) end the run cleanly; the second one interrupts."""

    def stop(number: int, _: Any) -> None:
        run.stop()
        signal.signal(number, former[number])
        print('\nending after this frame; once more to give up', file=sys.stderr)

    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in former:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def open_window() -> None:
    """Open the window for --show.

    Raises:
        ValueError: this OpenCV has none, or there is no screen.
    """
    import cv2

    try:
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise ValueError(
            '--show: OpenCV cannot open a window here; install opencv-python in place of the '
            f'headless build, on a machine with a screen ({str(error).strip()})'
        ) from None


def show(outputs: Outputs) -> bool:
    """Show the latest picture; return whether q or Escape was pressed."""
    import cv2

    if outputs.picture is not None:
        cv2.imshow(WINDOW, cv2.cvtColor(outputs.picture, cv2.COLOR_RGB2BGR))
    return cv2.waitKey(1) & 0xFF in (ord('q'), 27)


def note(bar: tqdm, run: VideoRun) -> None:
    """Count a frame and say how much memory is in use."""
    import torch

    from rocovis_mm.utils.memory import resident_bytes

    memory = f'{resident_bytes() / 2**20:.0f} MB'
    if torch.cuda.is_initialized():
        memory += f', GPU at most {torch.cuda.max_memory_allocated() / 2**20:.0f} MB'
    if run.dropped:
        memory += f', {run.dropped} frames dropped'
    bar.set_postfix_str(memory, refresh=False)
    bar.update()


def open_rerun(
    args: argparse.Namespace, inferencer: RoCoVISInferencer, run: VideoRun
) -> AbstractContextManager[RerunStream | None]:
    """Return the log of --rerun, or nothing without the option."""
    if args.rerun is None:
        return nullcontext()
    from rocovis_mm.visualization.rerun_stream import RerunStream

    return RerunStream(args.rerun or None, inferencer.classes, run.fps, args.score_thr)


def process(args: argparse.Namespace, inferencer: RoCoVISInferencer, run: VideoRun) -> None:
    """Go through the video, drawing and writing."""
    from tqdm import tqdm

    from rocovis_mm.apis import Outputs

    outputs = Outputs(
        inferencer.classes,
        run.fps,
        args.out,
        args.masks,
        args.score_thr,
        draw=args.show,
        live=run.source.live,
    )
    bar = tqdm(total=run.source.length, unit=' frames', mininterval=0.5)
    with outputs as run.outputs, bar, open_rerun(args, inferencer, run) as log:
        for frame, result in run:
            if log is not None:
                log(frame, result)
            note(bar, run)
            if args.show and show(outputs):
                run.stop()


def save_tracks(path: str | None, found: VideoResult, error: Exception | None) -> None:
    """Write the tracks of the frames that went through, then raise what ended them early.

    Args:
        path: of the json; None writes none.
        found: the tracks.
        error: what went wrong before, or None.
    """
    try:
        if path and found.length:
            found.save(path)
    except OSError as second:
        raise OSError(f'{error}; {second}' if error else str(second)) from error
    if error is not None:
        raise error


def config_options(words: list[str] | None) -> dict[str, Any] | None:
    """Return what ``--cfg-options`` sets, as the other tools read it."""
    from rocovis_mm.utils import OptionAction

    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction)
    return parser.parse_args(['--cfg-options', *words] if words else []).cfg_options


def run_demo(args: argparse.Namespace) -> int:
    """Do what the command line asks for and return the exit status."""
    check_arguments(args)
    if args.show:
        open_window()
    import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)
    from rocovis_mm.visualization.fonts import use_font

    use_font(args.font)
    inferencer = load_inferencer(args)
    options = stream_options(args)
    with inferencer.frames(args.video, args.max_fps, args.reconnect, **options) as run:
        error = None
        try:
            with stopped_by_signals(run):
                process(args, inferencer, run)
        except (OSError, ValueError) as caught:
            error = caught
        found = run.finish()
        save_tracks(args.json, found, error)
    print(f'{found.length} frames, {len(found.standing)} tracks')
    return 130 if run.stopping and not run.source.live else 0


def main() -> None:
    """Run the demo."""
    args = parse_args()
    try:
        sys.exit(run_demo(args))
    except KeyboardInterrupt:
        sys.exit(130)
    except (ModuleNotFoundError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
