"""Stands for `python` on the desk: runs a command of the docs with small numbers.

It replaces words that stand for something, adds the arguments that make a tool quick, runs the real
interpreter, and fails if a file that the command was told to write is not new. The desk writes
``short.json`` beside it: the interpreter, and config -> ``--cfg-options`` that make it small.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORDS = {
    'CONFIG': os.environ.get('CONFIG_OF_PAGE', 'configs/rocovis/rocovis_demo.py'),
    'INPUT': 'my_video.mp4',
    'KEY=VALUE': 'randomness.seed=0',
    "classes=('cat', 'dog')": "classes=('ball', 'star')",
    'load_from=/path/to/mask2former.pth': 'load_from=mask2former.pth',
    'default_hooks.visualization.interval=20': 'default_hooks.visualization.interval=2',
    'cuda': 'cpu',
    '100': '3',
    '500': '3',
    '1000': '6',
    '--nproc-per-node=8': '--nproc-per-node=2',
    '--master-addr=10.0.0.1': '--master-addr=127.0.0.1',
}
ADDED = {
    'venv': '--clear',
    'run_demo.py': '--cfg-options max_iters=2 val_interval=2 single_frames_until=0',
    'run_comparison.py': '--start-iterations 2 --iterations 2 --seeds 0 --rows minvis full '
    '--cfg-options batch_size=1',
    'benchmark.py': '--model-size=tiny --frames=2 --size=64x96',
    'benchmark_loading.py': '--frames=4 --rounds=1 --height=72 --width=128',
    'benchmark_stream.py': '--size 64 96',
    'benchmark_tracks.py': '--input=64x96 --frames=3',
    'benchmark_training.py': '--size 64 64 --iterations=1 --rounds=1 --rows=bfloat16',
    'export.py': '--size 64 96',
    'hard': '--train-videos=2 --val-videos=1 --val-frames=20',
}
"""Word of a command -> arguments that make it quick; the last of two values counts."""
NUMBERED = re.compile(r'iter_\d+\.pth$')
WITH_CONFIG = ('train.py', 'test.py', 'benchmark_training.py')
WRITES = ('--out', '--out-dir', '--show-dir', '--work-dir', '--masks', '--json')
WRITES_SECOND = ('cocovid_to_vis.py', 'detectron2_to_mm.py', 'jsonl_to_results.py')


def checkpoint(word: str, config: str) -> str:
    """Return a checkpoint that exists: a run of two iterations has none of the number named."""
    numbered = NUMBERED.search(word)
    folder = Path(word).parent if numbered else Path('work_dirs', Path(config).stem)
    found = [*folder.glob('best_*.pth'), *folder.glob('iter_*.pth')]
    return (
        str(found[0])
        if found and not Path(word).is_file() or word == 'CHECKPOINT' and found
        else word
    )


def shortened(words: list) -> list:
    """Return the words of a command as they are run."""
    words = [
        word[1:] if word.startswith('[--') else word
        for word in words
        if word not in ('...', '...]')
    ]
    words = [word[:-1] if word.endswith(']') and '[' not in word else word for word in words]
    words = [WORDS.get(word, word) for word in words]
    config = next((word for word in words if word.startswith('configs/')), '')
    words = [
        checkpoint(word, config) if word == 'CHECKPOINT' or NUMBERED.search(word) else word
        for word in words
    ]
    names = [Path(word).name for word in words]
    for name in names:
        words += ADDED.get(name, '').split()
    options = json.loads((HERE / 'short.json').read_text())['options'].get(config, [])
    return words + (['--cfg-options', *options] if {*names} & {*WITH_CONFIG} and options else [])


def outputs_of(words: list) -> list:
    """Return the files and folders that a command is told to write."""
    found, option = [], ''
    for word in words:
        option = word if word.startswith('--') else option
        if option in WRITES and word != option:
            found.append(word)
    tools = [n for n, word in enumerate(words) if Path(word).name in WRITES_SECOND]
    return found + [[w for w in words[n + 1 :] if not w.startswith('--')][1] for n in tools]


def newest(path: Path) -> float:
    """Return the time of the newest file in a folder, or of a file; 0 if there is none."""
    return max((p.stat().st_mtime for p in [path, *path.rglob('*')] if p.exists()), default=0)


def main() -> None:
    """Run a command."""
    words, begin = shortened(sys.argv[1:]), int(time.time())
    if len(words) > 1 and words[0].endswith('generate_embedded.py'):
        shutil.rmtree(words[1], ignore_errors=True)  # it overwrites nothing
    code = subprocess.call([json.loads((HERE / 'short.json').read_text())['python'], *words])
    if words[:2] == ['-m', 'venv'] and not code:
        for name in ('python', 'pip', 'short_python.py', 'short.json'):
            (Path(words[2], 'bin') / name).unlink(missing_ok=True)
            shutil.copy(HERE / name, Path(words[2], 'bin'))
    for folder in Path('work_dirs').glob('*'):  # so few iterations may find nothing
        last = sorted(folder.glob('iter_*.pth'))
        if last and not [*folder.glob('best_*.pth')]:
            (folder / 'best_AP_iter_2.pth').symlink_to(last[-1].name)
    missing = [name for name in outputs_of(words) if newest(Path(name)) < begin]
    if not code and missing:
        sys.exit(f'{words}: did not write {missing}')
    sys.exit(code)


if __name__ == '__main__':
    main()
