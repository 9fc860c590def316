#!/usr/bin/env bash
# From a fresh machine to a trained, evaluated and sampled model: installs, builds, trains, evaluates, samples.
# Arguments go to `kiln train`, e.g. --set train.time_budget=30s. KILN_RUN names another run directory, PROMPT another
# prompt.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$REPOSITORY"

run="${KILN_RUN:-runs/quickstart}"
prompt="${PROMPT:-Once there lived}"
kiln=build/kiln

build_kiln
built=$SECONDS

say "Training configs/quickstart.json"  # the run is this script's own, so a second call starts afresh
"$kiln" train configs/quickstart.json --run "$run" --overwrite "$@"
trained=$SECONDS

say "Evaluating on the text that was held out"
"$kiln" eval "$run"

say "Three continuations of \"$prompt\""
"$kiln" sample "$run" --prompt "$prompt" --samples 3 --max-tokens 120 --temperature 0.7 --min-p 0.1 --seed 1

say "Done: $((built / 60)) min $((built % 60)) s to build, $((trained - built)) s to train, $((SECONDS - trained)) s for the rest"
echo "The run lies in $run: checkpoints/, metrics.jsonl, loss.svg. What to try next:"
try() { printf '  # %s\n  %s\n' "$2" "$1"; }
try "$kiln sample $run --prompt \"The old\" --temperature 0.5" "another prompt, a calmer hand"
try "$kiln inspect $run --prompt \"$prompt\"" "what it expects at every position"
try "$kiln plot $run" "the loss curves"
try "$kiln train configs/quickstart.json --run runs/mine --set 'data.train=[\"my.txt\"]'" "the same on your own text"
try "$kiln --help" "every command"
