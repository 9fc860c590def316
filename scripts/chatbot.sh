#!/usr/bin/env bash
# From a fresh machine to a chatbot that was shaped by what people like: installs, builds, trains on tales, finetunes on
# conversations, lets a rule rank answers in place of people, trains a reward model, tunes by DPO, compares, answers.
#   scripts/chatbot.sh [--tune dpo|grpo] [arguments of kiln train]
# --tune grpo then also tunes by policy gradients against the reward model, and compares both with the best of n answers.
# The other arguments go to every `kiln train`, e.g. --set train.time_budget=20s. KILN_RUNS names another folder for the
# runs.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$REPOSITORY"

tune=dpo
if [[ "${1:-}" == --tune ]]; then
  [[ "${2:-}" == dpo || "${2:-}" == grpo ]] || die "--tune ${2:-}: dpo or grpo is expected"
  tune="$2"
  shift 2
fi
runs="${KILN_RUNS:-runs}"
kiln=build/kiln
rule=data/cheerful_tales.json
held_out=data/tale_requests_held_out.txt
report="$runs/chatbot-report.md"
tuned="$runs/chatbot-$tune"

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

if [[ "$tune" == grpo ]]; then
  say "Tuning towards what the reward model likes, configs/chatbot_grpo.json"
  "$kiln" train configs/chatbot_grpo.json --init-from "$runs/chatbot" --run "$tuned" --overwrite \
    --set "policy.rewards=[{\"type\": \"model\", \"path\": \"$runs/chatbot-reward\"}]" "$@"
fi
trained=$SECONDS

# Lets the rule compare a model with the finetuned one.
against_finetuned() {  # against_finetuned RUN [arguments]
  "$kiln" compare "$1" "$runs/chatbot" --prompts "$held_out" --judge "$rule" --seed 2 "${@:2}"
}

say "How often the rule likes the tuned model's tales better, of 300 requests that no model has seen"
against_finetuned "$tuned" | tee "$runs/chatbot-compare.txt"

# The frontier: how far each model went from the finetuned one, and what the rule makes of it.
if [[ "$tune" == grpo ]]; then
  say "DPO and the best of 4 and of 16 answers on the same requests"
  against_finetuned "$runs/chatbot-dpo" | tee "$runs/chatbot-compare-dpo.txt"
  for n in 4 16; do
    against_finetuned "$runs/chatbot" --best-of "$n" --reward "$runs/chatbot-reward" |
      tee "$runs/chatbot-compare-best-of-$n.txt"
  done
  point() {  # point NAME FILE A|B
    awk -v name="$1" -v side="$3" '
      { gsub(",", "") }
      $1 == "KL(A|B)" { kl = $5 }
      $1 == "mean" && $4 == side { score = $5; error = $8 }
      END { printf "%s\t%s\t%s\t%s\n", name, side == "A" ? kl : 0, score, error }' "$2"
  }
  {
    point finetuned "$runs/chatbot-compare.txt" B
    point DPO "$runs/chatbot-compare-dpo.txt" A
    point GRPO "$runs/chatbot-compare.txt" A
    point "best of 4" "$runs/chatbot-compare-best-of-4.txt" A
    point "best of 16" "$runs/chatbot-compare-best-of-16.txt" A
  } | awk -v svg="$runs/chatbot-frontier.svg" -f scripts/frontier.awk | tee "$runs/chatbot-frontier.md"
fi

say "Five questions that it has not seen"
questions=("$(head -n 1 "$held_out")")
for kind in arithmetic letters who unknown; do  # the first of each kind that holds no quotation mark
  line="$(grep -m 1 '^{"prompt":"[^"\]*",.*"kind":"'"$kind"'"}' data/chat_questions.jsonl)"
  line="${line#*:\"}"
  questions+=("${line%%\"*}")
done
for question in "${questions[@]}"; do printf '> %s\n' "$question"; done
printf '%s\n' "${questions[@]}" | "$kiln" chat "$tuned" --temperature 0.7 --min-p 0.1 --seed 1

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
  if [[ "$tune" == grpo ]]; then
    picture chatbot-grpo reward "GRPO: what the reward model makes of the answers"
    picture chatbot-grpo kl "GRPO: how far it is from the finetuned model"
    picture chatbot-grpo validation/gold "GRPO: what the rule makes of answers to held-out requests"
    printf '## The frontier\n\n![The frontier](chatbot-frontier.svg)\n\n'
    cat "$runs/chatbot-frontier.md"
    printf '\nThe best of n, as the reward model scores them, is at most log n - (n - 1) / n nats away.\n\n'
  fi
  printf '## Tuned against finetuned, judged by the rule\n\n```\n'
  cat "$runs/chatbot-compare.txt"
  printf '```\n'
} >"$report"

say "Done: $((built / 60)) min $((built % 60)) s to build, $(((trained - built) / 60)) min $(((trained - built) % 60)) s to train and rank, $((SECONDS - trained)) s for the rest"
echo "What to try next:"
printf '  # %s\n  %s\n' "look at every stage" "$report" \
  "talk with it" "$kiln chat $tuned" \
  "rank the answers yourself, in place of the rule" "$kiln rank $runs/chatbot-answers.jsonl --output my-rankings.jsonl" \
  "what it was trained on, as it sees it" "$kiln data show configs/chatbot.json --set init_from=$runs/chatbot-tales" \
  "your own conversations" "$kiln train configs/chatbot.json --init-from $runs/chatbot-tales --run $runs/mine --data my.jsonl --set 'data.validation=[]'"
