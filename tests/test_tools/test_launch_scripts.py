"""What the launch scripts start, seen by programs that stand for python, srun and scontrol."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
PYTHON = """case $1 in -c) exit "${{NO_TORCH:-0}}";; esac
echo "$NODE" {} "$@\""""


@pytest.fixture
def programs(tmp_path):
    """A fake python that says how it was called, and a slurm of two nodes."""
    texts = dict(
        python=PYTHON.format('python'),
        scontrol='[ "$1 $2" = "show hostnames" ] && printf "%s\\n" node7 node8',
        srun="""echo srun "$@" >&2
        while [ "$1" != bash ]; do shift; done
        for node in 0 1; do
            NODE=$node SLURM_NNODES=2 SLURM_NODEID=$node SLURM_JOB_ID=4123 \\
                SLURM_JOB_NODELIST='node[7-8]' "$@"
        done""",
    )
    for name, text in texts.items():
        write_program(tmp_path / name, text)
    return tmp_path


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/usr/bin/env bash\n{text}\n')
    path.chmod(0o755)


def call(programs, script, *arguments, fails=False, **variables):
    """Run a script in an entered environment, whose python is the fake one."""
    unwanted = ('PORT', 'NNODES', 'MASTER_ADDR', 'PYTHON', 'CONDA_PREFIX')
    kept = {k: v for k, v in os.environ.items() if k not in unwanted}
    kept['VIRTUAL_ENV'] = str(programs)
    path = f'{programs}:{os.environ["PATH"]}'
    done = subprocess.run(
        [TOOLS / script, *arguments], env={**kept, 'PATH': path, 'NODE': '', **variables},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode != 0) == fails, done.stderr
    return [line.strip() for line in done.stdout.splitlines()], done.stderr


def test_one_machine(programs):
    (line,), _ = call(programs, 'dist_train.sh', 'a.py', '4', '--amp', '--cfg-options', 'a=b c')
    assert line == (
        'python -m torch.distributed.run --standalone --nproc-per-node=4 '
        f'{TOOLS}/train.py a.py --amp --cfg-options a=b c --launcher pytorch'
    )
    (line,), _ = call(programs, 'dist_test.sh', 'a.py', 'b.pth', '3', '--out', 'c', PORT='1234')
    assert line == (
        'python -m torch.distributed.run --master-addr=127.0.0.1 --master-port=1234 '
        f'--nproc-per-node=3 {TOOLS}/test.py a.py b.pth --out c --launcher pytorch'
    )


def test_several_machines(programs):
    place = dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='there', PORT='5')
    (line,), _ = call(programs, 'dist_train.sh', 'a.py', '8', **place)
    assert '--nnodes=2 --node-rank=1 --master-addr=there --master-port=5 --nproc-per-node=8' in line
    place.pop('MASTER_ADDR')
    lines, said = call(programs, 'dist_train.sh', 'a.py', '8', fails=True, **place)
    assert not lines and 'MASTER_ADDR, the address of node 0' in said


@pytest.mark.parametrize(
    ('script', 'given', 'tool', 'passed_on'),
    [
        ('slurm_train.sh', ['a.py', '--amp'], 'train.py', 'a.py --amp'),
        ('slurm_test.sh', ['a.py', 'b.pth', '--out', 'c'], 'test.py', 'a.py b.pth --out c'),
    ],
)
def test_slurm_starts_torchrun_on_each_node(programs, script, given, tool, passed_on):
    variables = dict(GPUS='8', GPUS_PER_NODE='4', CPUS_PER_TASK='3', SRUN_ARGS='--time=1 -A me')
    lines, said = call(programs, script, 'part', 'job', *given, **variables)
    assert (
        'srun --partition=part --job-name=job --nodes=2 --ntasks=2 --ntasks-per-node=1 '
        '--gres=gpu:4 --cpus-per-task=12 --kill-on-bad-exit=1 --time=1 -A me bash'
    ) in said
    assert lines == [
        f'{node} python -m torch.distributed.run --nnodes=2 --node-rank={node} '
        '--master-addr=node7 --master-port=29623 --nproc-per-node=4 '
        f'{TOOLS}/{tool} {passed_on} --launcher pytorch'
        for node in (0, 1)
    ]


@pytest.mark.parametrize(
    ('script', 'given', 'message'),
    [
        ('dist_train.sh', ['a.py'], 'usage: dist_train.sh CONFIG GPUS'),
        ('dist_train.sh', ['a.py', '--amp'], "GPUS is '--amp'"),
        ('dist_test.sh', ['a.py', '2'], 'usage: dist_test.sh CONFIG CHECKPOINT GPUS'),
        ('slurm_train.sh', ['part', 'job'], 'PARTITION JOB_NAME CONFIG'),
        ('slurm_test.sh', ['part', 'job', 'a.py'], 'PARTITION JOB_NAME CONFIG CHECKPOINT'),
    ],
)
def test_what_is_missing_is_said(programs, script, given, message):
    lines, said = call(programs, script, *given, fails=True)
    assert not lines and message in said


def test_gpus_that_do_not_fill_machines(programs):
    _, said = call(programs, 'slurm_train.sh', 'p', 'j', 'a.py', fails=True, GPUS='12')
    assert 'GPUS=12 is no multiple of GPUS_PER_NODE=8' in said


@pytest.fixture
def checkout(tmp_path, programs):
    """A checkout with a .venv of its own."""
    shutil.copytree(TOOLS, tmp_path / 'checkout' / 'tools')
    write_program(tmp_path / 'checkout/.venv/bin/python', 'NO_TORCH=\n' + PYTHON.format('own'))
    return tmp_path / 'checkout'


@pytest.mark.parametrize(
    ('variables', 'name'),
    [
        (dict(VIRTUAL_ENV=''), 'own'),  # right after `make demo`
        (dict(), 'python'),  # another environment is entered
        (dict(VIRTUAL_ENV='', CONDA_PREFIX='/conda'), 'python'),
        (dict(NO_TORCH='1'), 'own'),  # one without torch, such as conda's base
    ],
)
def test_the_environment_of_the_checkout_is_found(programs, checkout, variables, name):
    script = checkout / 'tools' / 'dist_train.sh'
    (line,), _ = call(programs, script, 'a.py', '2', **variables)
    assert line.startswith(f'{name} -m torch.distributed.run')


def test_a_named_interpreter_comes_first(programs, checkout):
    write_program(programs / 'other', PYTHON.format('other'))
    script = checkout / 'tools' / 'dist_test.sh'
    (line,), _ = call(programs, script, 'a.py', 'b.pth', '2', PYTHON=str(programs / 'other'))
    assert line.startswith('other -m torch.distributed.run')


@pytest.mark.parametrize('python', ['', '/nowhere/python'])
def test_without_torch_the_script_says_what_to_do(programs, checkout, python):
    shutil.rmtree(checkout / '.venv')
    script = checkout / 'tools' / 'dist_train.sh'
    lines, said = call(programs, script, 'a.py', '2', fails=True, NO_TORCH='1', PYTHON=python)
    assert not lines and said.startswith(
        f'error: {python or "python"} does not run or has no torch'
    )
    assert '. .venv/bin/activate' in said and said.count('\n') == 1
