#!/bin/bash
# One training job on several nodes: sbatch --nodes 2 --gpus-per-node 4 slurm_torchrun.sh train --data folder:images --out run
# srun starts torchrun once on every node, and torchrun starts a process for every GPU of it.
#SBATCH --job-name=paco-prof
#SBATCH --ntasks-per-node=1
# All of each node: nothing else is to be at work beside what is measured, and every core is ours.
#SBATCH --exclusive
set -euo pipefail

# Where they meet: the first node, at a port that is this job's alone. Rank 0, which writes, need not be there: torchrun
# takes nodes in the order of their addresses as text. So --out and --output are best in a folder that all nodes share.
meeting="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):$((20000 + SLURM_JOB_ID % 20000))"
# GPUs that Slurm gives to each node; on nodes without any, NPROC processes.
each="${SLURM_GPUS_ON_NODE:-${NPROC:-1}}"

exec srun --cpus-per-task "${SLURM_CPUS_ON_NODE:-1}" torchrun --nnodes "$SLURM_NNODES" --nproc-per-node "$each" \
    --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$meeting" \
    -m paco_prof "$@"
