"""Serves a web page to try a model: upload a video or use the webcam.

    python demo/web_demo.py CHECKPOINT [--config CONFIG]
    python demo/web_demo.py model.xml    # an exported file, or model.onnx

The page shows masks and identities, a timeline of the identities, and the results for download.
"""

from __future__ import annotations

import argparse
import sys


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Try a model in the browser: video or webcam in, masks and identities out'
    )
    parser.add_argument('checkpoint', help='checkpoint file, or an exported .onnx or .xml file')
    parser.add_argument('--config', help='config file (the one that training put into CHECKPOINT)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, ...')
    parser.add_argument('--score-thr', type=float, default=0.3, help='initial score threshold')
    parser.add_argument('--host', default='127.0.0.1', help='0.0.0.0 also serves other machines')
    parser.add_argument('--port', type=int, help='port (the first free one from 7860 on)')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    """Load the model and serve the page.

    Raises:
        ImportError: gradio is not installed.
        OSError: a file is missing, or the port is taken.
        ValueError: config and checkpoint do not fit each other, or an argument is impossible.
    """
    if not 0 <= args.score_thr <= 1:
        raise ValueError(f'--score-thr {args.score_thr}: give a number from 0 to 1')
    import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)
    from rocovis_mm.apis import RoCoVISInferencer, check_device
    from rocovis_mm.apis.video_arguments import check_exists
    from rocovis_mm.apis.web_page import build_page, launch, load_gradio
    from rocovis_mm.deployment import is_exported
    from rocovis_mm.utils import load_config
    from rocovis_mm.utils.checkpoint_config import checkpoint_config

    load_gradio()
    check_exists(args.checkpoint, 'checkpoint; training writes them into --work-dir')
    if is_exported(args.checkpoint):
        if args.config:
            raise ValueError(f'--config: {args.checkpoint} is exported and needs none')
        inferencer = RoCoVISInferencer(args.checkpoint, device=args.device)
        name = inferencer.model.file.metadata.model
    else:
        check_device(args.device)
        config = load_config(args.config) if args.config else checkpoint_config(args.checkpoint)
        inferencer = RoCoVISInferencer(config, args.checkpoint, args.device)
        name = type(inferencer.model).__name__
    launch(build_page(inferencer, f'{name}: video instances', args.score_thr), args.host, args.port)


def main() -> int:
    """Serve the page and return the exit status."""
    try:
        run(parse_args())
    except KeyboardInterrupt:
        return 130
    except (ImportError, OSError, ValueError) as error:
        print(f'web_demo.py: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
