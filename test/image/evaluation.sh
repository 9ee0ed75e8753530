#!/usr/bin/env bash
# Builds the evaluation image and lets it judge a submission as the platform does: a server without network and
# privileges, the ground truth mounted apart. Exits non-zero at the first failure, and says which.
set -euo pipefail
cd "$(dirname "$0")/../.."

tag=gtvseg-evaluation-test
target=evaluation
base_argument=EVALUATION_BASE_IMAGE
source test/image/engine.sh

build
about() { "${engine[@]}" image inspect --format "$1" $tag; }
[[ $(about '{{.Config.User}}') =~ ^[a-z]+:[a-z]+$ && $(about '{{.Config.User}}') != root* ]] || fail "it runs as root"
[ "$(about '{{index .Config.Labels "org.grand-challenge.api-method"}}')" = invoke ] || fail "the label is not invoke"

"$python" test/image/submission.py make "$work/platform" || fail "the submission"
mkdir "$work/output" && chmod -R a+rX "$work" && chmod 0777 "$work/output"
limits+=(-v "$work/platform/ground_truth:/opt/ml/input/data/ground_truth:ro" -v "$work/output:/output")

say "running without predictions"
mkdir "$work/empty" && chmod 0755 "$work/empty"
code=0
"${engine[@]}" run --rm "${limits[@]}" -v "$work/empty:/input:ro" --entrypoint python3 $tag \
  /opt/app/evaluate_submission.py >"$work/stdout" 2>"$work/stderr" || code=$?
[ $code = 2 ] || { cat "$work/stderr"; fail "exit code $code instead of 2"; }
[ "$(wc -l <"$work/stderr")" = 1 ] || { cat "$work/stderr"; fail "not exactly one line on stderr"; }
sed 's/^/  /' "$work/stderr"
[ -z "$(find "$work/output" -mindepth 1)" ] || fail "something was left in /output"

say "serving"
server=$tag-$$
"${engine[@]}" run --detach --name $server "${limits[@]}" -v "$work/platform/input:/input:ro" $tag >/dev/null
wait_for_health $server
post_invoke $server
"${engine[@]}" exec $server python3 -c 'import sys, importlib.util as util
extra = [name for name in ("torch", "tqdm", "matplotlib", "pydicom") if util.find_spec(name)]
sys.exit(f"packages beyond the three: {extra}" if extra else 0)' || fail "the image, seen from within"
"$python" test/image/submission.py check "$work/platform" "$work/output" || fail "metrics.json"
say "passed in $((SECONDS - start)) s"
