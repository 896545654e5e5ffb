"""Every command of README and docs runs, page by page, in a copy of the checkout.

Data, models and numbers are small ones (desk.py, reduction.py), the commands are those that stand
there, in their order, each page in a copy of its own.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.processes import free_port
from tests.test_docs.commands import Command, all_commands
from tests.test_docs.desk import Desks
from tests.test_docs.reduction import NOT_RUN, reduced, why_not

COMMANDS = all_commands()
ASSIGNMENT = re.compile(r'([A-Z_]+)=(\S+|\$\(.*\))$')
WRITES = ('--out', '--out-dir', '--show-dir', '--work-dir', '--masks', '--json')
"""Options whose values, up to the next option, are files or folders that a command writes."""
WRITES_SECOND = re.compile(
    r'(?:cocovid_to_vis|detectron2_to_mm|jsonl_to_results)\.py (?:--reverse )?\S+ (\S+)'
)
"""Tools whose second argument is a file that they write."""
BEFORE = {
    r'generate_embedded\.py (\S+)': r'rm -r \1',
    r'^python -m venv (\S+)': r'rm -rf \1',
}
"""Command (as a regular expression) -> what makes room for it."""
TRAINED = ('last_checkpoint', 'iter_*.pth', '*/vis_data/scalars.json')
DRAWN = ('overlay.mp4', 'overlay.gif', 'contact_sheet.png')
PROMISED = {
    r'train\.(py|sh) .*--work-dir (?P<dir>\S+)': TRAINED,
    r'generate_embedded\.py (?P<dir>\S+)': ('train.json', 'val.json', 'JPEGImages/val_0001/*'),
    r'draw_results\.py .*--out-dir (?P<dir>\S+)': DRAWN,
    r'draw_results\.py .*--out-dir (?P<dir>\S+) --work-dir': ('curves.png',),
    r'split_dataset\.py (?P<dir>\S+)/train\.json': ('train_train.json', 'train_val.json'),
    r'vipseg_to_vis\.py \S+ (?P<dir>\S+)': ('train.json', 'val.json'),
    r'publish_model\.py \S+ (?P<dir>)': ('rocovis_r50_ytvis21-????????.pth',),
    r'plot_metrics\.py .*--out-dir (?P<dir>\S+)': ('ap_vs_iou.png', 'precision_recall_*.png'),
    r'check_dataset\.py .*--out (?P<dir>\S+)': ('problems.txt', 'summary.json', '*.png'),
    r'test\.py .*--show-dir (?P<dir>\S+)': ('1/*.jpg', '2/*.jpg'),
    r'default_hooks\.visualization\.draw=True(?P<dir>)': (
        'work_dirs/rocovis_demo/*/vis_data/vis_image/*',
    ),
    r'^make demo(?P<dir>)': tuple(
        f'work_dirs/demo/{name}'
        for name in (*TRAINED, *DRAWN, 'results.json', 'results.zip', 'metrics.json', 'curves.png')
    ),
    r'^make compare(?P<dir>)': tuple(
        f'work_dirs/compare*/comparison.{ending}' for ending in ('md', 'json', 'png')
    ),
}
"""Command (as a regular expression) -> what its page says that it leaves in a folder."""


@pytest.fixture(scope='module')
def desks(tmp_path_factory):
    return Desks(tmp_path_factory.mktemp('desks'))


def assignments_before(command: Command) -> list[str]:
    """Return the variables that a page has set when it comes to a command."""
    own = [each for each in COMMANDS if each.page == command.page]
    earlier = own[: own.index(command)]
    return [each.text for each in earlier if ASSIGNMENT.match(each.text)]


def written_by(text: str) -> list[str]:
    """Return the files and folders that a command is told to write."""
    found = WRITES_SECOND.findall(text)
    for option in WRITES:
        for values in re.findall(rf' {option}((?: (?!--)[\w./]+)+)', text):
            found += values.split()
    return found


def promised_by(text: str) -> list[str]:
    """Return patterns of the files that a page promises of a command."""
    return [
        str(Path(match.group('dir') or '.', name))
        for what, names in PROMISED.items()
        for match in [re.search(what, text)]
        if match
        for name in names
    ]


def script_of(command: Command) -> str:
    """Return the lines of shell that run a command in the state of its page."""
    text = reduced(command)
    lines = ['set -e', *assignments_before(command)]
    for what, room in BEFORE.items():
        match = re.search(what, text)
        if match:
            lines.append(match.expand(room))
    if 'NODE_RANK' in text:  # both machines at once
        text = text.replace('PORT=29500', f'PORT={free_port()}')
        lines.append(f'{re.sub("NODE_RANK=.", "NODE_RANK=0", text)} & first=$!')
        lines.append(f'{re.sub("NODE_RANK=.", "NODE_RANK=1", text)}\nwait $first')
    else:
        lines.append(text)
    if ASSIGNMENT.match(text):
        lines.append(f'test -f ${ASSIGNMENT.match(text).group(1)}')
    return '\n'.join(lines)


@pytest.mark.slow
@pytest.mark.parametrize('command', COMMANDS, ids=str)
def test_a_command_runs(command, desks):
    if why_not(command):
        pytest.skip(f'not run: {why_not(command)}')
    desk, text = desks.of(command.page), script_of(command)
    if 'export.txt' in text:
        pytest.importorskip('onnx', reason='not pinned for this Python')
    begin = time.time()
    done = desk.run(text)
    assert done.returncode == 0, f'{text}\n{done.stdout[-4000:]}'
    assert 'Traceback' not in done.stdout, f'{text}\n{done.stdout[-4000:]}'
    for name in written_by(reduced(command)):
        path = desk.folder / name
        newest = max((p.stat().st_mtime for p in [path, *path.rglob('*')] if p.exists()), default=0)
        assert newest >= int(begin), f'{text}\ndid not write {name}\n{done.stdout[-4000:]}'
    for pattern in promised_by(reduced(command)):
        may_be_empty = pattern.endswith('problems.txt')
        found = [path for path in desk.folder.glob(pattern) if path.stat().st_size or may_be_empty]
        assert found, f'{text}\nleft no {pattern}\n{done.stdout[-4000:]}'


def test_what_is_not_run_is_little_and_there():
    """No line of the table is idle, and it does not grow without notice."""
    for what in NOT_RUN:
        assert any(re.search(what, command.text) for command in COMMANDS), what
    skipped = [str(command) for command in COMMANDS if why_not(command)]
    assert len(skipped) <= 15 < 90 < len(COMMANDS) - len(skipped), skipped


def test_what_is_promised_is_found_in_commands():
    texts = [reduced(command) for command in COMMANDS if not why_not(command)]
    for what in PROMISED:
        assert any(re.search(what, text) for text in texts), what
    assert written_by('x --out a.json b.pth --out-dir d --names A') == ['a.json', 'b.pth', 'd']
