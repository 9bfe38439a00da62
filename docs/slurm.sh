#!/bin/bash
# Train on one or several machines of a Slurm cluster; a run that the queue ends is
# put back into it and goes on where it stopped.
#
#     sbatch docs/slurm.sh --datasetroot ROOT --datasetversion VERSION --scheduler
#     sbatch --nodes 2 docs/slurm.sh ...             two machines
#     sbatch --gres gpu:1 docs/slurm.sh ...          one card of a machine
#
# Submit from the folder of the scripts, on a disk that all machines share. Adapt the
# lines below and the two after "environment" to your cluster; the options after the
# script's name are those of `python main_ctc.py train`.

#SBATCH --job-name=asr
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1        # torchrun starts a process for each card
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.txt
#SBATCH --signal=B:TERM@180        # 3 min before the end: time to write the state

# environment
source .venv/bin/activate
logs=${LOGS:-logs}                 # folder of the runs
name=slurm_$SLURM_JOB_ID           # the run of this job, however often it is started

command=(main_ctc.py train --baselogdir "$logs")
state=$(ls -d "$logs/$name"_*/last*.pt 2>/dev/null | head -n 1)
if [ -n "$state" ]; then
    command+=(--resume "$(dirname "$state")")
elif ls -d "$logs/$name"_*/best_model.pt >/dev/null 2>&1; then
    echo "this run is finished"
    exit 0
else
    command+=(--logname "$name" "$@")
fi

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))
cards=${SLURM_GPUS_ON_NODE:-1}

export OMP_NUM_THREADS=1           # main_ctc.py sets its own number
srun torchrun --nnodes "$SLURM_JOB_NUM_NODES" --nproc_per_node "$cards" \
    --rdzv_backend c10d --rdzv_id "$SLURM_JOB_ID" --rdzv_endpoint "$first:$port" \
    "${command[@]}" &
run=$!

# The queue's signal reaches this script alone: pass it on, and ask for another turn.
ended=
trap 'ended=yes; kill -TERM "$run"' TERM
wait "$run"; code=$?
while kill -0 "$run" 2>/dev/null; do   # a trap cuts the waiting short
    wait "$run"; code=$?
done
if [ -n "$ended" ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
