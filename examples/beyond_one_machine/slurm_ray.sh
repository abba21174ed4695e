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
# Newer versions of Ray let nobody in without the cluster's token; this one is the job's, and srun hands it on.
RAY_AUTH_TOKEN="$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN

srun --nodes 1 --ntasks 1 --cpus-per-task "$cores" --nodelist "$head" \
    ray start --head --port "$port" --num-cpus "$cores" --include-dashboard false --disable-usage-stats --block &
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
if [ "$SLURM_NNODES" -gt 1 ]; then
    sleep "${SECONDS_FOR_HEAD:-20}"
    srun --nodes "$((SLURM_NNODES - 1))" --ntasks "$((SLURM_NNODES - 1))" --cpus-per-task "$cores" --exclude "$head" \
        ray start --address "$head:$port" --num-cpus "$cores" --disable-usage-stats --block &
fi
sleep "${SECONDS_FOR_NODES:-20}"

paco-prof "$@" --engine ray --address "$head:$port"
