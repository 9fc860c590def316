#!/usr/bin/env bash
# From a fresh machine to a chatbot that was shaped by what people like: installs, builds, trains on tales, finetunes on
# conversations, lets a rule rank answers in place of people, trains a reward model, tunes by DPO, compares, answers.
# Arguments go to every `kiln train`, e.g. --set train.time_budget=20s. KILN_RUNS names another folder for the runs.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$REPOSITORY"

runs="${KILN_RUNS:-runs}"
kiln=build/kiln
rule=data/cheerful_tales.json
report="$runs/chatbot-report.md"

build_kiln
built=$SECONDS

say "Training configs/chatbot_tales.json: a model that knows English tales"
"$kiln" train configs/chatbot_tales.json --run "$runs/chatbot-tales" --overwrite "$@"

say "Finetuning it on conversations, configs/chatbot.json: a model that answers"
"$kiln" train configs/chatbot.json --init-from "$runs/chatbot-tales" --run "$runs/chatbot" --overwrite "$@"

say "The loss of held-out answers"
"$kiln" eval "$runs/chatbot"

say "Questions that it has not seen, and whether its answers are exact"
"$kiln" eval "$runs/chatbot" --generate data/chat_questions.jsonl

say "Four answers to each of 400 requests for a tale, ranked by a rule: cheerful tales are better ($rule)"
"$kiln" answers "$runs/chatbot" --prompts data/tale_requests.txt --count 4 --output "$runs/chatbot-answers.jsonl"
rm -f "$runs/chatbot-rankings.jsonl"
"$kiln" rank "$runs/chatbot-answers.jsonl" --output "$runs/chatbot-rankings.jsonl" --rule "$rule"

say "A reward model learns the ranking, configs/chatbot_reward.json"
"$kiln" train configs/chatbot_reward.json --init-from "$runs/chatbot" --data "$runs/chatbot-rankings.jsonl" \
  --run "$runs/chatbot-reward" --overwrite "$@"

say "Tuning towards the better answers, configs/chatbot_dpo.json"
"$kiln" train configs/chatbot_dpo.json --init-from "$runs/chatbot" --data "$runs/chatbot-rankings.jsonl" \
  --run "$runs/chatbot-dpo" --overwrite "$@"
trained=$SECONDS

say "How often the rule likes the tuned model's tales better, of 300 requests that no model has seen"
"$kiln" compare "$runs/chatbot-dpo" "$runs/chatbot" --prompts data/tale_requests_held_out.txt --judge "$rule" --seed 2 |
  tee "$runs/chatbot-compare.txt"

say "A conversation"
questions=("Hello!" "How much is 6 plus 4?" "Tell me a story about a fox." "What happened next?" "Good night.")
for question in "${questions[@]}"; do printf '> %s\n' "$question"; done
printf '%s\n' "${questions[@]}" | "$kiln" chat "$runs/chatbot-dpo" --temperature 0.7 --min-p 0.1 --seed 1

# A page with a picture of every stage.
picture() {  # picture RUN METRIC TITLE
  "$kiln" plot "$runs/$1" --metric "$2" --output "$runs/$1-${2//\//-}.svg" >/dev/null 2>&1 || return 0
  printf '## %s\n\n![%s](%s)\n\n' "$3" "$3" "$1-${2//\//-}.svg"
}
{
  printf '# The chatbot, stage by stage\n\n'
  picture chatbot-tales loss "Pre-training on tales"
  picture chatbot loss "Finetuning on conversations"
  picture chatbot-reward loss "The reward model"
  picture chatbot-reward accuracy "Held-out comparisons that the reward model gets right"
  picture chatbot-dpo rewards/margins "DPO: how much better the liked answers are"
  picture chatbot-dpo logps/chosen "DPO: log p of the liked answers"
  printf '## Tuned against finetuned, judged by the rule\n\n```\n'
  cat "$runs/chatbot-compare.txt"
  printf '```\n'
} >"$report"

say "Done: $((built / 60)) min $((built % 60)) s to build, $(((trained - built) / 60)) min $(((trained - built) % 60)) s to train and rank, $((SECONDS - trained)) s for the rest"
echo "What to try next:"
printf '  # %s\n  %s\n' "look at every stage" "$report" \
  "talk with it" "$kiln chat $runs/chatbot-dpo" \
  "rank the answers yourself, in place of the rule" "$kiln rank $runs/chatbot-answers.jsonl --output my-rankings.jsonl" \
  "what it was trained on, as it sees it" "$kiln data show configs/chatbot.json --set init_from=$runs/chatbot-tales" \
  "your own conversations" "$kiln train configs/chatbot.json --init-from $runs/chatbot-tales --run $runs/mine --data my.jsonl --set 'data.validation=[]'"
