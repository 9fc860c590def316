# Draws a table and an SVG picture of how far models went from the finetuned model, and what the rule makes of them.
# Reads lines NAME <tab> KL <tab> MEAN SCORE <tab> STANDARD ERROR. Writes the table to stdout and the picture to the
# file `svg`.
BEGIN {
  FS = "\t"
  left = 70; right = 600; top = 20; bottom = 340
  print "| model | KL from the finetuned model, nats an answer | the rule's mean score, 95% interval |\n|---|--:|---|"
}
{
  name[NR] = $1; kl[NR] = $2; score[NR] = $3; margin[NR] = 1.96 * $4
  printf "| %s | %.2f | %.2f (%.2f to %.2f) |\n", $1, $2, $3, $3 - margin[NR], $3 + margin[NR]
  if ($2 > most_kl) most_kl = $2
  if (NR == 1 || $3 - margin[NR] < low) low = $3 - margin[NR]
  if (NR == 1 || $3 + margin[NR] > high) high = $3 + margin[NR]
}
function across(nats) { return left + (right - left) * nats / (most_kl * 1.05 + 1e-9) }
function up(mean) { return bottom - (bottom - top) * (mean - low) / (high - low + 1e-9) }
function line(x1, y1, x2, y2, colour) {
  printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, colour > svg
}
function text(at_x, at_y, anchor, what) {
  printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", at_x, at_y, anchor, what > svg
}
END {
  print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"400\" font-family=\"sans-serif\" " \
        "font-size=\"13\"><rect width=\"720\" height=\"400\" fill=\"white\"/>" > svg
  line(left, bottom, right, bottom, "black"); line(left, top, left, bottom, "black")
  for (i = 0; i <= 4; i++) {
    at_kl = most_kl * i / 4; at_score = low + (high - low) * i / 4
    text(across(at_kl), bottom + 18, "middle", sprintf("%.1f", at_kl)); line(across(at_kl), bottom, across(at_kl), bottom + 4, "black")
    text(left - 8, up(at_score) + 4, "end", sprintf("%.2f", at_score)); line(left - 4, up(at_score), left, up(at_score), "black")
  }
  text((left + right) / 2, bottom + 42, "middle", "KL from the finetuned model (nats an answer)")
  printf "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">the rule&#39;s mean score</text>\n", \
         (top + bottom) / 2 > svg
  for (i = 1; i <= NR; i++) {
    line(across(kl[i]), up(score[i] - margin[i]), across(kl[i]), up(score[i] + margin[i]), "#1f77b4")
    printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#1f77b4\"/>\n", across(kl[i]), up(score[i]) > svg
    text(across(kl[i]) + 8, up(score[i]) + 4, "start", name[i])
  }
  print "</svg>" > svg
}
