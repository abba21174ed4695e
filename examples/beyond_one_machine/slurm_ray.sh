#!/bin/bash
# A sweep over the nodes of a job: sbatch --nodes 4 --gpus-per-node 1 slurm_ray.sh ablate --max-minutes 600 --output sweep.json
# Ray is started on every node for as long as the job lives, and every launch goes to one of them.
#SBATCH --job-name=paco-prof-sweep
#SBATCH --ntasks-per-node=1
# All of each node: nothing else is to be at work beside what is measured, and every core is ours.
#SBATCH --exclusive
set -euo pipefail

head="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
port=$((20000 + SLURM_JOB_ID % 20000))
cores="${SLURM_CPUS_ON_NODE:-1}"
# That the head, and then all others, may take to be there: Python may have to come from a file system that is slow.
patience="${SECONDS_FOR_NODES:-300}"
# Newer versions of Ray let nobody in without the cluster's token; this one is the job's, and srun hands it on.
RAY_AUTH_TOKEN="$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN

srun --nodes 1 --ntasks 1 --cpus-per-task "$cores" --nodelist "$head" \
    ray start --head --port "$port" --num-cpus "$cores" --include-dashboard false --disable-usage-stats --block &
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
for _ in $(seq "$patience"); do
    (exec 3<> "/dev/tcp/$head/$port") 2>/dev/null && break
    sleep 1
done
if [ "$SLURM_NNODES" -gt 1 ]; then
    srun --nodes "$((SLURM_NNODES - 1))" --ntasks "$((SLURM_NNODES - 1))" --cpus-per-task "$cores" --exclude "$head" \
        ray start --address "$head:$port" --num-cpus "$cores" --disable-usage-stats --block &
fi
# Launches go to whatever is there by then; a node that comes later gets its share all the same.
python - "$head:$port" "$SLURM_NNODES" "$patience" <<'PYTHON'
import sys
import time

import ray

address, number, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
ray.init(address=address, log_to_driver=False, logging_level="ERROR")
end = time.monotonic() + patience
while (there := sum(node["Alive"] for node in ray.nodes())) < number and time.monotonic() < end:
    time.sleep(1.0)
print(f"{there} of {number} nodes are there.", file=sys.stderr)
PYTHON

paco-prof "$@" --engine ray --address "$head:$port"
