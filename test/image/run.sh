#!/usr/bin/env bash
# Builds the real Dockerfile and runs the image as the challenge does: no network, no privileges, read-only root, any
# user id. With a Docker engine it uses that (and the default base image); as root without one it uses buildah and
# podman on a stand-in base made by debootstrap. Exits non-zero at the first failure, and says which.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-.venv/bin/python}
tag=gtvseg-image-test
base=${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gtvseg
work=$(mktemp -d)

say() { printf 'image-test: %s\n' "$*"; }
fail() { printf 'image-test: FAILED: %s\n' "$*" >&2; exit 1; }
clean() {
  [ -z "${server:-}" ] || "${engine[@]}" rm --force "$server" >/dev/null 2>&1 || true
  rm -rf "$work" 2>/dev/null || say "left behind, as it belongs to the container's users: $work"
}
trap clean EXIT

# Everything that must hold at run time; the same words for docker and podman.
limits=(--network none --cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp
  --memory 8g --pids-limit 256 --shm-size 64m)

build_with_docker() {
  engine=(docker)
  docker build --platform linux/amd64 --build-arg BASE_IMAGE="$base" --tag $tag .
  docker build --platform linux/amd64 --build-arg BASE_IMAGE="$base" --target invoke --tag $tag-invoke .
}

build_with_buildah() {
  engine=(podman --runtime runc --cgroup-manager cgroupfs --storage-driver vfs)
  limits+=(--ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
  install_tools
  [ -s "$cache/base-bookworm.tar" ] || make_stand_in
  base=localhost/$tag-base
  "${engine[@]}" rmi --force $tag-invoke $tag $base >/dev/null 2>&1 || true
  "${engine[@]}" import "$cache/base-bookworm.tar" $base >/dev/null 2>&1 || fail "importing $cache/base-bookworm.tar"

  # The build uses this machine's own pip settings; local folders that they name are mounted, nothing is copied.
  local mounts=(-v "$work/pip.conf:/etc/pip.conf:ro" -v "$work/constraints.txt:/etc/pip-constraints.txt:ro") path
  "$python" test/image/pip_settings.py "$work/pip.conf" >"$work/paths"
  while read -r path; do mounts+=(-v "$path:$path:ro"); done <"$work/paths"
  grep '^torch==' requirements-dev.txt >"$work/constraints.txt"
  buildah --storage-driver vfs bud --isolation chroot --network host --layers=false "${mounts[@]}" \
    --build-arg BASE_IMAGE=$base --tag $tag . >"$work/build.log" 2>&1 \
    || { tail -20 "$work/build.log"; fail "the build"; }
  # Without layers all would be built anew for the other target: its own lines alone, on the image just made, to which
  # the stage exec adds nothing.
  { echo "FROM localhost/$tag" && sed '1,/^FROM product AS invoke$/d; /^FROM /,$d' Dockerfile; } >"$work/Dockerfile.invoke"
  buildah --storage-driver vfs bud --isolation chroot --layers=false --file "$work/Dockerfile.invoke" \
    --tag $tag-invoke "$work" >"$work/build.log" 2>&1 || { tail -20 "$work/build.log"; fail "the build of invoke"; }
}

install_tools() {
  local tool
  for tool in podman buildah runc debootstrap; do
    command -v $tool >/dev/null && continue
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "no Docker engine, and $tool cannot be installed"
    say "installing podman, buildah, runc, debootstrap"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      podman buildah runc debootstrap debian-archive-keyring >/dev/null || fail "apt-get install"
    return
  done
}

# From the mirror and through the proxy that apt uses on this machine, else from debootstrap's default mirror.
make_stand_in() {
  local mirror tar=$cache/base-bookworm.tar Proxy=
  say "making the stand-in base image"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 2>/dev/null | sed -n 1p || true)
  eval "$(apt-config shell Proxy Acquire::http::Proxy 2>/dev/null || true)"
  [ -z "$Proxy" ] || export http_proxy=${http_proxy:-$Proxy}
  debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$work/base" \
    ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; fail "debootstrap"; }
  rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
  mkdir -p "$cache"
  tar -C "$work/base" -cf "$tar.part" . && mv "$tar.part" "$tar"
  rm -rf "$work/base"
}

# A machine without these cgroups refuses the container: then the test goes on without, and says so.
probe_limits() {
  "${engine[@]}" run --rm "${limits[@]}" --entrypoint true "$base" >"$work/probe" 2>&1 && return
  local kept=() i
  for ((i = 0; i < ${#limits[@]}; i++)); do
    case ${limits[i]} in --memory | --pids-limit) i=$((i + 1)) ;; *) kept+=("${limits[i]}") ;; esac
  done
  limits=("${kept[@]}")
  "${engine[@]}" run --rm "${limits[@]}" --entrypoint true "$base" >"$work/probe2" 2>&1 \
    || { cat "$work/probe" "$work/probe2"; fail "no container starts"; }
  say "WARNING: this machine cannot enforce --memory and --pids-limit, tested without them: $(tail -1 "$work/probe")"
}

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

start=$SECONDS
if docker info >/dev/null 2>&1; then
  say "building with Docker"
  build_with_docker
else
  [ "$(id -u)" = 0 ] || fail "no Docker engine, and buildah and podman need root here; start Docker or run as root"
  say "no Docker engine: building with buildah"
  build_with_buildah
fi
bytes=$("${engine[@]}" image inspect --format '{{.Size}}' $tag)
say "built in $((SECONDS - start)) s, $((bytes / 1000000)) MB without compression"
[ "$bytes" -lt 10000000000 ] || fail "the platform takes no image of 10 GB"
probe_limits

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
ask='import time
from urllib.request import Request, urlopen
for second in range(60):
    try:
        print("  GET /health", urlopen("http://localhost:4743/health").status)
        break
    except OSError:
        time.sleep(1)
else:
    raise SystemExit("no answer in 60 s")
print("  POST /invoke", urlopen(Request("http://localhost:4743/invoke", method="POST")).status)'
"${engine[@]}" exec $server python3 -c "$ask" >"$work/asked" || { "${engine[@]}" logs $server; fail "the server"; }
cat "$work/asked"
grep -q "POST /invoke 201" "$work/asked" || fail "POST /invoke is not answered with 201"
"$python" test/image/check_output.py "$work/input" "$output" || fail "the server's output"
say "passed in $((SECONDS - start)) s"
