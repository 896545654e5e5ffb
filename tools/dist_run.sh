#!/usr/bin/env bash
# Runs a tool in several processes under torchrun: tools/dist_run.sh TOOL PROCESSES [ARGUMENTS].
# Several machines: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT set.
# PYTHON names the interpreter. Without it the scripts take the entered environment if it has torch,
# else .venv in the checkout, else python.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tool=$1 processes=$2
shift 2
if ! [[ $processes =~ ^[1-9][0-9]*$ ]]; then
    echo "error: GPUS is '$processes': give the number of processes on this machine" >&2
    exit 2
fi

if [[ ${NNODES:-1} -gt 1 ]]; then
    : "${MASTER_ADDR:?error: NNODES=$NNODES needs MASTER_ADDR, the address of node 0}"
    : "${NODE_RANK:?error: NNODES=$NNODES needs NODE_RANK, from 0, another one on each node}"
    meeting=(--nnodes="$NNODES" --node-rank="$NODE_RANK" --master-addr="$MASTER_ADDR"
        --master-port="${PORT:-29500}")
elif [[ -n ${PORT:-} ]]; then
    meeting=(--master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="$PORT")
else
    meeting=(--standalone) # any free port
fi
root=${here%/*}
has_torch() {
    "$1" -c 'import importlib.util as i, sys; sys.exit(i.find_spec("torch") is None)' &>/dev/null
}
if [[ -n ${PYTHON:-} ]]; then
    python=$PYTHON
elif [[ -n ${VIRTUAL_ENV:-}${CONDA_PREFIX:-} ]] && has_torch python; then
    python=python
elif [[ -x $root/.venv/bin/python ]]; then
    python=$root/.venv/bin/python
else
    python=python
fi
if ! has_torch "$python"; then
    echo "error: $python does not run or has no torch. Enter an environment that has it" \
        "(after 'make install' or 'make demo': . .venv/bin/activate), or set PYTHON to its" \
        "interpreter" >&2
    exit 2
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m torch.distributed.run "${meeting[@]}" --nproc-per-node="$processes" \
    "$here/$tool" "$@" --launcher pytorch
