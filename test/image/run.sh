#!/usr/bin/env bash
# Builds the real Dockerfile and runs the image as the challenge does: no network, no privileges, read-only root, any
# user id. With a Docker engine it uses that (and the default base image); as root without one it uses buildah and
# podman on a stand-in base made by debootstrap, with the CPU build of torch. Exits non-zero at the first failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-.venv/bin/python}
tag=gtvseg-image-test
work=$(mktemp -d)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gtvseg
trap 'rm -rf "$work"' EXIT

say() { printf 'image-test: %s\n' "$*"; }
fail() { printf 'image-test: FAILED: %s\n' "$*" >&2; exit 1; }

# Everything that must hold at run time; the same words for docker and podman.
limits=(--network none --cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp
  --memory "${MEMORY:-8g}" --pids-limit 256 --shm-size 64m)

if docker info >/dev/null 2>&1; then
  say "Docker engine found"
  engine=(docker)
  docker build --platform linux/amd64 ${BASE_IMAGE:+--build-arg BASE_IMAGE="$BASE_IMAGE"} --tag $tag .
else
  [ "$(id -u)" = 0 ] || fail "no Docker engine, and buildah and podman need root here; start Docker or run as root"
  if ! command -v podman buildah runc debootstrap >/dev/null 2>&1; then
    say "installing podman, buildah, runc, debootstrap"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends podman buildah runc debootstrap >/dev/null
  fi
  engine=(podman --runtime runc --cgroup-manager cgroupfs --storage-driver vfs)
  limits+=(--ulimit nofile=1024:1024 --ulimit nproc=4096:4096)

  base=$cache/base-bookworm.tar
  if [ ! -s "$base" ]; then
    say "making the stand-in base image"
    mkdir -p "$cache"
    debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$work/base" \
      >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; fail "debootstrap"; }
    rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
    tar -C "$work/base" -cf "$base.part" . && mv "$base.part" "$base"
    rm -rf "$work/base"
  fi
  "${engine[@]}" import "$base" $tag-base >/dev/null

  # The build uses this machine's own pip settings; local folders that they name are mounted, nothing is copied.
  mounts=()
  "$python" test/image/pip_settings.py "$work/pip.conf" >"$work/paths"
  while read -r path; do mounts+=(-v "$path:$path:ro"); done <"$work/paths"
  grep '^torch==' requirements-dev.txt >"$work/constraints.txt"
  mounts+=(-v "$work/pip.conf:/etc/pip.conf:ro" -v "$work/constraints.txt:/etc/pip-constraints.txt:ro")
  say "building the Dockerfile"
  buildah --storage-driver vfs bud --isolation chroot --network host --layers=false "${mounts[@]}" \
    --build-arg BASE_IMAGE=localhost/$tag-base --tag $tag . >"$work/build.log" 2>&1 \
    || { tail -20 "$work/build.log"; fail "the build"; }
fi
say "image size: $(("$("${engine[@]}" image inspect --format '{{.Size}}' $tag)" / 1000000)) MB"

user=$("${engine[@]}" image inspect --format '{{.Config.User}}' $tag)
[[ $user =~ ^[a-z]+(:[a-z]+)?$ && $user != root* ]] || fail "the platform does not take the user '$user'"

inside() { "${engine[@]}" run --rm "${limits[@]}" --entrypoint python3 "$@"; }
say "packages: $(inside $tag -m pip list --format=freeze 2>/dev/null | tr '\n' ' ')"
inside --user 54321:54321 $tag -c '
import os, sys
hidden = [f for d, _, fs in os.walk("/opt/app") for f in (d, *(os.path.join(d, f) for f in fs)) if not os.access(f, os.R_OK)]
extra = {"test", "training", "phantom", "evaluation"} & set(os.listdir("/opt/app"))
sys.exit(f"unreadable: {hidden}, too much: {extra}" if hidden or extra else 0)' || fail "files in /opt/app"

# Input folder -> output folder, with further engine options; leaves stdout, stderr in $work.
container() {
  local input=$1 output=$2
  shift 2
  rm -rf "$output" && mkdir -p "$output" && chmod 0777 "$output"
  "${engine[@]}" run --rm "${limits[@]}" "$@" -v "$input:/input:ro" -v "$output:/output" $tag \
    >"$work/stdout" 2>"$work/stderr"
}

"$python" -m phantom "$work/input" --cases 1 --seed "${SEED:-77}" --geometry "${GEOMETRY:-small}" --layout exec
chmod -R a+rX "$work"
for who in "$user" 54321:54321; do
  say "running as $who"
  container "$work/input" "$work/output" --user "$who" || { cat "$work/stdout" "$work/stderr"; fail "exit code $?"; }
  sed 's/^/  /' "$work/stdout"
  [ ! -s "$work/stderr" ] || { cat "$work/stderr"; fail "something on stderr"; }
  "$python" test/image/check_output.py "$work/input" "$work/output" || fail "the output of $who"
done

say "running on a pair without its contrast CT"
rm -r "$work/input/images/head-neck-contrast-enhanced-ct"
code=0
container "$work/input" "$work/output" || code=$?
[ $code = 2 ] || fail "exit code $code instead of 2"
[ "$(wc -l <"$work/stderr")" = 1 ] || { cat "$work/stderr"; fail "not exactly one line on stderr"; }
sed 's/^/  /' "$work/stderr"
[ -z "$(find "$work/output" -mindepth 1)" ] || fail "something was left in /output"
say "passed"
