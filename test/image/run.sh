#!/usr/bin/env bash
# Builds the image and runs it as the challenge does: no network, no privileges, read-only root, any user id. Exits
# non-zero at the first failure, and says which.
set -euo pipefail
cd "$(dirname "$0")/../.."

tag=gtvseg-image-test
target=exec
base_argument=BASE_IMAGE
source test/image/engine.sh

# Engine options and arguments for the entrypoint, separated by --; leaves stdout, stderr in $work; returns the exit code.
container() {
  local input=$1 output=$2 options=()
  shift 2
  mkdir "$output" && chmod 0777 "$output"
  while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1") && shift; done
  "${engine[@]}" run --rm "${limits[@]}" ${options[@]+"${options[@]}"} \
    -v "$input:/input:ro" -v "$output:/output" $tag "${@:2}" >"$work/stdout" 2>"$work/stderr"
}

good_run() {
  local output=$work/output-$1 code=0
  container "$work/input" "$output" "${@:2}" || code=$?
  sed 's/^/  /' "$work/stdout"
  [ $code = 0 ] || { cat "$work/stderr"; fail "exit code $code"; }
  [ ! -s "$work/stderr" ] || { cat "$work/stderr"; fail "something on stderr"; }
  "$python" test/image/check_output.py "$work/input" "$output" || fail "the output"
}

# What stands between exec and invoke is a few lines: without layers, as here, all would be built anew for them.
build_invoke() {
  if [ "${engine[0]}" = docker ]; then
    docker build --platform linux/amd64 --build-arg BASE_IMAGE="$base" --target invoke --tag $tag-invoke .
    return
  fi
  { echo "FROM localhost/$tag" && sed '1,/^FROM product AS invoke$/d; /^FROM /,$d' Dockerfile; } >"$work/Dockerfile.invoke"
  buildah --storage-driver vfs bud --isolation chroot --layers=false --file "$work/Dockerfile.invoke" \
    --tag $tag-invoke "$work" >"$work/build.log" 2>&1 || { tail -20 "$work/build.log"; fail "the build of invoke"; }
}

build
build_invoke

say "looking inside"
label() { "${engine[@]}" image inspect --format '{{index .Config.Labels "org.grand-challenge.api-method"}}' "$1"; }
[ "$(label $tag-invoke)" = invoke ] || fail "the label of the invoke image is '$(label $tag-invoke)'"
[[ $(label $tag) =~ ^(<no value>)?$ ]] || fail "the exec image has the label '$(label $tag)'"
user=$("${engine[@]}" image inspect --format '{{.Config.User}}' $tag)
[[ $user =~ ^[a-z]+(:[a-z]+)?$ && $user != root* ]] || fail "the platform does not take the user '$user'"
inside() { "${engine[@]}" run --rm "${limits[@]}" --entrypoint python3 "$@"; }
packages=$(inside "$base" -m pip list --format=freeze 2>/dev/null)
files=$(cd model && find * -name '*.py' ! -path 'importing/*')
inside --user 54321:54321 -v "$PWD/test/image/check_inside.py:/check_inside.py:ro" $tag \
  /check_inside.py "$packages" "$files" >"$work/inside" 2>&1 || { cat "$work/inside"; fail "the image, seen from within"; }
sed 's/^/  /' "$work/inside"

"$python" -m phantom "$work/input" --cases 1 --seed 77 --geometry small --layout exec 2>/dev/null || fail "the phantom"
chmod -R a+rX "$work"
say "running as the image's user"
good_run own
say "running as uid 54321, without mirrors"
good_run other --user 54321:54321 -- --no-tta

say "running on a pair without its contrast CT"
cp -r "$work/input" "$work/broken" && rm -r "$work/broken/images/head-neck-contrast-enhanced-ct"
code=0
container "$work/broken" "$work/output-broken" || code=$?
[ $code = 2 ] || { cat "$work/stderr"; fail "exit code $code instead of 2"; }
[ "$(wc -l <"$work/stderr")" = 1 ] || { cat "$work/stderr"; fail "not exactly one line on stderr"; }
sed 's/^/  /' "$work/stderr"
[ -z "$(find "$work/output-broken" -mindepth 1)" ] || fail "something was left in /output"

say "serving, with the invoke image as it is"
server=$tag-$$ output=$work/output-server
mkdir "$output" && chmod 0777 "$output"
"${engine[@]}" run --detach --name $server "${limits[@]}" -v "$work/input:/input:ro" -v "$output:/output" \
  $tag-invoke >/dev/null
wait_for_health $server
post_invoke $server
"$python" test/image/check_output.py "$work/input" "$output" || fail "the server's output"
say "passed in $((SECONDS - start)) s"
