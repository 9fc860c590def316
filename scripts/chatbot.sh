#!/usr/bin/env bash
# From a fresh machine to a chatbot: installs, builds, trains on tales, finetunes on conversations, evaluates, answers.
# Arguments go to both `kiln train`, e.g. --set train.time_budget=20s. KILN_RUNS names another folder for the two runs.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$REPOSITORY"

runs="${KILN_RUNS:-runs}"
kiln=build/kiln

build_kiln
built=$SECONDS

say "Training configs/chatbot_tales.json: a model that knows English tales"
"$kiln" train configs/chatbot_tales.json --run "$runs/chatbot-tales" --overwrite "$@"

say "Finetuning it on conversations, configs/chatbot.json: a model that answers"
"$kiln" train configs/chatbot.json --init-from "$runs/chatbot-tales" --run "$runs/chatbot" --overwrite "$@"
trained=$SECONDS

say "The loss of held-out answers"
"$kiln" eval "$runs/chatbot"

say "Questions that it has not seen, and whether its answers are exact"
"$kiln" eval "$runs/chatbot" --generate data/chat_questions.jsonl

say "A conversation"
questions=("Hello!" "How much is 6 plus 4?" "Tell me a story about a fox." "What happened next?" "Good night.")
for question in "${questions[@]}"; do printf '> %s\n' "$question"; done
printf '%s\n' "${questions[@]}" | "$kiln" chat "$runs/chatbot" --temperature 0.7 --min-p 0.1 --seed 1

say "Done: $((built / 60)) min $((built % 60)) s to build, $(((trained - built) / 60)) min $(((trained - built) % 60)) s to train, $((SECONDS - trained)) s for the rest"
echo "What to try next:"
printf '  # %s\n  %s\n' "talk with it" "$kiln chat $runs/chatbot" \
  "what it was trained on, as it sees it" "$kiln data show configs/chatbot.json --set init_from=$runs/chatbot-tales" \
  "your own conversations" "$kiln train configs/chatbot.json --init-from $runs/chatbot-tales --run $runs/mine --data my.jsonl --set 'data.validation=[]'"
